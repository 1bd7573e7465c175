import { mkdir, rm } from 'node:fs/promises';
import pg from 'pg';
import type { Cleanup } from '../dev/cleanup.js';
import { makeDatabase } from '../dev/databases.js';
import { startEmbeddedPostgres } from '../dev/embedded-postgres.js';

/** Where the proofs keep their database, keys and logs. */
export const DIRECTORY = 'var/prove';

/** A migrated database of its own, on an embedded PostgreSQL that lives as long as the proof. */
export interface Place {
  databaseUrl: string;
  /** All of them, where several were asked for. */
  databaseUrls: string[];
  db: pg.Pool;
}

export async function openPlace(cleanup: Cleanup, name: string, databases = 1): Promise<Place> {
  await mkdir(DIRECTORY, { recursive: true });
  const server = await startEmbeddedPostgres({ directory: `${DIRECTORY}/postgres`, database: 'postgres' });
  cleanup.add(() => server.stop());
  const databaseUrls: string[] = [];
  for (let index = 0; index < databases; index += 1)
    databaseUrls.push(await makeDatabase(server.url, index === 0 ? `prove_${name}` : `prove_${name}_${index}`));
  const [databaseUrl = ''] = databaseUrls;
  return { databaseUrl, databaseUrls, db: openPool(cleanup, { connectionString: databaseUrl, max: 4 }) };
}

export function openPool(cleanup: Cleanup, config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  // The server goes before the last connection does, when a proof breaks off.
  pool.on('error', () => undefined);
  cleanup.add(() => pool.end());
  return pool;
}

/** An empty folder for keys. */
export async function emptyFolder(name: string): Promise<string> {
  const folder = `${DIRECTORY}/${name}`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  return folder;
}
