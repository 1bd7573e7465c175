import { mkdir, rm } from 'node:fs/promises';
import pg from 'pg';
import { startEmbeddedPostgres } from '../src/embedded-postgres.js';
import { migrate } from '../src/migrate.js';

/** Where the proofs keep their database, keys and logs. */
export const DIRECTORY = 'var/prove';

/** A migrated database of its own, on an embedded PostgreSQL that lives as long as the proof. */
export interface Place {
  databaseUrl: string;
  db: pg.Pool;
  close(): Promise<void>;
}

export async function openPlace(name: string): Promise<Place> {
  await mkdir(DIRECTORY, { recursive: true });
  const server = await startEmbeddedPostgres({ directory: `${DIRECTORY}/postgres`, database: 'postgres' });
  try {
    const admin = new pg.Client({ connectionString: server.url });
    await admin.connect();
    await admin.query(`DROP DATABASE IF EXISTS prove_${name} WITH (FORCE)`);
    await admin.query(`CREATE DATABASE prove_${name}`);
    await admin.end();
    const url = new URL(server.url);
    url.pathname = `/prove_${name}`;
    const databaseUrl = url.toString();
    await migrate(databaseUrl);
    const db = new pg.Pool({ connectionString: databaseUrl, max: 4 });
    // The server goes before the last connection does, when a proof breaks off.
    db.on('error', () => undefined);
    return {
      databaseUrl,
      db,
      async close() {
        await db.end();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** An empty folder for keys. */
export async function emptyFolder(name: string): Promise<string> {
  const folder = `${DIRECTORY}/${name}`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  return folder;
}
