import { ConfigError } from './config/settings.js';
import { createDataSource } from './data-source.js';
import { connecting } from './database/database-errors.js';
import type { Pooler } from './database/pool-options.js';

/** One process migrates, the others wait for it: the key of an advisory lock. */
const MIGRATION_LOCK = 4_602_348_571;

/** Brings the schema up to date and answers what it applied. @throws ConnectionFailed */
export async function migrate(databaseUrl: string): Promise<string[]> {
  const db = createDataSource(databaseUrl);
  await connecting(db.initialize());
  const lock = db.createQueryRunner();
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const done = await db.runMigrations();
    return done.map((migration) => migration.name);
  } finally {
    await lock.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await lock.release();
    await db.destroy();
  }
}

/**
 * Brings the schema up to date where the database keeps sessions; through a pooler in transaction mode it only looks.
 * @throws ConfigError when migrations are waiting that cannot be applied through the pooler
 */
export async function migrateOrCheck(databaseUrl: string, pooler: Pooler): Promise<void> {
  if (pooler === 'session') return void (await migrate(databaseUrl));
  const db = await connecting(createDataSource(databaseUrl).initialize());
  try {
    if (await db.showMigrations()) throw new ConfigError([WAITING]);
  } finally {
    await db.destroy();
  }
}

/** @throws ConfigError */
export function assertMigratable(pooler: Pooler): void {
  if (pooler === 'transaction') throw new ConfigError([NEEDS_SESSION]);
}

const NEEDS_SESSION =
  'migrations require a database session: set DATABASE_URL to the PostgreSQL server itself and remove DATABASE_POOLER';
const WAITING = `the database schema is not up to date. Run the command migrate; ${NEEDS_SESSION} for it`;
