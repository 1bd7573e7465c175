import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Orders and refunds belong to the service that placed or asked for them, under a number of its own. Orders that services
 * placed before are given to them; those of users, most rows of most shops, are not rewritten.
 */
export class Services1764522000000 implements MigrationInterface {
  name = 'Services1764522000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE orders
        -- The service that placed it; null: its user did.
        ADD COLUMN service text,
        -- The service's own number of the order: one order each, for ever.
        ADD COLUMN external_id text,
        -- Seconds that it may be paid, where the service said so.
        ADD COLUMN expires_in integer,
        ADD CONSTRAINT orders_external_id CHECK (external_id IS NULL OR service IS NOT NULL) NOT VALID;
      UPDATE orders SET service = created_by WHERE created_by <> user_id;
      CREATE UNIQUE INDEX orders_external_id ON orders (service, external_id) WHERE external_id IS NOT NULL;
      CREATE INDEX orders_by_service ON orders (service, created_at, id) WHERE service IS NOT NULL;
      CREATE INDEX orders_by_service_status ON orders (service, status, created_at, id) WHERE service IS NOT NULL;

      ALTER TABLE refunds
        -- The service that asked for it; null: the user or an operator did.
        ADD COLUMN service text,
        ADD COLUMN external_id text,
        -- Asked for without an amount: all that was left.
        ADD COLUMN whole boolean NOT NULL DEFAULT false,
        ADD CONSTRAINT refunds_external_id CHECK (external_id IS NULL OR service IS NOT NULL) NOT VALID;
      CREATE UNIQUE INDEX refunds_external_id ON refunds (service, external_id) WHERE external_id IS NOT NULL;

      -- A service's own numbers of the users.
      CREATE TABLE service_users (
        service     text NOT NULL,
        user_id     text NOT NULL REFERENCES users (id),
        external_id text NOT NULL,
        created_at  timestamptz NOT NULL,
        PRIMARY KEY (service, user_id),
        UNIQUE (service, external_id)
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE service_users;
      ALTER TABLE refunds DROP COLUMN whole, DROP COLUMN external_id, DROP COLUMN service;
      ALTER TABLE orders DROP COLUMN expires_in, DROP COLUMN external_id, DROP COLUMN service;
    `);
  }
}
