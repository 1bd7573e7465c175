import { mkdir, rm } from 'node:fs/promises';
import pg from 'pg';
import { startEmbeddedPostgres } from '../dev/embedded-postgres.js';
import { migrate } from '../src/migrate.js';

/** Where the proofs keep their database, keys and logs. */
export const DIRECTORY = 'var/prove';

/** A migrated database of its own, on an embedded PostgreSQL that lives as long as the proof. */
export interface Place {
  databaseUrl: string;
  /** All of them, where several were asked for. */
  databaseUrls: string[];
  db: pg.Pool;
  close(): Promise<void>;
}

export async function openPlace(name: string, databases = 1): Promise<Place> {
  await mkdir(DIRECTORY, { recursive: true });
  const server = await startEmbeddedPostgres({ directory: `${DIRECTORY}/postgres`, database: 'postgres' });
  try {
    const databaseUrls: string[] = [];
    for (let index = 0; index < databases; index += 1)
      databaseUrls.push(await makeDatabase(server.url, index === 0 ? `prove_${name}` : `prove_${name}_${index}`));
    const [databaseUrl = ''] = databaseUrls;
    const db = new pg.Pool({ connectionString: databaseUrl, max: 4 });
    // The server goes before the last connection does, when a proof breaks off.
    db.on('error', () => undefined);
    return {
      databaseUrl,
      databaseUrls,
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

/** An empty, migrated database. Answers its address. */
export async function makeDatabase(serverUrl: string, name: string, tablespace = 'pg_default'): Promise<string> {
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await admin.query(`CREATE DATABASE ${name} TABLESPACE ${tablespace}`);
  await admin.end();
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await migrate(url.toString());
  return url.toString();
}

/** An empty folder for keys. */
export async function emptyFolder(name: string): Promise<string> {
  const folder = `${DIRECTORY}/${name}`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  return folder;
}
