import type { Pool, PoolClient } from 'pg';
import type { DataSource } from 'typeorm';
import { poolerOf } from './pool-options.js';

const poolOf = (db: DataSource): Pool => (db.driver as unknown as { master: Pool }).master;

/** Takes a connection out of the pool; it goes back by {@link giveBack}. */
export async function takeConnection(db: DataSource): Promise<PoolClient> {
  return poolOf(db).connect();
}

/** Connections in use and idle, and how many ask for one and have none yet. */
export function poolState(db: DataSource): { used: number; idle: number; waiting: number } {
  const { totalCount, idleCount, waitingCount } = poolOf(db);
  return { used: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
}

/** `broken`: it is closed instead of being handed to the next one. */
export function giveBack(client: PoolClient, broken: boolean): void {
  client.release(broken);
}

/**
 * Whether a connection is good for more after this error: only when the server itself refused a statement. After a lost
 * connection or a time-out of ours what is still under way on it is unknown, and a server that takes no writes is the
 * wrong one (`25006`).
 */
export function isGoodAfter(error: unknown): boolean {
  const { severity, code } = error as { severity?: string; code?: string };
  return severity === 'ERROR' && code !== '25006';
}

/**
 * Runs one statement as a named prepared one, in no transaction: TypeORM itself never prepares, and on hot paths planning
 * costs more than running (measured: 1.7 times). One name must always mean one text.
 */
export function preparedAlone<Row>(db: DataSource, name: string, text: string, values: unknown[]): Promise<Row[]> {
  const prepared = poolerOf(db) === 'session' ? { name } : {};
  return withConnection(db, async (client) => (await client.query({ ...prepared, text, values })).rows as Row[]);
}

/** Whether the server that answers takes writes. A connection to one that does not is closed. */
export async function isWritable(db: DataSource): Promise<boolean> {
  return withConnection(db, async (client, giveUp) => {
    const { rows } = await client.query<{ read_only: boolean }>(
      `SELECT current_setting('transaction_read_only') = 'on' AS read_only`,
    );
    const readOnly = rows[0]?.read_only ?? true;
    if (readOnly) giveUp();
    return !readOnly;
  });
}

/** Work on one connection outside of a transaction. `giveUp`: it is closed afterwards. */
async function withConnection<T>(
  db: DataSource,
  work: (client: PoolClient, giveUp: () => void) => Promise<T>,
): Promise<T> {
  const client = await takeConnection(db);
  let broken = false;
  const giveUp = (): void => void (broken = true);
  try {
    return await work(client, giveUp);
  } catch (error) {
    if (!isGoodAfter(error)) giveUp();
    throw error;
  } finally {
    giveBack(client, broken);
  }
}
