import type pg from 'pg';
import type { BuiltProgram } from '../../dev/built-program.js';
import { noticesOf } from '../books.js';
import { reportBooks, settledLater } from '../compare-books.js';
import { Counts, type Report } from '../report.js';
import type { MixReport } from './load.js';

/** What was paid in the storm is settled, each fen of it, whether its notice got through at once or was sent again. */
export async function settle(db: pg.Pool, simulator: BuiltProgram, paid: string[], report: Report): Promise<void> {
  const notices = await noticesOf(simulator);
  const known = new Set(paid);
  const first = Counts.of(
    notices
      .filter(({ out_trade_no: id }) => id !== null && known.has(id))
      .map(({ sends }) => String(sends[0]?.status ?? 'none')),
  );
  report.say('notices of payments in the storm', notices.length);
  report.say('answers to the first send of each', first);
  // The others came later than the five seconds that WeChat Pay waits, and are sent again.
  report.check('taken at the first send', first.of('200'), first.of('200') >= paid.length * 0.75);
  const settled = await settledLater(db, simulator, paid);
  report.expect('payments paid in the storm that are settled', settled, paid.length);
  await reportBooks(report, db, simulator);
}

/** What was promised is there, and what was refused left nothing behind. */
export async function checkRows(db: pg.Pool, loads: MixReport[], customers: number, report: Report): Promise<void> {
  const sum = (of: (load: MixReport) => number): number => loads.reduce((total, load) => total + of(load), 0);
  const { rows } = await db.query<{ users: number; orders: number; payments: number }>(
    `SELECT (SELECT count(*) FROM users)::int AS users, (SELECT count(*) FROM orders)::int AS orders,
            (SELECT count(*) FROM payments)::int AS payments`,
  );
  const { users, orders, payments } = rows[0] ?? { users: -1, orders: -1, payments: -1 };
  const unsure = sum((load) => load.unsure);
  report.say('writes begun whose end was not answered', unsure);
  const within = (what: string, seen: number, promised: number): void =>
    report.check(what, `${seen} of ${promised}`, seen >= promised && seen <= promised + unsure);
  within('users, each with its login', users, customers + sum((load) => load.made.logins));
  within(
    'orders, each answered with 201',
    orders,
    sum((load) => load.made.orders),
  );
  within(
    'payments, each answered with 201',
    payments,
    sum((load) => load.made.payments),
  );
}
