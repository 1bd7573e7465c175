import base from './jest.config.js';

/**
 * Tests behind a PgBouncer, `npm run test:pgbouncer`: they need Debian's package, so `npm test` leaves them out.
 * @type {import('jest').Config}
 */
export default { ...base, testMatch: ['<rootDir>/test/pgbouncer/**/*.pooler.ts'], testTimeout: 120_000 };
