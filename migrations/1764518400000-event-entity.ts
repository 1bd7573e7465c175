import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * `payment_events.noun` becomes `entity`, as metrics and texts call it. Both are written; a later migration drops `noun`.
 * Rows of before are read by their old name, and none is rewritten.
 */
export class EventEntity1764518400000 implements MigrationInterface {
  name = 'EventEntity1764518400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE payment_events
        ADD COLUMN entity text,
        ADD CONSTRAINT payment_events_entity CHECK (entity IN ('order', 'payment', 'refund')) NOT VALID;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE payment_events DROP COLUMN entity;');
  }
}
