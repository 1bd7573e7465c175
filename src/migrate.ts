import { createDataSource } from './data-source.js';

/** One process migrates, the others wait for it: the key of an advisory lock. */
const MIGRATION_LOCK = 4_602_348_571;

/** Brings the schema up to date and answers what it applied. */
export async function migrate(databaseUrl: string): Promise<string[]> {
  const db = createDataSource(databaseUrl);
  await db.initialize();
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
