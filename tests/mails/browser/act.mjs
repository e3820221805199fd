// Does in Chromium what it is told, a line of JSON at a time, and answers each line with one.
//
//     {"goto": URL}  {"fill": [SELECTOR, TEXT]}  {"check": SELECTOR}  {"uncheck": SELECTOR}
//     {"press": TEXT OF A BUTTON}  {"follow": TEXT OF A LINK}  {"picture": FILE}  {"axe": true}
//     {"ready": true}: when the page says that its index is read
//
// The answer has the page's address, its text, its heading, and what axe finds where it was asked.
import readline from 'node:readline';
import axe from 'axe-core';
import { browser } from './browser.mjs';

const chromium = await browser();
const context = await chromium.newContext({
  viewport: { width: 390, height: 844 },
  javaScriptEnabled: true,
  bypassCSP: true, // for axe alone; the pages have no scripts of their own
});
const page = await context.newPage();
page.setDefaultTimeout(0);
const deeds = {
  goto: (url) => page.goto(url),
  fill: ([selector, text]) => page.fill(selector, text),
  check: (selector) => page.check(selector),
  uncheck: (selector) => page.uncheck(selector),
  press: (name) => Promise.all([page.waitForNavigation(), page.getByRole('button', { name, exact: true }).click()]),
  follow: (name) => Promise.all([page.waitForNavigation(), page.getByRole('link', { name }).first().click()]),
  ready: () => page.waitForFunction(() => document.documentElement.dataset.ready === 'true'),
  picture: (path) => page.screenshot({ path, fullPage: true }),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const wish = JSON.parse(line);
  const answer = { violations: [] };
  try {
    for (const [name, value] of Object.entries(wish)) {
      if (name === 'axe') {
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
        answer.violations = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
      } else {
        await deeds[name](value);
      }
    }
    answer.url = page.url();
    answer.text = await page.evaluate(() => document.body.innerText);
  } catch (error) {
    answer.error = String(error);
  }
  console.log(JSON.stringify(answer));
}
await chromium.close();
