import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Daily bills: their runs, what was seen near midnight, and the indexes that a day's rows are found by. */
export class Reconciliation1763907200000 implements MigrationInterface {
  name = 'Reconciliation1763907200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE reconciliation_runs (
        id              text PRIMARY KEY,
        day             date NOT NULL,
        -- daily: the timer's, one for each day; manual: a person's, by command; file: of a downloaded bill.
        kind            text NOT NULL CHECK (kind IN ('daily', 'manual', 'file')),
        status          text NOT NULL CHECK (status IN ('waiting', 'running', 'done', 'failed')),
        attempts        integer NOT NULL DEFAULT 0,
        created_at      timestamptz NOT NULL,
        finished_at     timestamptz,
        next_attempt_at timestamptz NOT NULL,
        lease_until     timestamptz,
        error_code      text,
        summary         jsonb
      );
      CREATE UNIQUE INDEX reconciliation_runs_one_daily ON reconciliation_runs (day) WHERE kind = 'daily';
      CREATE INDEX reconciliation_runs_due ON reconciliation_runs (next_attempt_at)
        WHERE kind = 'daily' AND status IN ('waiting', 'running');

      -- Payments and refunds around midnight that stood in the bill of a day: so that the next day does not miss them.
      CREATE TABLE bill_matches (
        id  text PRIMARY KEY,
        day date NOT NULL
      );

      CREATE INDEX payments_by_paid_at ON payments (paid_at) WHERE status = 'succeeded';
      CREATE INDEX refunds_by_last_sent ON refunds (last_sent_at) WHERE refund_id IS NOT NULL;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX refunds_by_last_sent;
      DROP INDEX payments_by_paid_at;
      DROP TABLE bill_matches;
      DROP TABLE reconciliation_runs;
    `);
  }
}
