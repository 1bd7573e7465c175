import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What was done about a case, beside the note: accepted for its order, refunded, or booked by hand. */
export class CaseActions1764514800000 implements MigrationInterface {
  name = 'CaseActions1764514800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE discrepancies
        ADD COLUMN action text CHECK (action IN ('accept', 'refund', 'booked')),
        -- The refund that the action made; refund_id is the one that the case is about.
        ADD COLUMN action_refund_id text,
        ADD CHECK (action IS NULL OR status = 'resolved'),
        ADD CHECK ((action_refund_id IS NOT NULL) = (action IS NOT DISTINCT FROM 'refund'));
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE discrepancies DROP COLUMN action, DROP COLUMN action_refund_id;');
  }
}
