import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Refunds that are not settled, also those that wait for an operator: their number is read at each scrape of the metrics. */
export class UnboundRows1764504000000 implements MigrationInterface {
  name = 'UnboundRows1764504000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX refunds_unsettled ON refunds (payment_id) WHERE status IN ('requested', 'processing', 'abnormal');
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX refunds_unsettled;');
  }
}
