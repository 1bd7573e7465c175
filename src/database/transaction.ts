import type { PoolClient, QueryConfig } from 'pg';
import type { DataSource } from 'typeorm';
import { giveBack, isGoodAfter, takeConnection } from './connection.js';

/**
 * A transaction under way. Statements are issued at once and run in the order in which they were issued: those that are
 * not waited for one by one travel together.
 */
export class Transaction {
  /** The first statement that failed: those after it fail only because of it (`25P02`). */
  private failure: unknown = null;
  private ended = false;

  constructor(private readonly client: PoolClient) {}

  /** Runs a named prepared statement. One name must always mean one text. */
  prepared<Row>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    return this.run<Row>({ name, text, values });
  }

  query<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
    return this.run<Row>({ text, values });
  }

  private async run<Row>(statement: QueryConfig): Promise<Row[]> {
    if (this.ended) throw new Error('the transaction is over');
    try {
      return (await this.client.query(statement)).rows as Row[];
    } catch (error) {
      this.failure ??= error;
      throw error;
    }
  }

  /** PostgreSQL answers the COMMIT of a transaction in which a statement has failed with success: by rolling back. */
  async commit(): Promise<void> {
    this.ended = true;
    const { command } = await this.client.query('COMMIT');
    if (command !== 'COMMIT') throw new Error('the transaction was rolled back: one of its statements had failed');
  }

  /** Answers whether the connection may be used again. */
  async rollBack(): Promise<boolean> {
    this.ended = true;
    if (this.failure !== null && !isGoodAfter(this.failure)) return false;
    return this.client.query('ROLLBACK').then(
      () => true,
      () => false,
    );
  }

  /** Why the transaction failed: the first error of a statement, else what its work threw. */
  causeOf(error: unknown): unknown {
    return this.failure ?? error;
  }
}

/** Ends the transaction together with the statements that were issued before it: to be called last, once. */
export type Commit = () => Promise<void>;

/**
 * Runs a transaction in as few round trips as its work needs: BEGIN travels with the first statements, and where the work
 * calls `commit` beside its last ones, COMMIT travels with those; else it follows. Settling a batch takes two trips
 * instead of five, and each trip of a busy process also waits for the event loop.
 * Rolls back when the work, one of its statements or the commit fails.
 * @throws what failed first
 */
export async function transaction<T>(
  db: DataSource,
  work: (tx: Transaction, commit: Commit) => Promise<T>,
): Promise<T> {
  const client = await takeConnection(db);
  const tx = new Transaction(client);
  let reusable = true;
  try {
    const begun = tx.query('BEGIN');
    begun.catch(() => undefined);
    let committed: Promise<void> | null = null;
    const commit: Commit = () => (committed ??= tx.commit());
    const result = await work(tx, commit);
    await begun;
    await commit();
    return result;
  } catch (error) {
    reusable = await tx.rollBack();
    throw tx.causeOf(error);
  } finally {
    giveBack(client, !reusable);
  }
}
