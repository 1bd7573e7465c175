import type pg from 'pg';
import { Clock } from '../../src/common/clock.js';
import { type IdPrefix, newId } from '../../src/common/ids.js';

/** Whom the payments belong to at the channel. */
export interface Account {
  provider: 'mock' | 'wechat';
  mchid: string;
  appid: string;
}

/** A customer's rows, one of each kind. */
export interface Rows {
  userId: string;
  openid: string;
  /** Stands in every text of these rows that a client could be shown. */
  mark: string;
  orderId: string;
  /** Succeeded. */
  paymentId: string;
  /** Of another order, at the channel. */
  openOrderId: string;
  openPaymentId: string;
  /** Asked for, and sent to the channel. */
  refundId: string;
  sentRefundId: string;
  notificationId: string;
  discrepancyId: string;
}

export const AMOUNT_FEN = 1990;
export const SENT_FEN = 300;
const clock = new Clock();
const id = (prefix: IdPrefix): string => newId(prefix, clock);

/** Makes a customer with a paid order and an open one, refunds of it, a notification and a case. */
export async function addCustomer(db: pg.Pool, account: Account, mark: string): Promise<Rows> {
  const rows: Rows = {
    userId: id('usr'),
    openid: `o${mark}OPENID`,
    mark,
    orderId: id('ord'),
    paymentId: id('pay'),
    openOrderId: id('ord'),
    openPaymentId: id('pay'),
    refundId: id('ref'),
    sentRefundId: id('ref'),
    notificationId: id('ntf'),
    discrepancyId: id('dis'),
  };
  const { userId, orderId, paymentId, openOrderId, openPaymentId, refundId, sentRefundId } = rows;
  const owner = [account.provider, account.mchid, account.appid, AMOUNT_FEN];
  const add = (text: string, values: unknown[]): Promise<unknown> => db.query(text, values);
  await add('INSERT INTO users (id, appid, openid, created_at) VALUES ($1, $2, $3, now())', [
    userId,
    account.appid,
    rows.openid,
  ]);
  await add(
    `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, metadata, paid_payment_id, created_by,
                         created_at, expires_at, paid_at)
     VALUES ($1, $2, 'paid', $5, 'CNY', $4, $6, $3, $2, now(), now() + interval '9 hours', now())`,
    [orderId, userId, paymentId, mark, AMOUNT_FEN, JSON.stringify({ mark })],
  );
  await add(
    `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, created_by, created_at, expires_at)
     VALUES ($1, $2, 'pending', $4, 'CNY', $3, $2, now(), now() + interval '9 hours')`,
    [openOrderId, userId, mark, AMOUNT_FEN],
  );
  await add(
    `INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, reserved_fen, transaction_id,
                           prepay_id, created_at, expires_at, started_at, paid_at, settled_at, next_check_at)
     VALUES ($1, $2, $3, $4, $5, 'succeeded', $6, 'CNY', $7, $8, $9, now(), now() + interval '9 hours', now(), now(), now(), now())`,
    [paymentId, orderId, ...owner, 100 + SENT_FEN, `4200${paymentId.slice(4, 32)}`, `wx${mark}PREPAY1`],
  );
  await add(
    `INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, prepay_id, prepay_expires_at,
                           created_at, expires_at, started_at, next_check_at)
     VALUES ($1, $2, $3, $4, $5, 'processing', $6, 'CNY', $7, now() + interval '2 hours', now(), now() + interval '9 hours',
             now(), now() + interval '9 hours')`,
    [openPaymentId, openOrderId, ...owner, `wx${mark}PREPAY2`],
  );
  await add(
    `INSERT INTO refunds (id, payment_id, order_id, status, amount_fen, currency, reason, refund_id, requested_by,
                          created_at, sent_at, last_sent_at, next_check_at)
     VALUES ($1, $3, $4, 'requested', 100, 'CNY', $5, NULL, $6, now(), NULL, NULL, NULL),
            ($2, $3, $4, 'processing', $7, 'CNY', $5, $8, $6, now(), now(), now(), now() + interval '9 hours')`,
    [refundId, sentRefundId, paymentId, orderId, mark, userId, SENT_FEN, `5030${sentRefundId.slice(4, 32)}`],
  );
  await add(
    `INSERT INTO payment_events (at, order_id, payment_id, noun, from_status, to_status, cause, actor)
     VALUES (now(), $1, $2, 'payment', 'processing', 'succeeded', 'callback', 'wechat')`,
    [orderId, paymentId],
  );
  await add(
    `INSERT INTO users_notification (id, user_id, type, subject_id, data, created_at)
     VALUES ($1, $2, 'payment.succeeded', $3, $4, now())`,
    [rows.notificationId, userId, paymentId, JSON.stringify({ payment_id: paymentId, mark })],
  );
  await add(
    `INSERT INTO discrepancies (id, type, case_key, payment_id, out_trade_no, detail, opened_at)
     VALUES ($1, 'mismatch', $2, $2, $2, $3, now())`,
    [rows.discrepancyId, paymentId, JSON.stringify({ mark })],
  );
  return rows;
}

/** The catalogue of a production has nothing of its own. */
export async function addProduct(db: pg.Pool): Promise<void> {
  await db.query(
    `INSERT INTO products (id, name, price_fen, position) VALUES ('prd_01JD0000000000000000000TEA', 'Tea', 1800, 0)
     ON CONFLICT (id) DO NOTHING`,
  );
}

/** A user who logged in and did nothing else. */
export async function addUser(db: pg.Pool, { appid }: Account, openid: string): Promise<string> {
  const userId = id('usr');
  await db.query('INSERT INTO users (id, appid, openid, created_at) VALUES ($1, $2, $3, now())', [
    userId,
    appid,
    openid,
  ]);
  return userId;
}

/** An id of this kind that nobody has. */
export const nobodys = (prefix: IdPrefix): string => id(prefix);

const OF_THE_ORDERS = 'order_id IN (SELECT id FROM orders WHERE user_id = $1)';

/** What no hostile input may move, as statements; `$1` is the victim. */
const STILL: Readonly<Record<string, string>> = {
  users: 'SELECT * FROM users WHERE id = $1',
  orders: 'SELECT * FROM orders WHERE user_id = $1',
  payments: `SELECT * FROM payments WHERE ${OF_THE_ORDERS}`,
  refunds: `SELECT * FROM refunds WHERE ${OF_THE_ORDERS}`,
  payment_events: `SELECT * FROM payment_events WHERE ${OF_THE_ORDERS}`,
  users_notification: 'SELECT * FROM users_notification WHERE user_id = $1',
  discrepancies: `SELECT * FROM discrepancies WHERE detail ->> 'mark' IS NOT NULL AND payment_id IN (SELECT id FROM payments WHERE ${OF_THE_ORDERS})`,
  idempotency_keys: 'SELECT * FROM idempotency_keys WHERE user_id = $1',
  products: 'SELECT *, $1::text FROM products',
  reconciliation_runs: 'SELECT *, $1::text FROM reconciliation_runs',
  bill_matches: 'SELECT *, $1::text FROM bill_matches',
  migrations: 'SELECT *, $1::text FROM migrations',
  'orders of nobody':
    'SELECT o.id, $1::text FROM orders o WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = o.user_id)',
  'payments of another amount':
    'SELECT p.id, $1::text FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.amount_fen <> p.amount_fen',
  'refunds beyond what was paid': `SELECT p.id, $1::text FROM payments p
     JOIN (SELECT payment_id, sum(amount_fen) AS fen FROM refunds WHERE status NOT IN ('rejected', 'closed') GROUP BY 1) r
       ON r.payment_id = p.id WHERE r.fen > p.amount_fen OR r.fen <> p.reserved_fen`,
};

/** A checksum of each, to be compared with one of later. */
export async function checksums(db: pg.Pool, victimId: string): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const [name, text] of Object.entries(STILL)) {
    const { rows } = await db.query<{ sum: string; count: string }>(
      `SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS sum, count(*) FROM (${text}) t`,
      [victimId],
    );
    sums[name] = `${rows[0]?.count} rows, ${rows[0]?.sum}`;
  }
  return sums;
}
