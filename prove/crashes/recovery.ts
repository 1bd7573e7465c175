import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../dev/wait-for.js';
import { PARTLY_REFUNDED_OR_CASE, readBooks } from '../books.js';
import { compareBooks, type Comparison, HELD_BY_A_CASE, underWay } from '../compare-books.js';
import type { CrashLab } from './lab.js';
import type { Ends, Outcome } from './way.js';

/** Timers look every two seconds, on a machine that may be busy. */
const REST_WITHIN = 90_000;
/** Refunded in part is right, and a case about what was delivered; a case of money of which a part went back is not. */
const TOGETHER = PARTLY_REFUNDED_OR_CASE.filter((places) => places.startsWith('delivered'));

/**
 * The service is started again with its ordinary timers, and people come back to it. What then becomes of everything is
 * compared with the channel's books, and with where each way was to end.
 */
export async function recover(lab: CrashLab, outcomes: readonly Outcome[]): Promise<Comparison> {
  await lab.restart();
  // Beyond every lease of the dead, and every pause.
  await lab.time.takeUp();
  await lab.time.pass(60);
  for (const { again } of outcomes) await again?.();
  const wrong = await rest(lab, 'what was paid is known', () => paidAreKnown(lab));
  // What is left is not paid any more: its time comes to its end.
  const { rows } = await lab.db.query<{ id: string }>(`SELECT id FROM orders WHERE status = 'pending'`);
  for (const { id } of rows) await lab.time.endLife(id);
  await lab.command(['expire_payments']);
  wrong.push(...(await rest(lab, 'nothing is under way', async () => (await underWay(lab.db)).length === 0)));
  await lab.command(['expire_payments']);
  // A day and a half later every notice has been sent again as often as the channel sends it.
  await lab.withFaults([], () => lab.sim.advance(36 * 3600));
  const books = compareBooks(await readBooks(lab.db, lab.sim), TOGETHER);
  const stuck = [...(await underWay(lab.db)), ...(await openBillRuns(lab))].map((what) => `stuck: ${what}`);
  books.wrong.unshift(...wrong, ...(await astray(lab, outcomes)), ...stuck);
  return books;
}

/** Polls, while refunds arrive at the channel and time goes on for what waits. */
async function rest(lab: CrashLab, what: string, holds: () => Promise<boolean>): Promise<string[]> {
  const came = await waitFor(
    async () => {
      if (await holds()) return true;
      for (const refund of lab.sim.ledger().refunds) {
        if (refund.status === 'PROCESSING' || refund.status === 'ABNORMAL')
          lab.sim.settleRefund(refund.out_refund_no, 'SUCCESS');
      }
      await sleep(450);
      await lab.time.pass(10);
      return false;
    },
    { within: REST_WITHIN },
  );
  return came ? [] : [`it does not come to be so that ${what}`];
}

async function paidAreKnown({ sim, db }: CrashLab): Promise<boolean> {
  const paid = sim.ledger().transactions.filter((entry) => entry.paid_at !== null);
  const { rows } = await db.query(
    `SELECT FROM payments p WHERE p.id = ANY ($1) AND (p.status = 'succeeded' OR ${HELD_BY_A_CASE})`,
    [paid.map((entry) => entry.out_trade_no)],
  );
  return rows.length === paid.length;
}

async function openBillRuns({ db }: CrashLab): Promise<string[]> {
  const { rows } = await db.query<{ what: string }>(
    `SELECT 'bill run ' || id || ' ' || status AS what FROM reconciliation_runs WHERE status IN ('waiting', 'running')`,
  );
  return rows.map(({ what }) => what);
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
