// Measures where the titles of mails stand, on a phone and on a desktop, and prints it as JSON.
//
//     node measure.mjs PAGE.html...
import { pathToFileURL } from 'node:url';
import { browser } from './browser.mjs';

const VIEWS = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };

const chromium = await browser();
const page = await chromium.newPage();
page.setDefaultTimeout(0);
const report = {};
for (const file of process.argv.slice(2)) {
  report[file] = {};
  for (const [name, viewport] of Object.entries(VIEWS)) {
    await page.setViewportSize(viewport);
    await page.goto(pathToFileURL(file).href);
    const found = await page.evaluate(titles);
    const screens = found.ends.map((end) => end / viewport.height);
    report[file][name] = {
      first: screens.filter((end) => end <= 1).length,
      screens,
      whole: found.height / viewport.height,
      small: found.small,
    };
  }
}
await chromium.close();
console.log(JSON.stringify(report));

// Of each paper the first title that leads to it: where it ends; and links too low for a finger.
function titles() {
  const ends = new Map();
  const small = [];
  for (const link of document.querySelectorAll('a')) {
    const box = link.getBoundingClientRect();
    if (link.href.includes('/abs/') && !ends.has(link.href)) {
      ends.set(link.href, box.bottom);
    }
    if (box.height < 24) {
      small.push(link.outerHTML.slice(0, 120));
    }
  }
  const height = document.documentElement.scrollHeight;
  return { ends: [...ends.values()].sort((one, other) => one - other), height, small };
}
