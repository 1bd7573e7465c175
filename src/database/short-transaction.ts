import type { Client } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { bindClient, unbindClient } from './sql.js';

/** Ends the transaction together with the statements that were issued before it: to be called last, once. */
export type Commit = () => Promise<void>;

/**
 * A transaction of as few round trips as its work needs: BEGIN travels with the first statements, and where the work
 * calls `commit` beside its last ones, COMMIT travels with those. Settling a batch takes two trips instead of five, and
 * each trip of a busy process also waits for the event loop.
 * Rolls back when the work, one of its statements or the commit fails.
 */
export async function shortTransaction<T>(
  db: DataSource,
  work: (tx: EntityManager, commit: Commit) => Promise<T>,
): Promise<T> {
  const runner = db.createQueryRunner();
  try {
    const client = (await runner.connect()) as Client;
    // What TypeORM's own `startTransaction` notes; it would wait for the answer.
    Object.assign(runner, { isTransactionActive: true, transactionDepth: 1 });
    bindClient(runner, client);
    const begun = client.query('BEGIN');
    begun.catch(() => undefined);
    let committed: Promise<void> | null = null;
    const commit: Commit = () => {
      unbindClient(runner);
      committed ??= send(client);
      return committed;
    };
    try {
      const result = await work(runner.manager, commit);
      await begun;
      await commit();
      return result;
    } catch (error) {
      unbindClient(runner);
      // A connection that broke has rolled back by itself.
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  } finally {
    Object.assign(runner, { isTransactionActive: false, transactionDepth: 0 });
    await runner.release();
  }
}

/** PostgreSQL answers the COMMIT of a transaction in which a statement has failed with success: by rolling back. */
async function send(client: Client): Promise<void> {
  const { command } = await client.query('COMMIT');
  if (command !== 'COMMIT') throw new Error('the transaction was rolled back: one of its statements had failed');
}
