// Takes the pictures of a mail: on a desktop, on a phone, and in the dark.
//
//     node screenshots.mjs MAIL.html FOLDER
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { browser } from './browser.mjs';

const VIEWS = {
  desktop: { viewport: { width: 760, height: 960 }, colorScheme: 'light' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', deviceScaleFactor: 2 },
  dark: { viewport: { width: 760, height: 960 }, colorScheme: 'dark' },
};

const [mail, folder] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const chromium = await browser();
for (const [name, view] of Object.entries(VIEWS)) {
  const page = await chromium.newPage(view);
  await page.goto(pathToFileURL(mail).href);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await page.close();
}
await chromium.close();
