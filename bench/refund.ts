import { createHash } from 'node:crypto';
import { Clock } from '../src/common/clock.js';
import { newId, nonce } from '../src/common/ids.js';
import { bareStatements } from './bare.js';
import type { Bed, Bench, Range } from './bench.js';
import type { Job } from './job.js';
import { numbers, sendAll } from './load.js';
import { refundedContent, signedNotices } from './notices.js';
import { addOpen, AMOUNT_FEN, OPEN, rowId, sizeOf, transactionId } from './rows.js';
import { withCpu } from './service.js';

const PATH = '/api/refunds/callback/wechat/';
const clock = new Clock();

const refundId = (number: number): string => `ref_${OPEN}${String(number).padStart(22, '0')}`;
const channelsId = (number: number): string => `5030${String(number).padStart(24, '0')}`;

/** Signed refund notices against the rows that they write, in bare SQL. */
export const refund: Bench = {
  name: 'refund',
  about: 'signed and encrypted refund notices; baseline: the same rows, one prepared statement each, 8 connections',

  async service(bed, range) {
    await addUnderWay(bed, range);
    const { keys, service, load, concurrency } = bed;
    const run = await load.prepare('refund.notices', { ...range, ...keys, port: service.port, concurrency });
    return withCpu(service, run);
  },

  async baseline(bed, range) {
    await addUnderWay(bed, range);
    const run = await bed.load.prepare('refund.rows', { ...range, databaseUrl: bed.databaseUrl });
    return { ...(await run()), cpuSeconds: null };
  },

  async check({ db }, served) {
    let paidBack = 0;
    for (const { first, count } of served) {
      const { rows } = await db.query<{ count: string }>(
        `SELECT count(*) FROM refunds r JOIN payments p ON p.id = r.payment_id JOIN orders o ON o.id = r.order_id
         WHERE r.id BETWEEN $1 AND $2 AND r.status = 'succeeded' AND p.refunded_fen = p.amount_fen
           AND o.status = 'refunded'`,
        [refundId(first), refundId(first + count - 1)],
      );
      paidBack += Number(rows[0]?.count);
    }
    if (paidBack !== sizeOf(served)) throw new Error(`${sizeOf(served)} refunds were announced, ${paidBack} are paid`);
  },
};

/** Paid orders, each with one refund of all of it under way at the channel. */
async function addUnderWay({ db, keys }: Bed, range: Range): Promise<void> {
  await addOpen(db, keys, { status: 'processing', ...range });
  const between = `BETWEEN '${rowId('pay', OPEN, range.first)}' AND '${rowId('pay', OPEN, range.first + range.count - 1)}'`;
  await db.query(
    `UPDATE orders o SET status = 'paid', paid_at = now(), paid_payment_id = p.id FROM payments p
     WHERE p.order_id = o.id AND p.id ${between}`,
  );
  await db.query(
    `UPDATE payments SET status = 'succeeded', transaction_id = '4200' || right(id, 24), paid_at = now(),
            settled_at = now(), reserved_fen = amount_fen WHERE id ${between}`,
  );
  await db.query(
    `INSERT INTO refunds (id, payment_id, order_id, status, amount_fen, currency, requested_by, approved_by, created_at,
                          sent_at, last_sent_at, next_check_at)
     SELECT 'ref_' || substr(id, 5), id, order_id, 'processing', amount_fen, 'CNY', 'usr_bench', 'usr_operator', now(),
            now(), now(), now() + interval '1 hour' FROM payments WHERE id ${between}`,
  );
}

const notices: Job = (input) => {
  const { first, count, port, concurrency } = numbers(input);
  const requests = signedNotices(input, PATH, count, (index) => ({
    eventType: 'REFUND.SUCCESS',
    originalType: 'refund',
    content: refundedContent({
      ...{ mchid: input.mchid, amountFen: AMOUNT_FEN, refundFen: AMOUNT_FEN },
      ...{ paymentId: rowId('pay', OPEN, first + index), transactionId: transactionId(first + index) },
      ...{ refundId: refundId(first + index), channelRefundId: channelsId(first + index) },
    }),
  }));
  return Promise.resolve({ run: () => sendAll(port, concurrency, requests) });
};

/** The rows that one refund notice changes and adds, as one statement. */
const ROWS = `
  WITH paid AS (
    UPDATE refunds SET status = 'succeeded', refund_id = $2, succeeded_at = $3, settled_at = $3, lease_until = NULL
    WHERE id = $1 AND status = 'processing' RETURNING id, payment_id, order_id, amount_fen
  ), payment AS (
    UPDATE payments p SET refunded_fen = p.refunded_fen + paid.amount_fen FROM paid WHERE p.id = paid.payment_id
    RETURNING p.id
  ), settled AS (
    UPDATE orders o SET status = 'refunded', refunded_fen = o.refunded_fen + paid.amount_fen FROM paid
    WHERE o.id = paid.order_id RETURNING o.id, o.user_id
  ), events AS (
    INSERT INTO payment_events (at, order_id, payment_id, refund_id, noun, from_status, to_status, cause, actor, request_id)
    SELECT $3, order_id, payment_id, id, 'refund', 'processing', 'succeeded', 'callback', 'wechat', $4 FROM paid
    UNION ALL SELECT $3, order_id, payment_id, id, 'order', 'paid', 'refunded', 'callback', 'wechat', $4 FROM paid
  ), announced AS (
    INSERT INTO users_notification (id, user_id, type, subject_id, data, created_at)
    SELECT $5, settled.user_id, 'refund.succeeded', paid.id,
           jsonb_build_object('refund_id', paid.id, 'payment_id', paid.payment_id, 'order_id', settled.id,
                              'amount', paid.amount_fen, 'currency', 'CNY'), $3 FROM paid, settled
  )
  INSERT INTO callbacks (id, received_at, provider, outcome, http_status, address, event_type, notification_id,
                         out_trade_no, out_refund_no, serial, body_sha256, body_bytes, request_id)
  SELECT $6, $3, 'wechat', 'applied', 200, '127.0.0.1', 'REFUND.SUCCESS', $7, paid.payment_id, paid.id, $8, $9, 1100, $4
  FROM paid`;

const rows: Job = (input) => {
  const { first, count } = numbers(input);
  const serial = 'PUB_KEY_ID_0119000091912026112300000001';
  const values = Array.from({ length: count }, (_, index) => {
    const number = first + index;
    const request = newId('req', clock);
    const hash = createHash('sha256').update(request).digest('hex');
    return [refundId(number), channelsId(number), clock.now(), request, newId('ntf', clock), newId('cbk', clock),
      `EV-${nonce()}`, serial, hash]; // prettier-ignore
  });
  return bareStatements(String(input.databaseUrl), ROWS, values);
};

export const REFUND_JOBS = { 'refund.notices': notices, 'refund.rows': rows };
