import pg from 'pg';
import { migrate } from '../src/migrate.js';

/** Runs statements over a connection of its own, one after another. Answers the rows of the last one. */
export async function runStatements(databaseUrl: string, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  try {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) rows = (await client.query<Record<string, unknown>>(statement)).rows;
    return rows;
  } finally {
    await client.end();
  }
}

/** Makes an empty, migrated database on this server, in place of one of the same name. Answers its address. */
export async function makeDatabase(serverUrl: string, name: string, tablespace = 'pg_default'): Promise<string> {
  const drop = `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`;
  await runStatements(serverUrl, drop, `CREATE DATABASE ${name} TABLESPACE ${tablespace}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await migrate(url.toString());
  return url.toString();
}
