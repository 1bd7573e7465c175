import type pg from 'pg';
import type { BuiltProgram } from '../../dev/built-program.js';
import type { Ledger, NoticeView } from '../../simulator/index.js';
import { settledLater } from '../overload-books.js';
import { tell } from '../processes.js';
import type { Acknowledged } from './sales.js';

/** Answers to notices of payments so far, by status, and the payments that were acknowledged. */
export async function callbacksOf(
  simulator: BuiltProgram,
): Promise<{ byStatus: Record<string, number>; acknowledged: string[] }> {
  const { notices } = await tell<{ notices: NoticeView[] }>(simulator, 'GET', '/_sim/notices');
  const byStatus: Record<string, number> = {};
  const acknowledged: string[] = [];
  for (const { out_trade_no: id, sends } of notices) {
    for (const { status } of sends) {
      byStatus[status] = (byStatus[status] ?? 0) + 1;
      if (status === 200 && id !== null) acknowledged.push(id);
    }
  }
  return { byStatus, acknowledged };
}

/** Of each kind of promise, how the rows are found that keep it. */
const KEPT: Record<keyof Acknowledged | 'callbacks', string> = {
  orders: 'SELECT id FROM orders WHERE id = ANY($1)',
  payments: 'SELECT id FROM payments WHERE id = ANY($1)',
  started: 'SELECT id FROM payments WHERE id = ANY($1) AND prepay_id IS NOT NULL',
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

/** How many payments that were paid are not settled when every notice was sent again. */
export async function unsettledLater(db: pg.Pool, simulator: BuiltProgram): Promise<number> {
  const { transactions } = await tell<Ledger>(simulator, 'GET', '/_sim/ledger');
  const paid = transactions.filter((one) => one.paid_at !== null).map((one) => one.out_trade_no);
  return paid.length - (await settledLater(db, simulator, paid));
}
