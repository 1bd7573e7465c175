import { setTimeout as sleep } from 'node:timers/promises';
import { readBooks } from '../books.js';
import { compareBooks, type Comparison } from './books.js';
import type { CrashLab } from './lab.js';
import type { Ends, Outcome } from './way.js';

/** Timers look every two seconds, on a machine that may be busy. */
const REST_WITHIN = 90_000;

/**
 * The service is started again with its ordinary timers, and people come back to it. What then becomes of everything is
 * compared with the channel's books, and with where each way was to end.
 */
export async function recover(lab: CrashLab, outcomes: readonly Outcome[]): Promise<Comparison> {
  await lab.restart();
  // Beyond every lease of the dead, and every pause.
  await lab.takeUp();
  await lab.wait(60);
  for (const { again } of outcomes) await again?.();
  const wrong = await rest(lab, 'what was paid is known', () => paidAreKnown(lab));
  // Nobody pays what is left: its time comes to its end.
  for (const orderId of await openOrders(lab)) await lab.endLife(orderId);
  await lab.command(['expire_payments']);
  wrong.push(...(await rest(lab, 'nothing is under way', () => nothingIsOpen(lab))));
  await lab.command(['expire_payments']);
  // A day and a half later every notice has been sent again as often as the channel sends it.
  await lab.withFaults([], () => lab.sim.advance(36 * 3600));
  const books = await compareBooks(lab.db, await readBooks(lab.db, lab.sim));
  books.wrong.unshift(...wrong, ...(await astray(lab, outcomes)));
  return books;
}

/** Polls, while refunds arrive at the channel and time goes on for what waits. */
async function rest(lab: CrashLab, what: string, holds: () => Promise<boolean>): Promise<string[]> {
  const until = performance.now() + REST_WITHIN;
  while (!(await holds())) {
    if (performance.now() > until) return [`it does not come to be so that ${what}`];
    for (const refund of lab.sim.ledger().refunds) {
      if (refund.status === 'PROCESSING' || refund.status === 'ABNORMAL')
        lab.sim.settleRefund(refund.out_refund_no, 'SUCCESS');
    }
    await sleep(500);
    await lab.wait(10);
  }
  return [];
}

async function paidAreKnown({ sim, db }: CrashLab): Promise<boolean> {
  const paid = sim.ledger().transactions.filter((entry) => entry.paid_at !== null);
  const { rows } = await db.query<{ known: number }>(
    `SELECT count(*)::int AS known FROM payments p WHERE p.id = ANY ($1) AND (p.status = 'succeeded'
     OR EXISTS (SELECT FROM discrepancies d WHERE d.payment_id = p.id AND d.status = 'open'))`,
    [paid.map((entry) => entry.out_trade_no)],
  );
  return rows[0]?.known === paid.length;
}

async function openOrders({ db }: CrashLab): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(`SELECT id FROM orders WHERE status = 'pending'`);
  return rows.map((row) => row.id);
}

async function nothingIsOpen({ db }: CrashLab): Promise<boolean> {
  const { rows } = await db.query<{ open: number }>(
    `SELECT (SELECT count(*)::int FROM payments p WHERE status IN ('init', 'processing') AND NOT EXISTS (
              SELECT FROM discrepancies d WHERE d.payment_id = p.id AND d.status = 'open'))
          + (SELECT count(*)::int FROM refunds WHERE status IN ('processing', 'abnormal')) AS open`,
  );
  return rows[0]?.open === 0;
}

/** What did not end where its way was to end. */
async function astray({ db }: CrashLab, outcomes: readonly Outcome[]): Promise<string[]> {
  const { rows } = await db.query<{ id: string; state: string }>(
    `SELECT p.id, p.status || '/' || o.status AS state FROM payments p JOIN orders o ON o.id = p.order_id
     UNION ALL SELECT id, status FROM refunds`,
  );
  const states = new Map(rows.map(({ id, state }) => [id, state]));
  const expected: Ends = Object.assign({}, ...outcomes.map(({ ends }) => ends)) as Ends;
  return Object.entries(expected)
    .filter(([id, ends]) => !ends.includes(states.get(id) ?? 'nowhere'))
    .map(([id, ends]) => `${id} is ${states.get(id) ?? 'nowhere'}, not ${ends.join(' or ')}`);
}
