// `npm run mutation [-- PART … FILE …]`: one database server for all of it, thousands of test runs. Explained in
// docs/mutation.md.
import { Stryker } from '@stryker-mutator/core';
import startDatabase from '../support/global-setup.mjs';
import stopDatabase from '../support/global-teardown.mjs';
import { PARTS } from './parts.mjs';
import { table } from './table.mjs';

const files = process.argv.slice(2).filter((word) => word.includes('/'));
const wanted = process.argv.slice(2).filter((word) => !word.includes('/'));
const unknown = wanted.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}. Parts: ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}

const results = [];
await startDatabase();
try {
  for (const name of wanted.length > 0 ? wanted : Object.keys(PARTS)) {
    const stryker = new Stryker({
      ...PARTS[name],
      ...(files.length > 0 && { mutate: files }),
      incrementalFile: `reports/mutation/${name}.incremental.json`,
      jsonReporter: { fileName: `reports/mutation/${name}.json` },
      htmlReporter: { fileName: `reports/mutation/${name}.html` },
    });
    results.push(...(await stryker.runMutationTest()));
  }
} finally {
  await stopDatabase();
}
console.log(table(results));
