import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Refunds: what is asked for, promised, under way and paid. */
export class Refunds1763903600000 implements MigrationInterface {
  name = 'Refunds1763903600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE refunds (
        id              text PRIMARY KEY CHECK (length(id) = 30),
        payment_id      text NOT NULL REFERENCES payments (id),
        order_id        text NOT NULL REFERENCES orders (id),
        status          text NOT NULL
                        CHECK (status IN ('requested', 'processing', 'succeeded', 'rejected', 'closed', 'abnormal')),
        amount_fen      integer NOT NULL CHECK (amount_fen > 0),
        currency        text NOT NULL CHECK (currency = 'CNY'),
        reason          text CHECK (octet_length(reason) <= 80),
        -- The channel's own number.
        refund_id       text,
        requested_by    text NOT NULL,
        approved_by     text,
        failure_code    text,
        failure_message text,
        created_at      timestamptz NOT NULL,
        -- First and last call to the channel under this number.
        sent_at         timestamptz,
        last_sent_at    timestamptz,
        succeeded_at    timestamptz,
        settled_at      timestamptz,
        -- When the channel is to be asked next, how often it was, and until when a process has it in hand.
        next_check_at   timestamptz,
        checks          integer NOT NULL DEFAULT 0,
        checked_at      timestamptz,
        lease_until     timestamptz,
        CHECK ((status = 'succeeded') = (succeeded_at IS NOT NULL)),
        CHECK ((status IN ('succeeded', 'rejected', 'closed')) = (settled_at IS NOT NULL)),
        CHECK (status NOT IN ('processing', 'abnormal') OR next_check_at IS NOT NULL)
      );
      CREATE INDEX refunds_by_payment ON refunds (payment_id, id);
      CREATE INDEX refunds_by_order ON refunds (order_id, id);
      CREATE UNIQUE INDEX refunds_refund_id ON refunds (refund_id) WHERE refund_id IS NOT NULL;
      CREATE INDEX refunds_open_by_check ON refunds (next_check_at) WHERE status IN ('processing', 'abnormal');
      CREATE INDEX callbacks_by_refund ON callbacks (out_refund_no, id) WHERE out_refund_no IS NOT NULL;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX callbacks_by_refund; DROP TABLE refunds;');
  }
}
