import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Refunds that were made in the channel's merchant console. No row is rewritten, and those of ours need no new index. */
export class ConsoleRefunds1764507600000 implements MigrationInterface {
  name = 'ConsoleRefunds1764507600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE refunds
        -- Where it was made: by a request to Paydesk, or in the channel's merchant console.
        ADD COLUMN origin text NOT NULL DEFAULT 'api' CHECK (origin IN ('api', 'console')),
        -- The out_refund_no that the console gave it; that of ours is the id.
        ADD COLUMN console_refund_no text CHECK (octet_length(console_refund_no) BETWEEN 1 AND 64),
        ADD CHECK ((origin = 'console') = (console_refund_no IS NOT NULL)),
        -- The channel has accepted it before we hear of it: it can only be queried, never sent.
        ADD CHECK (origin = 'api' OR (sent_at IS NOT NULL AND refund_id IS NOT NULL));
      CREATE UNIQUE INDEX refunds_console_refund_no ON refunds (console_refund_no) WHERE console_refund_no IS NOT NULL;
      -- Console refunds that wait for the end of one of ours.
      CREATE INDEX discrepancies_refund_conflicts ON discrepancies (id) WHERE status = 'open' AND type = 'refund_conflict';
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX discrepancies_refund_conflicts;
      ALTER TABLE refunds DROP COLUMN console_refund_no, DROP COLUMN origin;
    `);
  }
}
