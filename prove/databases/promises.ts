import type pg from 'pg';
import type { BuiltProgram } from '../../dev/built-program.js';
import type { Ledger } from '../../simulator/index.js';
import { noticesOf } from '../books.js';
import { Counts } from '../report.js';
import { tell } from '../simulator.js';
import type { Acknowledged } from './sales.js';

/** Answers to notices of payments so far, by status, and the payments that were acknowledged. */
export async function callbacksOf(
  simulator: BuiltProgram,
): Promise<{ byStatus: Counts<number>; acknowledged: string[] }> {
  const sends = (await noticesOf(simulator)).flatMap(({ out_trade_no: id, sends }) =>
    sends.map(({ status }) => ({ id, status })),
  );
  return {
    byStatus: Counts.of(sends.map(({ status }) => status)),
    acknowledged: sends.flatMap(({ id, status }) => (status === 200 && id !== null ? [id] : [])),
  };
}

/**
 * Of each kind of promise, how the rows are found that keep it. The prepay id of a start is none: it is saved without
 * waiting for the disk or the standby, and the next start asks for another one.
 */
const KEPT: Record<keyof Acknowledged | 'callbacks', string> = {
  orders: 'SELECT id FROM orders WHERE id = ANY($1)',
  payments: 'SELECT id FROM payments WHERE id = ANY($1)',
  started: `SELECT id FROM payments WHERE id = ANY($1) AND status <> 'init'`,
  succeeded: `SELECT p.id FROM payments p JOIN orders o ON o.paid_payment_id = p.id
              WHERE p.id = ANY($1) AND p.status = 'succeeded' AND o.status = 'paid'`,
  callbacks: `SELECT DISTINCT p.id FROM payments p JOIN callbacks c ON c.out_trade_no = p.id AND c.http_status = 200
              WHERE p.id = ANY($1) AND p.status = 'succeeded'`,
};

/** Everything that was acknowledged and is not there. */
export async function lostOf(db: pg.Pool, acknowledged: Acknowledged & { callbacks: string[] }): Promise<string[]> {
  const kinds = Object.keys(KEPT) as (keyof typeof KEPT)[];
  const lost = await Promise.all(
    kinds.map(async (kind) => {
      // As they are now: the sales go on.
      const ids = [...new Set(acknowledged[kind])];
      const { rows } = await db.query<{ id: string }>(KEPT[kind], [ids]);
      const kept = new Set(rows.map(({ id }) => id));
      return ids.filter((id) => !kept.has(id)).map((id) => `${kind}: ${id}`);
    }),
  );
  return lost.flat();
}

/** All payments that were paid at the channel. */
export async function paidOf(simulator: BuiltProgram): Promise<string[]> {
  const { transactions } = await tell<Ledger>(simulator, 'GET', '/ledger');
  return transactions.filter((one) => one.paid_at !== null).map((one) => one.out_trade_no);
}
