import { fileURLToPath } from 'node:url';

/**
 * Jest 30 on CommonJS made by swc: the sources are ES modules whose imports end in `.js`, so the ending is taken off.
 * Packages are not compiled: {@link ./test/support/shared-packages-runtime.cjs} gives them as Node loads them.
 */
const shared = {
  rootDir: fileURLToPath(new URL('.', import.meta.url)),
  runtime: '<rootDir>/test/support/shared-packages-runtime.cjs',
  testEnvironment: '<rootDir>/test/support/own-context-environment.cjs',
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.[cm]?[jt]s$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2023',
          keepClassNames: true,
        },
        module: { type: 'commonjs' },
      },
    ],
  },
};

/** A project each for what a bare machine can run (`npm test`) and for what needs a package of Debian's. @type {import('jest').Config} */
export default {
  maxWorkers: 3,
  testTimeout: 30_000,
  projects: [
    { ...shared, displayName: 'tests', testMatch: ['<rootDir>/test/**/*.test.ts'] },
    // Chromium.
    { ...shared, displayName: 'browser', testMatch: ['<rootDir>/test/browser/**/*.browser.ts'] },
    // PgBouncer.
    { ...shared, displayName: 'pgbouncer', testMatch: ['<rootDir>/test/pgbouncer/**/*.pooler.ts'] },
  ],
};
