/** Mutation tests of what moves money and of what proves it: see docs/mutation.md; the parts are in test/mutation. */
export default {
  mutator: { excludedMutations: ['StringLiteral'] },
  // What runs while a file is loaded (decorators, tables) cannot be switched on and off from test to test.
  ignoreStatic: true,
  testRunner: 'jest',
  plugins: ['@stryker-mutator/jest-runner'],
  jest: { configFile: 'jest.mutation.config.js', enableFindRelatedTests: false },
  coverageAnalysis: 'perTest',
  concurrency: 2,
  timeoutMS: 10_000,
  timeoutFactor: 1.5,
  dryRunTimeoutMinutes: 15,
  incremental: true,
  reporters: ['progress-append-only', 'clear-text', 'json', 'html'],
  clearTextReporter: { allowColor: false, allowEmojis: false, logTests: false, reportTests: false },
  thresholds: { high: 95, low: 85, break: 85 },
  ignorePatterns: [
    '/dist',
    '/var',
    '/reports',
    '/docs',
    '/bench',
    '/prove',
    '/deploy',
    '/test/browser',
    '/.test-names.json',
  ],
};
