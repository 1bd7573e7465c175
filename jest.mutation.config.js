import { fileURLToPath } from 'node:url';
import base from './jest.config.js';

/** Tests as `npm run mutation` runs them, once for each mutant. @type {import('jest').Config} */
export default {
  ...base,
  // What hangs has failed.
  testTimeout: 15_000,
  globalSetup: '<rootDir>/test/mutation/global-setup.mjs',
  runner: '<rootDir>/test/mutation/runner.cjs',
  runtime: '<rootDir>/test/mutation/runtime.cjs',
  // Stryker wraps it and does not know <rootDir>.
  testEnvironment: fileURLToPath(new URL('test/mutation/environment.cjs', import.meta.url)),
};
