import { createHash } from 'node:crypto';
import { Clock } from '../src/common/clock.js';
import { newId, nonce } from '../src/common/ids.js';
import { bareStatements } from './bare.js';
import type { Bench } from './bench.js';
import type { Job } from './job.js';
import { numbers, sendAll } from './load.js';
import { paidContent, signedNotices } from './notices.js';
import { addOpen, AMOUNT_FEN, countOpen, CUSTOMER, OPEN, rowId, sizeOf, transactionId } from './rows.js';
import { withCpu } from './service.js';

const PATH = '/api/payments/callback/wechat/';
const clock = new Clock();

/** Signed notices of payments against the rows that they write, in bare SQL. */
export const callback: Bench = {
  name: 'callback',
  about: 'signed and encrypted payment notices; baseline: the same rows, one prepared statement each, 8 connections',

  async service({ db, keys, service, load, concurrency }, range) {
    await addOpen(db, keys, { status: 'processing', ...range });
    const run = await load.prepare('callback.notices', { ...range, ...keys, port: service.port, concurrency });
    return withCpu(service, run);
  },

  async baseline({ db, keys, load, databaseUrl, concurrency }, range) {
    await addOpen(db, keys, { status: 'processing', ...range });
    const run = await load.prepare('callback.rows', { ...range, databaseUrl, concurrency });
    return { ...(await run()), cpuSeconds: null };
  },

  async check({ db }, served) {
    const paid = await countOpen(
      db,
      served,
      `p.status = 'succeeded' AND o.status = 'paid' AND o.paid_payment_id = p.id`,
    );
    if (paid !== sizeOf(served))
      throw new Error(`${sizeOf(served)} payments were announced as paid, ${paid} orders are paid`);
  },
};

const notices: Job = (input) => {
  const { first, count, port, concurrency } = numbers(input);
  const requests = signedNotices(input, PATH, count, (index) => ({
    eventType: 'TRANSACTION.SUCCESS',
    originalType: 'transaction',
    content: paidContent({
      ...{ mchid: input.mchid, appid: input.appid, openid: CUSTOMER.openid, amountFen: AMOUNT_FEN },
      ...{ paymentId: rowId('pay', OPEN, first + index), attach: rowId('pay', OPEN, first + index) },
      transactionId: transactionId(first + index),
    }),
  }));
  return Promise.resolve({ run: () => sendAll(port, concurrency, requests) });
};

/** The rows that one callback changes and adds, as one statement. */
const ROWS = `
  WITH paid AS (
    UPDATE payments SET status = 'succeeded', transaction_id = $2, late = false, paid_at = $3, settled_at = $3,
                        lease_until = NULL
    WHERE id = $1 AND status IN ('init', 'processing') RETURNING id, order_id, amount_fen
  ), settled AS (
    UPDATE orders o SET status = 'paid', paid_payment_id = paid.id, paid_at = $3 FROM paid
    WHERE o.id = paid.order_id AND o.status = 'pending' RETURNING o.id, o.user_id
  ), events AS (
    INSERT INTO payment_events (at, order_id, payment_id, noun, from_status, to_status, cause, actor, request_id)
    SELECT $3, order_id, id, 'payment', 'processing', 'succeeded', 'callback', 'wechat', $4 FROM paid
    UNION ALL SELECT $3, order_id, id, 'order', 'pending', 'paid', 'callback', 'wechat', $4 FROM paid
  ), announced AS (
    INSERT INTO users_notification (id, user_id, type, subject_id, data, created_at)
    SELECT $5, settled.user_id, 'payment.succeeded', paid.id,
           jsonb_build_object('payment_id', paid.id, 'order_id', settled.id, 'amount', paid.amount_fen, 'currency', 'CNY'),
           $3 FROM paid, settled
  )
  INSERT INTO callbacks (id, received_at, provider, outcome, http_status, address, event_type, notification_id,
                         out_trade_no, serial, body_sha256, body_bytes, request_id)
  SELECT $6, $3, 'wechat', 'applied', 200, '127.0.0.1', 'TRANSACTION.SUCCESS', $7, paid.id, $8, $9, 1100, $4 FROM paid`;

const rows: Job = (input) => {
  const { first, count } = numbers(input);
  const serial = 'PUB_KEY_ID_0119000091912026112300000001';
  const values = Array.from({ length: count }, (_, index) => {
    const number = first + index;
    const request = newId('req', clock);
    const hash = createHash('sha256').update(request).digest('hex');
    return [rowId('pay', OPEN, number), transactionId(number), clock.now(), request, newId('ntf', clock),
      newId('cbk', clock), `EV-${nonce()}`, serial, hash]; // prettier-ignore
  });
  return bareStatements(String(input.databaseUrl), ROWS, values);
};

export const CALLBACK_JOBS = { 'callback.notices': notices, 'callback.rows': rows };
