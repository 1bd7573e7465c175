const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { default: JestRunner } = require('jest-runner');

/**
 * Runs, one after another, the test files that hold one of the tests asked for, the quickest first, up to the first
 * that fails. Jest itself would load every file to find out that it has nothing to run in it. Which tests stand in
 * which file is learned from a run without a pattern, the one that Stryker begins with.
 */
module.exports = class FirstFailureRunner extends JestRunner {
  async runTests(tests, watcher, options) {
    const notes = join(tests[0]?.context.config.rootDir ?? '.', '.test-names.json');
    const known = new Map(existsSync(notes) ? JSON.parse(readFileSync(notes, 'utf8')) : []);
    const pattern = this._globalConfig.testNamePattern;
    let failed = false;
    this.on('test-file-failure', () => (failed = true));
    this.on('test-file-success', ([{ path }, { numFailingTests, testExecError, testResults, perfStats }]) => {
      failed ||= numFailingTests > 0 || testExecError !== undefined;
      if (!pattern) known.set(path, { names: testResults.map(({ fullName }) => fullName), took: perfStats.runtime });
    });
    for (const test of pattern ? chosen(tests, known, new RegExp(pattern, 'i')) : tests) {
      if (failed) break;
      await super.runTests([test], watcher, options);
    }
    if (!pattern) writeFileSync(notes, JSON.stringify([...known]));
  }
};

function chosen(tests, known, pattern) {
  const took = ({ path }) => known.get(path).took;
  return tests
    .filter(({ path }) => known.get(path)?.names.some((name) => pattern.test(name)) ?? false)
    .sort((a, b) => took(a) - took(b));
}
