import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createDataSource } from '../../src/data-source.js';

const TEMPLATE = 'paydesk_template';

export interface TestDatabase {
  /** Connection string of a database that nobody else uses, with every migration applied and no rows. */
  url: string;
  /** Drops it, and throws out whoever is still connected. */
  drop(): Promise<void>;
}

/** A database for one test file, copied from a template that is migrated once per run. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${process.env.JEST_WORKER_ID ?? '0'}_${randomBytes(6).toString('hex')}`;
  await asAdmin(async (admin) => {
    await makeTemplate(admin);
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  });
  return {
    url: urlOf(name),
    drop: () => asAdmin(async (admin) => void (await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))),
  };
}

/** An empty database without a single migration: for tests of the migrations themselves. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const name = `empty_${process.env.JEST_WORKER_ID ?? '0'}_${randomBytes(6).toString('hex')}`;
  await asAdmin(async (admin) => void (await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`)));
  return {
    url: urlOf(name),
    drop: () => asAdmin(async (admin) => void (await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))),
  };
}

/** The mark `datistemplate` is set last, so a template whose migrations failed is made anew by the next file. */
async function makeTemplate(admin: pg.Client): Promise<void> {
  await admin.query(`SELECT pg_advisory_lock(hashtext('${TEMPLATE}'))`);
  try {
    const made = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate', [TEMPLATE]);
    if (made.rowCount !== 0) return;
    await admin.query(`DROP DATABASE IF EXISTS ${TEMPLATE} WITH (FORCE)`);
    await admin.query(`CREATE DATABASE ${TEMPLATE} TEMPLATE template0`);
    const source = await createDataSource(urlOf(TEMPLATE)).initialize();
    try {
      await source.runMigrations();
    } finally {
      await source.destroy();
    }
    await admin.query(`ALTER DATABASE ${TEMPLATE} IS_TEMPLATE true`);
  } finally {
    await admin.query(`SELECT pg_advisory_unlock(hashtext('${TEMPLATE}'))`);
  }
}

/** Address of a database of the tests' server. */
export function urlOf(database: string): string {
  const server = process.env.PAYDESK_TEST_DATABASE;
  if (server === undefined) throw new Error('PAYDESK_TEST_DATABASE is not set: run this test through jest');
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.toString();
}

async function asAdmin<T>(work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: urlOf('postgres') });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}
