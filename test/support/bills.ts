import { byCommand, byTimer } from '../../src/common/cause.js';
import { after, DAY, HOUR, MINUTE } from '../../src/common/clock.js';
import { type BillOptions, type BillReport, BillService } from '../../src/reconciliation/bill.service.js';
import type { TestApp } from './app.js';
import { type Bought, buyAndStart } from './flows.js';
import type { Simulated } from './simulated.js';

/** Years of virtual days in a test: tokens must outlive them. */
export const LONG_LIFE = { JWT_TTL_SECONDS: '2592000' };

/** China's day at the shop's clock, `YYYY-MM-DD`. */
export function today(shop: TestApp): string {
  return after(shop.clock.now(), 8 * HOUR)
    .toISOString()
    .slice(0, 10);
}

/** Moves on to the next time that the clocks in China show this, and answers the day it then is. */
export async function untilChina(shop: Simulated, hour: number, minute = 0): Promise<string> {
  const inDay = (shop.clock.now().getTime() + 8 * HOUR) % DAY;
  const wanted = hour * HOUR + minute * MINUTE;
  await shop.advance(wanted - inDay + (wanted <= inDay ? DAY : 0));
  return today(shop);
}

/** A new customer's payment, paid at WeChat Pay; done when the notice was answered. */
export async function paid(shop: Simulated, amount?: number): Promise<Bought> {
  const bought = await buyAndStart(shop, { amount });
  await shop.pay(bought.paymentId);
  return bought;
}

/** An operator gives money back: sent to WeChat Pay. Answers the refund's number. */
export async function refunded(shop: Simulated, { paymentId }: Bought, amount?: number): Promise<string> {
  const operator = await shop.as('operator');
  const asked = await operator.post<{ id: string }>('/refunds/', { payment_id: paymentId, amount });
  const sent = await operator.post(`/refunds/${asked.body.id}/succeed/`);
  if (sent.status !== 200) throw new Error(`the refund was not sent: ${sent.status}`);
  return asked.body.id;
}

/** A person compares a day. */
export function compare(shop: TestApp, day: string, options: Partial<BillOptions> = {}): Promise<BillReport> {
  return shop.app.get(BillService).run({ day, cause: byCommand('reconcile_bill'), ...options });
}

/** What the timer does. */
export function runDaily(shop: TestApp): Promise<BillReport[]> {
  return shop.app.get(BillService).runDaily(byTimer('reconcile_bill'));
}

/** Every case that the bill of a day opened, `type number`, sorted. */
export async function billCases(shop: TestApp, day: string): Promise<string[]> {
  const rows = await shop.db.query<{ type: string; number: string }[]>(
    `SELECT type, coalesce(out_refund_no, out_trade_no) AS number FROM discrepancies
     WHERE run_id IS NOT NULL AND detail ->> 'day' = $1`,
    [day],
  );
  return rows.map(({ type, number }) => `${type} ${number}`).sort();
}

/** Everything that a run could change, to be compared before and after. */
export async function everything(shop: TestApp): Promise<unknown> {
  const tables = ['orders', 'payments', 'refunds', 'payment_events', 'users_notification', 'discrepancies'];
  const more = ['reconciliation_runs', 'bill_matches'];
  const all = [...tables, ...more].map((table) =>
    shop.db.query<unknown[]>(`SELECT to_jsonb(t) AS row FROM ${table} t ORDER BY to_jsonb(t)::text`),
  );
  return Promise.all(all);
}
