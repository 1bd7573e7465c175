import type pg from 'pg';
import type { Range } from './bench.js';
import type { BenchKeys } from './keys.js';

/** Ids of the size and order of real ones: `pay_` and 26 characters. Settled rows sort before the open ones. */
export const SETTLED = '01JA';
export const OPEN = '01JD';

export const AMOUNT_FEN = 1990;

export function rowId(prefix: 'ord' | 'pay', series: string, number: number): string {
  return `${prefix}_${series}${String(number).padStart(22, '0')}`;
}

export const transactionId = (number: number): string => `4200${String(number).padStart(24, '0')}`;

export const CUSTOMER = { id: 'usr_01JD0000000000000000BENCH0', openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' };

const id = (prefix: string, series: string) => `'${prefix}_${series}' || lpad(g::text, 22, '0')`;

/** History: so many paid orders with everything that their payment left behind. */
export async function fillSettled(db: pg.Client, keys: BenchKeys, count: number): Promise<void> {
  if (count === 0) return;
  const at = `timestamptz '2026-01-01' + g * interval '10 seconds'`;
  const [order, payment] = [id('ord', SETTLED), id('pay', SETTLED)];
  const numbers = `FROM generate_series(1, ${count}) g`;
  const user = `'usr_' || lpad((g % 50000)::text, 26, '0')`;
  const statements = [
    `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, paid_payment_id, created_by, created_at,
                         expires_at, paid_at)
     SELECT ${order}, ${user}, 'paid', ${AMOUNT_FEN}, 'CNY', 'Oolong tea, 100 g', ${payment}, ${user}, ${at},
            ${at} + interval '30 minutes', ${at} + interval '20 seconds' ${numbers}`,
    `INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, transaction_id, prepay_id,
                           prepay_expires_at, created_at, expires_at, started_at, paid_at, settled_at, next_check_at)
     SELECT ${payment}, ${order}, 'wechat', '${keys.mchid}', '${keys.appid}', 'succeeded', ${AMOUNT_FEN}, 'CNY',
            '4100' || lpad(g::text, 24, '0'), 'wx' || lpad(g::text, 34, '0'), ${at} + interval '2 hours', ${at},
            ${at} + interval '30 minutes', ${at}, ${at} + interval '20 seconds', ${at} + interval '21 seconds', ${at}
     ${numbers}`,
    `INSERT INTO payment_events (at, order_id, payment_id, noun, from_status, to_status, cause, actor, request_id)
     SELECT ${at}, ${order}, ${payment}, v.noun, v.from_status, v.to_status, v.cause, 'wechat', 'req_' || lpad(g::text, 26, '0')
     FROM generate_series(1, ${count}) g, (VALUES ('payment', 'init', 'processing', 'request'),
       ('payment', 'processing', 'succeeded', 'callback'), ('order', 'pending', 'paid', 'callback'))
       AS v (noun, from_status, to_status, cause)`,
    `INSERT INTO users_notification (id, user_id, type, subject_id, data, created_at)
     SELECT ${id('ntf', SETTLED)}, ${user}, 'payment.succeeded', ${payment},
            jsonb_build_object('payment_id', ${payment}, 'order_id', ${order}, 'amount', ${AMOUNT_FEN}), ${at} ${numbers}`,
    `INSERT INTO callbacks (id, received_at, provider, outcome, http_status, address, event_type, notification_id,
                            out_trade_no, serial, body_sha256, body_bytes, request_id)
     SELECT ${id('cbk', SETTLED)}, ${at}, 'wechat', 'applied', 200, '101.226.103.0', 'TRANSACTION.SUCCESS',
            'EV-' || lpad(g::text, 20, '0'), ${payment}, '${keys.publicKeyId}', md5(g::text) || md5(g::text), 1100,
            'req_' || lpad(g::text, 26, '0') ${numbers}`,
  ];
  for (const statement of statements) await db.query(statement);
}

/** Open payments of one customer, numbered on from `first`. */
export async function addOpen(
  db: pg.Client,
  keys: BenchKeys,
  open: { status: 'init' | 'processing'; first: number; count: number },
): Promise<void> {
  const { status, first, count } = open;
  const numbers = `FROM generate_series(${first}, ${first + count - 1}) g`;
  await db.query(
    `INSERT INTO users (id, appid, openid, created_at) VALUES ($1, $2, $3, now()) ON CONFLICT DO NOTHING`,
    [CUSTOMER.id, keys.appid, CUSTOMER.openid],
  );
  await db.query(
    `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, created_by, created_at, expires_at)
     SELECT ${id('ord', OPEN)}, '${CUSTOMER.id}', 'pending', ${AMOUNT_FEN}, 'CNY', 'Oolong tea, 100 g',
            '${CUSTOMER.id}', now(), now() + interval '30 minutes' ${numbers}`,
  );
  await db.query(
    `INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, created_at, expires_at,
                           started_at, next_check_at)
     SELECT ${id('pay', OPEN)}, ${id('ord', OPEN)}, 'wechat', '${keys.mchid}', '${keys.appid}', '${status}',
            ${AMOUNT_FEN}, 'CNY', now(), now() + interval '30 minutes',
            ${status === 'init' ? 'NULL' : 'now()'}, now() + interval '30 minutes' ${numbers}`,
  );
}

/** How many of the open payments of {@link addOpen} are in this state now. */
export async function countOpen(db: pg.Client, ranges: Range[], condition: string): Promise<number> {
  let sum = 0;
  for (const { first, count } of ranges) {
    const { rows } = await db.query<{ count: string }>(
      `SELECT count(*) FROM payments p JOIN orders o ON o.id = p.order_id
       WHERE p.id BETWEEN $1 AND $2 AND ${condition}`,
      [rowId('pay', OPEN, first), rowId('pay', OPEN, first + count - 1)],
    );
    sum += Number(rows[0]?.count);
  }
  return sum;
}

/** How many there are in these ranges. */
export const sizeOf = (ranges: Range[]): number => ranges.reduce((sum, { count }) => sum + count, 0);
