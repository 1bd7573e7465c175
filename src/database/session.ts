import type { PoolClient } from 'pg';
import type { DataSource } from 'typeorm';
import { HOUR } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { giveBack, takeConnection } from './connection.js';
import { endSilenceAfter, poolerOf } from './pool-options.js';

/** How long one statement of long work may go without an answer before its connection counts as dead. */
const SILENCE_ENDS_AFTER = HOUR;

/** @throws DomainError `session_needed`: through a pooler in transaction mode there is none */
export function assertSession(db: DataSource, what: string): void {
  if (poolerOf(db) === 'session') return;
  throw new DomainError(
    'session_needed',
    `${what} requires a database session: set DATABASE_URL to the PostgreSQL server itself and remove DATABASE_POOLER`,
  );
}

/** One connection for long work: temporary tables live on it, its statements may take their time and read whole tables. */
export class Session {
  private constructor(private readonly client: PoolClient) {}

  /** @throws DomainError `session_needed` */
  static async open(db: DataSource, what: string): Promise<Session> {
    assertSession(db, what);
    const client = await takeConnection(db);
    endSilenceAfter(client, SILENCE_ENDS_AFTER);
    const session = new Session(client);
    try {
      await session.query(
        'SET statement_timeout = 0; SET enable_seqscan = on; SET idle_in_transaction_session_timeout = 0',
      );
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  async query<Row>(text: string, values?: unknown[]): Promise<Row[]> {
    const result = await this.client.query({ text, values });
    // Several statements in one text answer a list.
    return (Array.isArray(result) ? [] : result.rows) as Row[];
  }

  /** The connection is closed: its temporary tables and settings go with it, whatever became of the work. */
  close(): void {
    giveBack(this.client, true);
  }
}
