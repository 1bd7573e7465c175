import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the services that placed orders are told of them. Written to `event_outbox` in the transaction of the move; moved
 * from there to `events` after its commit, by one transaction at a time, which gives each its position. So a position that
 * can be seen has none below it that is still to come, however late a transaction commits.
 */
export class Events1764529200000 implements MigrationInterface {
  name = 'Events1764529200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE event_outbox (
        seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id         text NOT NULL,
        service    text NOT NULL,
        type       text NOT NULL,
        created_at timestamptz NOT NULL,
        order_id   text NOT NULL,
        payment_id text,
        refund_id  text,
        -- As text, and not jsonb: it is written once and handed out as it is.
        data       json NOT NULL
      ) WITH (
        -- Rows live for seconds. Cleaned by number and not by share, so that its index never leads through many dead ones.
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 1000
      );

      -- Only ever added to, in the order of the feed.
      CREATE TABLE events (
        id         text PRIMARY KEY,
        service    text NOT NULL,
        position   bigint NOT NULL,
        type       text NOT NULL,
        created_at timestamptz NOT NULL,
        order_id   text NOT NULL,
        payment_id text,
        refund_id  text,
        data       json NOT NULL,
        CONSTRAINT events_in_order UNIQUE (service, position)
      );
      CREATE INDEX events_by_type ON events (service, type, position);

      -- One row: the last position that was given, and the lock of whoever gives the next ones. A table and no sequence,
      -- so that it is in every copy of the database together with the events.
      CREATE TABLE event_positions (
        one  boolean PRIMARY KEY DEFAULT true CHECK (one),
        last bigint NOT NULL
      );
      INSERT INTO event_positions (last) VALUES (0);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE event_positions, events, event_outbox;');
  }
}
