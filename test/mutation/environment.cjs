const { mkdtempSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const OwnContextEnvironment = require('../support/own-context-environment.cjs');

// What a mutant leaves behind must not be taken for the doing of another one, in the process beside this one.
process.env.TMPDIR = mkdtempSync(join(tmpdir(), 'paydesk-mutants-'));

/** From the first test of a file that fails on, the rest is left out: one is enough to kill a mutant. */
module.exports = class FirstFailureEnvironment extends OwnContextEnvironment {
  failed = false;

  handleTestEvent(event) {
    if (event.name === 'test_fn_failure' || event.name === 'hook_failure') this.failed = true;
    if (event.name === 'test_start' && this.failed) event.test.mode = 'skip';
  }
};
