import type pg from 'pg';
import { Clock } from '../../src/common/clock.js';
import { type IdPrefix, newId } from '../../src/common/ids.js';
import { nowMs } from '../api.js';

/** The service that is played with, and another one, which placed the victim's orders. */
export const SERVICE = 'shop-backend';
export const OTHER_SERVICE = 'other-backend';

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
const ASKED_FEN = 100;
const NINE_HOURS = 9 * 3_600_000;
const clock = new Clock();

/** An id of this kind that no row has yet. */
export const freshId = (prefix: IdPrefix): string => newId(prefix, clock);

/** All ids of a customer by their prefix. */
export const idsOf = (rows: Rows): Partial<Record<IdPrefix, string[]>> => ({
  ord: [rows.orderId, rows.openOrderId],
  pay: [rows.paymentId, rows.openPaymentId],
  ref: [rows.refundId, rows.sentRefundId],
  ntf: [rows.notificationId],
  dis: [rows.discrepancyId],
});

/** Inserts rows by their columns, which are the same in all; what is left out has its default. */
async function insert(db: pg.Pool, table: string, ...rows: object[]): Promise<void> {
  const columns = Object.keys(rows[0] ?? {}).join(', ');
  await db.query(
    `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM json_populate_recordset(NULL::${table}, $1)`,
    [JSON.stringify(rows)],
  );
}

const now = (): string => new Date(nowMs()).toISOString();
const life = () => ({ created_at: now(), expires_at: new Date(nowMs() + NINE_HOURS).toISOString() });

const order = (id: string, userId: string, description: string, service: string) => ({
  ...{
    id,
    user_id: userId,
    created_by: service,
    service,
    external_id: `${service}-${id}`,
    description,
    amount_fen: AMOUNT_FEN,
    currency: 'CNY',
  },
  ...life(),
  status: 'pending',
});

const payment = (id: string, orderId: string, account: Account) => ({
  ...{ id, order_id: orderId, ...account, amount_fen: AMOUNT_FEN, currency: 'CNY' },
  ...life(),
  status: 'init',
  next_check_at: life().expires_at,
});

const paidOrder = (id: string, userId: string, description: string, service: string, paymentId: string) => ({
  ...order(id, userId, description, service),
  ...{ status: 'paid', paid_payment_id: paymentId, paid_at: now() },
});

const paidPayment = (id: string, orderId: string, account: Account, reservedFen: number) => ({
  ...payment(id, orderId, account),
  ...{ status: 'succeeded', reserved_fen: reservedFen, transaction_id: transactionId(id) },
  ...{ started_at: now(), paid_at: now(), settled_at: now() },
});

const refund = (id: string, paymentId: string, orderId: string, userId: string, reason: string) => ({
  ...{ id, payment_id: paymentId, order_id: orderId, status: 'requested', amount_fen: ASKED_FEN, currency: 'CNY' },
  ...{ reason, requested_by: userId, created_at: now() },
});

/** The channel's numbers of a payment and a refund of ours. */
export const transactionId = (paymentId: string): string => `4200${paymentId.slice(4, 32)}`;
export const channelRefundId = (refundId: string): string => `5030${refundId.slice(4, 32)}`;

/** Makes a customer with a service's paid order and an open one, refunds of it, a notification and a case. */
export async function addCustomer(db: pg.Pool, account: Account, service: string, mark: string): Promise<Rows> {
  const openid = `o${mark}OPENID`;
  const rows: Rows = {
    ...{ userId: await addUser(db, account, openid), openid, mark },
    ...{ orderId: freshId('ord'), paymentId: freshId('pay') },
    ...{ openOrderId: freshId('ord'), openPaymentId: freshId('pay') },
    ...{ refundId: freshId('ref'), sentRefundId: freshId('ref') },
    ...{ notificationId: freshId('ntf'), discrepancyId: freshId('dis') },
  };
  const { userId, orderId, paymentId, openOrderId, openPaymentId, refundId, sentRefundId } = rows;
  await insert(db, 'orders', { ...paidOrder(orderId, userId, mark, service, paymentId), metadata: { mark } });
  await insert(db, 'orders', order(openOrderId, userId, mark, service));
  const paid = paidPayment(paymentId, orderId, account, ASKED_FEN + SENT_FEN);
  await insert(db, 'payments', { ...paid, prepay_id: `wx${mark}PREPAY1` });
  await insert(db, 'payments', {
    ...payment(openPaymentId, openOrderId, account),
    ...{ status: 'processing', prepay_id: `wx${mark}PREPAY2`, prepay_expires_at: life().expires_at, started_at: now() },
  });
  await insert(db, 'refunds', refund(refundId, paymentId, orderId, userId, mark));
  await insert(db, 'refunds', {
    ...refund(sentRefundId, paymentId, orderId, userId, mark),
    ...{ status: 'processing', amount_fen: SENT_FEN, refund_id: channelRefundId(sentRefundId) },
    ...{ sent_at: now(), last_sent_at: now(), next_check_at: life().expires_at },
  });
  await insert(db, 'payment_events', {
    ...{
      at: now(),
      order_id: orderId,
      payment_id: paymentId,
      noun: 'payment',
      entity: 'payment',
      cause: 'callback',
      actor: 'wechat',
    },
    ...{ from_status: 'processing', to_status: 'succeeded' },
  });
  await insert(db, 'users_notification', {
    ...{ id: rows.notificationId, user_id: userId, type: 'payment.succeeded', subject_id: paymentId },
    ...{ data: { payment_id: paymentId, mark }, created_at: now() },
  });
  await insert(db, 'discrepancies', {
    ...{ id: rows.discrepancyId, type: 'mismatch', case_key: paymentId, payment_id: paymentId },
    ...{ out_trade_no: paymentId, detail: { mark }, opened_at: now() },
  });
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
  const id = freshId('usr');
  await insert(db, 'users', { id, appid, openid, created_at: now() });
  return id;
}

/** So many of each kind to be played with, since what was played with once is often settled for good. */
export const SPARE = 400;

/** A paid order with a refund that was asked for; an order with a payment to be started; an order with none. */
type SpareKind = 'paid' | 'open' | 'new';
const LETTERS: Readonly<Record<SpareKind, string>> = { paid: 'P', open: 'Q', new: 'N' };

export function spareId(prefix: 'ord' | 'pay' | 'ref', kind: SpareKind, number: number): string {
  return `${prefix}_01SPARE${LETTERS[kind]}${String(number).padStart(18, '0')}`;
}

/** Makes them for this user. */
export async function addSpare(db: pg.Pool, account: Account, userId: string): Promise<void> {
  const all = <T>(make: (number: number) => T): T[] => Array.from({ length: SPARE }, (_, number) => make(number));
  const ord = (kind: SpareKind, number: number): string => spareId('ord', kind, number);
  const pay = (kind: SpareKind, number: number): string => spareId('pay', kind, number);
  for (const kind of ['open', 'new'] as const)
    await insert(db, 'orders', ...all((one) => order(ord(kind, one), userId, 'Spare tea', SERVICE)));
  await insert(
    db,
    'orders',
    ...all((one) => paidOrder(ord('paid', one), userId, 'Spare tea', SERVICE, pay('paid', one))),
  );
  await insert(db, 'payments', ...all((one) => payment(pay('open', one), ord('open', one), account)));
  await insert(db, 'payments', ...all((one) => paidPayment(pay('paid', one), ord('paid', one), account, ASKED_FEN)));
  await insert(
    db,
    'refunds',
    ...all((one) => refund(spareId('ref', 'paid', one), pay('paid', one), ord('paid', one), userId, 'spare')),
  );
}

const OF_THE_ORDERS = 'order_id IN (SELECT id FROM orders WHERE user_id = $1)';

/** What no hostile input may move, as statements; `$1` is the victim. */
const STILL: Readonly<Record<string, string>> = {
  users: 'SELECT * FROM users WHERE id = $1',
  orders: 'SELECT * FROM orders WHERE user_id = $1',
  payments: `SELECT * FROM payments WHERE ${OF_THE_ORDERS}`,
  refunds: `SELECT * FROM refunds WHERE ${OF_THE_ORDERS}`,
  payment_events: `SELECT * FROM payment_events WHERE ${OF_THE_ORDERS}`,
  events: `SELECT * FROM events WHERE ${OF_THE_ORDERS}`,
  event_outbox: `SELECT * FROM event_outbox WHERE ${OF_THE_ORDERS}`,
  api_keys: 'SELECT *, $1::text FROM api_keys',
  users_notification: 'SELECT * FROM users_notification WHERE user_id = $1',
  discrepancies: `SELECT * FROM discrepancies WHERE detail ->> 'mark' IS NOT NULL AND payment_id IN (SELECT id FROM payments WHERE ${OF_THE_ORDERS})`,
  idempotency_keys: 'SELECT * FROM idempotency_keys WHERE user_id = $1',
  products: 'SELECT *, $1::text FROM products',
  reconciliation_runs: 'SELECT *, $1::text FROM reconciliation_runs',
  bill_matches: 'SELECT *, $1::text FROM bill_matches',
  migrations: 'SELECT *, $1::text FROM migrations',
  'orders without a user':
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
