// Looks for titles on the search page as people would, and prints as JSON what came and how fast.
//
//     node search.mjs ADDRESS TITLES.json
import { readFile } from 'node:fs/promises';
import { browser } from '../mails/browser/browser.mjs';

const [address, titles] = process.argv.slice(2);
const chromium = await browser();
const page = await chromium.newPage();
page.setDefaultTimeout(0);
const errors = [];
page.on('console', (message) => errors.push(message.text()));
page.on('pageerror', (error) => errors.push(String(error)));
await page.goto(address);
await page.waitForFunction(() => document.documentElement.dataset.ready === 'true');
const answers = [];
for (const title of JSON.parse(await readFile(titles, 'utf-8'))) {
  answers.push(await page.evaluate(ask, title));
}
const state = await page.evaluate(() => document.getElementById('state').textContent);
await chromium.close();
console.log(JSON.stringify({ answers, errors, state }));

function ask(title) {
  const input = document.getElementById('words');
  const began = performance.now();
  input.value = title;
  input.dispatchEvent(new Event('input'));
  const milliseconds = performance.now() - began;
  const first = document.querySelector('#found li a');
  return { first: first ? first.textContent : '', milliseconds };
}
