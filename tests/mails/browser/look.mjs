// Looks at pages as people with Chromium would: of each file or address (http://...) that is a
// line of its input, it prints what is wrong with it as a line of JSON.
import readline from 'node:readline';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { browser } from './browser.mjs';

const WIDTHS = [700, 375];
const SCHEMES = ['light', 'dark'];
const NARROWEST = 320;
// A mail is shown inside a page, which has the landmarks.
const RULES = { region: { enabled: false }, 'landmark-one-main': { enabled: false } };

const chromium = await browser();
for await (const file of readline.createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await look(file.startsWith('http:') ? file : pathToFileURL(file).href)));
}
await chromium.close();

async function look(url) {
  const seen = { violations: [], requests: [], overflowing: [], mode: '' };
  for (const colorScheme of SCHEMES) {
    const page = await chromium.newPage({ colorScheme });
    page.on('request', (request) => request.url() === url || seen.requests.push(request.url()));
    await page.goto(url);
    await page.evaluate(axe.source);
    seen.mode = await page.evaluate(() => document.compatMode);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      seen.violations.push(...(await violations(page, `${width} px, ${colorScheme}`)));
    }
    await page.setViewportSize({ width: NARROWEST, height: 900 });
    seen.overflowing.push(...(await page.evaluate(overflowing)));
    await page.evaluate(undress);
    seen.violations.push(...(await violations(page, `no style sheets, ${colorScheme}`)));
    await page.close();
  }
  return seen;
}

async function violations(page, view) {
  const { violations } = await page.evaluate((rules) => window.axe.run({ rules }), RULES);
  return violations.map(({ id, help, nodes }) => `${view}: ${id}: ${help}: ${nodes[0].html}`);
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
