import { createCipheriv, createHash, createPrivateKey, sign } from 'node:crypto';
import pg from 'pg';
import { Clock, HOUR, after } from '../src/common/clock.js';
import { newId, nonce } from '../src/common/ids.js';
import type { Bench } from './bench.js';
import type { Job, JobInput } from './job.js';
import { httpRequest, inParallel, sendAll } from './load.js';
import { addOpen, AMOUNT_FEN, countOpen, CUSTOMER, OPEN, rowId, sizeOf, transactionId } from './rows.js';

const PATH = '/api/payments/callback/wechat/';
const CONNECTIONS = 8;
const clock = new Clock();

/** Signed notices of payments against the rows that they write, in bare SQL. */
export const callback: Bench = {
  name: 'callback',
  about: 'signed and encrypted payment notices; baseline: the same rows, one prepared statement each, 8 connections',

  async service({ db, keys, service, load, concurrency }, range) {
    await addOpen(db, keys, { status: 'processing', ...range });
    const run = await load.prepare('callback.notices', { ...range, ...keys, port: service.port, concurrency });
    const before = service.cpuSeconds();
    const result = await run();
    const used = service.cpuSeconds();
    return { ...result, cpuSeconds: before === null || used === null ? null : used - before };
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

/** Notices are sealed and signed before the clock runs. */
const notices: Job = (input) => {
  const { first, count, port, concurrency } = numbers(input);
  const key = createPrivateKey(String(input.platformPrivateKey));
  const paidAt = chinaTime(clock.now());
  const timestamp = String(Math.floor(clock.now().getTime() / 1000));
  const requests = Array.from({ length: count }, (_, index) => {
    const body = notice(input, first + index, paidAt);
    const random = nonce();
    const headers = {
      'Content-Type': 'application/json',
      'User-Agent': 'Mozilla/4.0',
      Accept: '*/*',
      'Wechatpay-Timestamp': timestamp,
      'Wechatpay-Nonce': random,
      'Wechatpay-Signature': sign('sha256', Buffer.from(`${timestamp}\n${random}\n${body}\n`), key).toString('base64'),
      'Wechatpay-Signature-Type': 'WECHATPAY2-SHA256-RSA2048',
      'Wechatpay-Serial': String(input.publicKeyId),
    };
    return httpRequest(port, PATH, headers, body);
  });
  return Promise.resolve({ run: () => sendAll(port, concurrency, requests) });
};

function notice(input: JobInput, number: number, paidAt: string): string {
  const content = JSON.stringify({
    mchid: input.mchid,
    appid: input.appid,
    out_trade_no: rowId('pay', OPEN, number),
    transaction_id: transactionId(number),
    trade_type: 'JSAPI',
    trade_state: 'SUCCESS',
    trade_state_desc: '支付成功',
    bank_type: 'OTHERS',
    attach: rowId('pay', OPEN, number),
    success_time: paidAt,
    payer: { openid: CUSTOMER.openid },
    amount: { total: AMOUNT_FEN, payer_total: AMOUNT_FEN, currency: 'CNY', payer_currency: 'CNY' },
  });
  const iv = nonce().slice(0, 12);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(String(input.apiV3Key)), Buffer.from(iv));
  cipher.setAAD(Buffer.from('transaction'));
  const sealed = Buffer.concat([cipher.update(content), cipher.final(), cipher.getAuthTag()]);
  return JSON.stringify({
    id: `EV-${nonce()}`,
    create_time: paidAt,
    resource_type: 'encrypt-resource',
    event_type: 'TRANSACTION.SUCCESS',
    summary: '支付成功',
    resource: {
      original_type: 'transaction',
      algorithm: 'AEAD_AES_256_GCM',
      ciphertext: sealed.toString('base64'),
      associated_data: 'transaction',
      nonce: iv,
    },
  });
}

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

const rows: Job = async (input) => {
  const { first, count } = numbers(input);
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const client = new pg.Client({ connectionString: String(input.databaseUrl) });
      await client.connect();
      return client;
    }),
  );
  const serial = 'PUB_KEY_ID_0119000091912026112300000001';
  const values = Array.from({ length: count }, (_, index) => {
    const number = first + index;
    const request = newId('req', clock);
    const hash = createHash('sha256').update(request).digest('hex');
    return [rowId('pay', OPEN, number), transactionId(number), clock.now(), request, newId('ntf', clock),
      newId('cbk', clock), `EV-${nonce()}`, serial, hash]; // prettier-ignore
  });
  return {
    async run() {
      try {
        return await inParallel(count, CONNECTIONS, async (index, lane) => {
          const done = await clients[lane]?.query({ name: 'callback', text: ROWS, values: values[index] });
          return done?.rowCount === 1;
        });
      } finally {
        await Promise.all(clients.map((client) => client.end()));
      }
    },
  };
};

function numbers(input: JobInput): { first: number; count: number; port: number; concurrency: number } {
  const [first, count, port, concurrency] = [input.first, input.count, input.port, input.concurrency].map(Number);
  return { first: first ?? 0, count: count ?? 0, port: port ?? 0, concurrency: concurrency ?? 1 };
}

const chinaTime = (at: Date): string =>
  `${after(at, 8 * HOUR)
    .toISOString()
    .slice(0, 19)}+08:00`;

export const CALLBACK_JOBS = { 'callback.notices': notices, 'callback.rows': rows };
