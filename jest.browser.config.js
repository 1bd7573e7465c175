import base from './jest.config.js';

/**
 * Tests in a real browser, `npm run test:browser`: they need Chromium, so `npm test` leaves them out.
 * @type {import('jest').Config}
 */
export default { ...base, testMatch: ['<rootDir>/test/browser/**/*.browser.ts'], testTimeout: 60_000 };
