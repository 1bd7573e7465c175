import { NestFactory } from '@nestjs/core';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { AppModule } from '../src/app.module.js';
import { CallBudget } from '../src/common/call-budget.js';
import { byCommand } from '../src/common/cause.js';
import { after, Clock, SECOND } from '../src/common/clock.js';
import { newId } from '../src/common/ids.js';
import { parseSettings } from '../src/config/settings.js';
import { ChannelOrders } from '../src/payments/channel-orders.js';
import { DuePayments } from '../src/payments/due-payments.js';
import { PaymentSettlement } from '../src/payments/payment-settlement.js';
import { ChannelCalls } from '../src/provider/channel-calls.js';
import { type ChannelPayment, PaymentProvider } from '../src/provider/payment-provider.js';
import { ProviderRegistry } from '../src/provider/provider-registry.js';
import type { Bed, Bench, Range } from './bench.js';
import type { Job, JobInput } from './job.js';
import { type BenchKeys, serviceEnvironment } from './keys.js';
import { addOpen, AMOUNT_FEN, countOpen, CUSTOMER, OPEN, rowId, sizeOf, transactionId } from './rows.js';

/** Rows claimed at once, by both sides. */
const BATCH = 100;
/** Nothing listens there: the channel is played in memory. */
const NO_CHANNEL = 9;
const clock = new Clock();

/** Claims and applies of due payments, the channel's answers being there at once. */
export const reconcile: Bench = {
  name: 'reconcile',
  about:
    'due payments claimed and settled, the channel answering at once; baseline: the claim and the writes in bare SQL',

  async service(bed, range) {
    await addDue(bed, range);
    const run = await bed.load.prepare('reconcile.due', { ...range, ...bed.keys, databaseUrl: bed.databaseUrl });
    return { ...(await run()), cpuSeconds: null };
  },

  async baseline(bed, range) {
    await addDue(bed, range);
    const run = await bed.load.prepare('reconcile.rows', { ...range, databaseUrl: bed.databaseUrl });
    return { ...(await run()), cpuSeconds: null };
  },

  async check({ db }, served) {
    const paid = await countOpen(
      db,
      served,
      `p.status = 'succeeded' AND o.status = 'paid' AND o.paid_payment_id = p.id`,
    );
    if (paid !== sizeOf(served)) throw new Error(`${sizeOf(served)} payments were due, ${paid} orders are paid`);
  },
};

async function addDue({ db, keys }: Bed, range: Range): Promise<void> {
  await addOpen(db, keys, { status: 'processing', ...range });
  await db.query(`UPDATE payments SET next_check_at = now() - interval '1 minute' WHERE id BETWEEN $1 AND $2`, [
    rowId('pay', OPEN, range.first),
    rowId('pay', OPEN, range.first + range.count - 1),
  ]);
}

/** One for each database: made once, as in a service that runs. */
const services = new Map<string, DuePayments>();

async function servicesOf(input: JobInput): Promise<DuePayments> {
  const databaseUrl = String(input.databaseUrl);
  const known = services.get(databaseUrl);
  if (known) return known;
  const environment = serviceEnvironment(input as unknown as BenchKeys, NO_CHANNEL);
  const settings = parseSettings({ ...environment, DATABASE_URL: databaseUrl, LOG_LEVEL: 'silent' });
  const app = await NestFactory.createApplicationContext(AppModule.with({ settings, databaseUrl }), { logger: false });
  // The real provider, but for the one call whose answer is known before it is asked.
  const channel = Object.create(app.get(PaymentProvider)) as PaymentProvider;
  channel.queryPayment = ({ outTradeNo }) => Promise.resolve(paid(outTradeNo, channel));
  const due = new DuePayments(
    app.get(DataSource),
    new ProviderRegistry(channel),
    app.get(ChannelOrders, { strict: false }),
    app.get(PaymentSettlement, { strict: false }),
    new ChannelCalls(channel, clock),
    new CallBudget(Number.MAX_SAFE_INTEGER),
    clock,
  );
  services.set(databaseUrl, due);
  return due;
}

function paid(outTradeNo: string, { account }: PaymentProvider): ChannelPayment {
  return {
    outTradeNo,
    state: 'succeeded',
    transactionId: transactionId(Number(outTradeNo.slice(-22))),
    amountFen: AMOUNT_FEN,
    currency: 'CNY',
    paidAt: clock.now(),
    account,
  };
}

const due: Job = async (input) => {
  const payments = await servicesOf(input);
  const count = Number(input.count);
  return {
    async run() {
      const began = performance.now();
      const report = await payments.run({ scope: 'due', cause: byCommand('reconcile_payments'), limit: count });
      const seconds = (performance.now() - began) / 1000;
      return { count, seconds, p50: null, p99: null, errors: count - report.succeeded };
    },
  };
};

const CLAIM = `
  UPDATE payments SET lease_until = $2, checked_at = $1, checks = checks + 1
  WHERE id = ANY (ARRAY(
    SELECT id FROM payments WHERE status IN ('init', 'processing') AND (lease_until IS NULL OR lease_until <= $1)
    AND next_check_at <= $1 ORDER BY next_check_at LIMIT $3 FOR UPDATE SKIP LOCKED))
  RETURNING id`;

/** The rows that a batch of settled payments changes and adds, as few statements of one transaction. */
const WRITES: Record<string, string> = {
  payments: `
    UPDATE payments p SET status = 'succeeded', transaction_id = v.transaction_id, paid_at = $3, settled_at = $3,
                          lease_until = NULL
    FROM unnest($1::text[], $2::text[]) AS v(id, transaction_id) WHERE p.id = v.id`,
  orders: `
    UPDATE orders o SET status = 'paid', paid_payment_id = v.payment_id, paid_at = $3
    FROM unnest($1::text[], $2::text[]) AS v(id, payment_id) WHERE o.id = v.id`,
  events: `
    INSERT INTO payment_events (at, order_id, payment_id, noun, from_status, to_status, cause, actor)
    SELECT $3, v.order_id, v.id, n.noun, n.was, n.becomes, 'command', 'reconcile_payments'
    FROM unnest($1::text[], $2::text[]) AS v(order_id, id),
         (VALUES ('payment', 'processing', 'succeeded'), ('order', 'pending', 'paid')) AS n(noun, was, becomes)`,
  announcements: `
    INSERT INTO users_notification (id, user_id, type, subject_id, data, created_at)
    SELECT v.id, $3, 'payment.succeeded', v.payment_id, jsonb_build_object('payment_id', v.payment_id), $4
    FROM unnest($1::text[], $2::text[]) AS v(id, payment_id)`,
};

async function write(client: pg.Client, claimed: string[]): Promise<void> {
  const orders = claimed.map((id) => id.replace('pay_', 'ord_'));
  const now = clock.now();
  const values: Record<string, unknown[]> = {
    payments: [claimed, claimed.map((id) => transactionId(Number(id.slice(-22)))), now],
    orders: [orders, claimed, now],
    events: [orders, claimed, now],
    announcements: [claimed.map(() => newId('ntf', clock)), claimed, CUSTOMER.id, now],
  };
  await client.query('BEGIN');
  for (const [name, text] of Object.entries(WRITES)) await client.query({ name, text, values: values[name] ?? [] });
  await client.query('COMMIT');
}

const rows: Job = async (input) => {
  const client = new pg.Client({ connectionString: String(input.databaseUrl) });
  await client.connect();
  const count = Number(input.count);
  return {
    async run() {
      const began = performance.now();
      let done = 0;
      for (let claimed = await claim(client, count); claimed.length > 0; claimed = await claim(client, count - done)) {
        await write(client, claimed);
        done += claimed.length;
      }
      const seconds = (performance.now() - began) / 1000;
      await client.end();
      return { count, seconds, p50: null, p99: null, errors: count - done };
    },
  };
};

async function claim(client: pg.Client, limit: number): Promise<string[]> {
  const now = clock.now();
  const values = [now, after(now, 60 * SECOND), Math.min(BATCH, limit)];
  const { rows: claimed } = await client.query<{ id: string }>({ name: 'claim', text: CLAIM, values });
  return claimed.map((row) => row.id);
}

export const RECONCILE_JOBS = { 'reconcile.due': due, 'reconcile.rows': rows };
