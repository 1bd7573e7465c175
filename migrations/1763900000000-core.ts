import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Users, products, orders, payments and what is written beside them. Bodies are SQL, never edited once merged. */
export class Core1763900000000 implements MigrationInterface {
  name = 'Core1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE users (
        id         text PRIMARY KEY,
        appid      text NOT NULL,
        openid     text NOT NULL,
        created_at timestamptz NOT NULL,
        UNIQUE (appid, openid)
      );

      CREATE TABLE products (
        id         text PRIMARY KEY,
        name       text NOT NULL,
        price_fen  integer NOT NULL CHECK (price_fen > 0),
        position   integer NOT NULL,
        active     boolean NOT NULL DEFAULT true
      );

      CREATE TABLE orders (
        id              text PRIMARY KEY CHECK (length(id) = 30),
        user_id         text NOT NULL,
        status          text NOT NULL CHECK (status IN ('pending', 'paid', 'partially_refunded', 'refunded', 'cancelled')),
        amount_fen      integer NOT NULL CHECK (amount_fen > 0),
        currency        text NOT NULL CHECK (currency = 'CNY'),
        refunded_fen    integer NOT NULL DEFAULT 0 CHECK (refunded_fen BETWEEN 0 AND amount_fen),
        description     text NOT NULL,
        metadata        jsonb NOT NULL DEFAULT '{}',
        product_id      text REFERENCES products (id),
        quantity        integer CHECK (quantity > 0),
        -- The payment that paid it: any other one that succeeds is late money.
        paid_payment_id text,
        created_by      text NOT NULL,
        created_at      timestamptz NOT NULL,
        expires_at      timestamptz NOT NULL,
        paid_at         timestamptz,
        CHECK ((status IN ('pending', 'cancelled')) = (paid_payment_id IS NULL)),
        CHECK ((paid_payment_id IS NULL) = (paid_at IS NULL)),
        CHECK (status NOT IN ('pending', 'cancelled', 'paid') OR refunded_fen = 0),
        CHECK (status <> 'refunded' OR refunded_fen = amount_fen)
      );
      CREATE INDEX orders_by_user ON orders (user_id, id);
      CREATE INDEX orders_pending_by_expiry ON orders (expires_at) WHERE status = 'pending';

      CREATE TABLE payments (
        id                text PRIMARY KEY CHECK (length(id) = 30),
        order_id          text NOT NULL REFERENCES orders (id),
        provider          text NOT NULL CHECK (provider IN ('mock', 'wechat')),
        -- Whom the channel pays, frozen when the payment is made and compared with whatever settles it.
        mchid             text NOT NULL,
        appid             text NOT NULL,
        status            text NOT NULL
                          CHECK (status IN ('init', 'processing', 'succeeded', 'failed', 'expired', 'closed')),
        amount_fen        integer NOT NULL CHECK (amount_fen > 0),
        currency          text NOT NULL CHECK (currency = 'CNY'),
        -- Promised back (every refund that is neither rejected nor closed) and really paid back.
        reserved_fen      integer NOT NULL DEFAULT 0 CHECK (reserved_fen BETWEEN 0 AND amount_fen),
        refunded_fen      integer NOT NULL DEFAULT 0 CHECK (refunded_fen BETWEEN 0 AND reserved_fen),
        transaction_id    text,
        late              boolean NOT NULL DEFAULT false,
        prepay_id         text,
        prepay_expires_at timestamptz,
        failure_code      text,
        created_at        timestamptz NOT NULL,
        expires_at        timestamptz NOT NULL,
        started_at        timestamptz,
        paid_at           timestamptz,
        settled_at        timestamptz,
        -- When the channel is to be asked next, how often it was, and until when a process has it in hand.
        next_check_at     timestamptz NOT NULL,
        checks            integer NOT NULL DEFAULT 0,
        checked_at        timestamptz,
        lease_until       timestamptz,
        CHECK ((status = 'succeeded') = (paid_at IS NOT NULL)),
        CHECK ((status = 'succeeded') = (transaction_id IS NOT NULL)),
        CHECK ((status IN ('init', 'processing')) = (settled_at IS NULL)),
        CHECK (status = 'succeeded' OR reserved_fen = 0)
      );
      CREATE INDEX payments_by_order ON payments (order_id, id);
      CREATE UNIQUE INDEX payments_transaction_id ON payments (transaction_id) WHERE transaction_id IS NOT NULL;
      CREATE UNIQUE INDEX payments_one_open_per_order ON payments (order_id) WHERE status IN ('init', 'processing');
      CREATE INDEX payments_open_by_check ON payments (next_check_at) WHERE status IN ('init', 'processing');
      CREATE INDEX payments_open_by_expiry ON payments (expires_at) WHERE status IN ('init', 'processing');

      -- One row for every move of an order, a payment or a refund, with who and why.
      CREATE TABLE payment_events (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at          timestamptz NOT NULL,
        order_id    text NOT NULL,
        payment_id  text,
        refund_id   text,
        noun        text NOT NULL CHECK (noun IN ('order', 'payment', 'refund')),
        from_status text,
        to_status   text NOT NULL,
        cause       text NOT NULL CHECK (cause IN ('request', 'callback', 'command', 'timer')),
        actor       text NOT NULL,
        request_id  text,
        note        text
      );
      CREATE INDEX payment_events_by_order ON payment_events (order_id, id);

      CREATE TABLE callbacks (
        id              text PRIMARY KEY,
        received_at     timestamptz NOT NULL,
        provider        text NOT NULL,
        outcome         text NOT NULL CHECK (outcome IN
                        ('applied', 'known', 'ignored', 'mismatch', 'unverified', 'unreadable', 'forbidden', 'failed')),
        http_status     integer NOT NULL,
        address         text NOT NULL,
        event_type      text,
        notification_id text,
        out_trade_no    text,
        out_refund_no   text,
        code            text,
        serial          text,
        body_sha256     text NOT NULL,
        body_bytes      integer NOT NULL,
        request_id      text
      );
      CREATE INDEX callbacks_by_payment ON callbacks (out_trade_no, id) WHERE out_trade_no IS NOT NULL;
      CREATE INDEX callbacks_bad ON callbacks (id) WHERE outcome IN ('unverified', 'unreadable', 'forbidden');

      CREATE TABLE users_notification (
        id         text PRIMARY KEY,
        -- Null: for the operators.
        user_id    text,
        type       text NOT NULL,
        -- What it is about. Each thing is announced once.
        subject_id text NOT NULL,
        data       jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        read_at    timestamptz,
        UNIQUE (subject_id, type)
      );
      CREATE INDEX users_notification_by_user ON users_notification (user_id, id);

      -- Cases for a person. The same case is opened once, however often it is seen.
      CREATE TABLE discrepancies (
        id            text PRIMARY KEY,
        type          text NOT NULL,
        case_key      text NOT NULL UNIQUE,
        payment_id    text,
        refund_id     text,
        out_trade_no  text,
        out_refund_no text,
        detail        jsonb NOT NULL,
        status        text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'resolved')),
        opened_at     timestamptz NOT NULL,
        resolved_at   timestamptz,
        resolved_by   text,
        note          text,
        run_id        text,
        CHECK ((status = 'resolved') = (resolved_at IS NOT NULL))
      );
      CREATE INDEX discrepancies_open ON discrepancies (id) WHERE status = 'open';

      CREATE TABLE idempotency_keys (
        user_id      text NOT NULL,
        key          text NOT NULL,
        fingerprint  text NOT NULL,
        -- The id that whatever is created under this key gets: a repeat after a crash finds it instead of making another.
        resource     text NOT NULL,
        http_status  integer,
        body         text,
        locked_until timestamptz NOT NULL,
        created_at   timestamptz NOT NULL,
        PRIMARY KEY (user_id, key)
      );
      CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE idempotency_keys, discrepancies, users_notification, callbacks, payment_events, payments, orders,
                 products, users;
    `);
  }
}
