// Looks at pages as people with Chromium would: of each file or address (http://...) that is a
// line of its input, it prints what is wrong with it as a line of JSON; of one that follows the
// word `asks`, only what the page asks for.
import readline from 'node:readline';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { browser } from './browser.mjs';

const WIDTHS = [700, 375];
const SCHEMES = ['light', 'dark'];
const NARROWEST = 320;
// To describe what is right, too, takes longer than to look.
const RESULTS = { resultTypes: ['violations'] };
const BY_SCHEME = {
  // A mail is shown inside a page, which has the landmarks.
  light: { ...RESULTS, rules: { region: { enabled: false }, 'landmark-one-main': { enabled: false } } },
  // Nothing but the colours is another by night.
  dark: { ...RESULTS, runOnly: ['color-contrast', 'link-in-text-block'] },
};

const chromium = await browser();
const page = await chromium.newPage();
page.setDefaultTimeout(0);
let requests = [];
page.on('request', (request) => requests.push(request.url()));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [, asks, file] = line.match(/^(asks )?(.*)$/);
  const url = file.startsWith('http:') ? file : pathToFileURL(file).href;
  requests = [];
  await page.emulateMedia({ colorScheme: SCHEMES[0] });
  await page.goto(url);
  const seen = asks ? await glance() : await look();
  console.log(JSON.stringify({ ...seen, requests: requests.filter((each) => each !== url) }));
}
await chromium.close();

async function glance() {
  await page.emulateMedia({ colorScheme: SCHEMES[1] });
  await page.evaluate(() => new Promise(requestAnimationFrame));
  return {};
}

async function look() {
  await page.evaluate(axe.source);
  const mode = await page.evaluate(() => document.compatMode);
  const found = [];
  const sticking = [];
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      found.push(...(await violations(scheme, `${width} px`)));
    }
    await page.setViewportSize({ width: NARROWEST, height: 900 });
    sticking.push(...(await page.evaluate(overflowing)));
  }
  await page.evaluate(undress);
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme });
    found.push(...(await violations(scheme, 'no style sheets')));
  }
  return { violations: found, overflowing: sticking, mode };
}

async function violations(scheme, view) {
  const { violations } = await page.evaluate((options) => window.axe.run(options), BY_SCHEME[scheme]);
  return violations.map(({ id, help, nodes }) => `${view}, ${scheme}: ${id}: ${help}: ${nodes[0].html}`);
}

function overflowing() {
  const edge = document.documentElement.clientWidth;
  const elements = [...document.body.querySelectorAll('*')];
  return elements
    .filter((element) => element.scrollWidth > edge || element.getBoundingClientRect().right > edge + 1)
    .map((element) => element.outerHTML.slice(0, 120));
}

// Gmail does so for the accounts of others.
function undress() {
  document.querySelectorAll('style').forEach((sheet) => sheet.remove());
}
