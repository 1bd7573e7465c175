import { fileURLToPath } from 'node:url';
import config from './jest.config.js';

/** Tests as `npm run mutation` runs them, once for each mutant. @type {import('jest').Config} */
export default {
  ...config.projects[0],
  // What hangs has failed.
  testTimeout: 15_000,
  globalSetup: '<rootDir>/test/mutation/global-setup.mjs',
  runner: '<rootDir>/test/mutation/runner.cjs',
  // Stryker wraps it and does not know <rootDir>.
  testEnvironment: fileURLToPath(new URL('test/mutation/environment.cjs', import.meta.url)),
};
