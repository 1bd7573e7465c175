import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { BuiltProgram } from '../dev/built-program.js';
import type { NoticeView } from '../simulator/index.js';
import { reportBooks } from './books.js';
import type { MixReport } from './overload-load.js';
import { tell } from './processes.js';
import type { Report } from './proof.js';

const SETTLED_WITHIN = 120_000;

/** An hour of WeChat Pay's later, when every notice was sent again: how many of these paid payments are settled. */
export async function settledLater(db: pg.Pool, simulator: BuiltProgram, paid: string[]): Promise<number> {
  await tell(simulator, 'POST', '/_sim/clock', { advance_seconds: 3600 });
  await tell(simulator, 'POST', '/_sim/settled', {});
  for (const until = performance.now() + SETTLED_WITHIN; ; await sleep(200)) {
    const { rows } = await db.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM payments WHERE id = ANY($1) AND status = 'succeeded'`,
      [paid],
    );
    const settled = rows[0]?.count ?? 0;
    if (settled === paid.length || performance.now() > until) return settled;
  }
}

/** What was paid in the storm is settled, each fen of it, whether its notice got through at once or was sent again. */
export async function settle(db: pg.Pool, simulator: BuiltProgram, paid: string[], report: Report): Promise<void> {
  const { notices } = await tell<{ notices: NoticeView[] }>(simulator, 'GET', '/_sim/notices');
  const first = new Map<string, number>();
  for (const notice of notices.filter(({ out_trade_no: id }) => id !== null && paid.includes(id))) {
    const status = String(notice.sends[0]?.status ?? 'none');
    first.set(status, (first.get(status) ?? 0) + 1);
  }
  report.say('notices of payments in the storm', notices.length);
  report.say('answers to the first send of each', JSON.stringify(Object.fromEntries(first)));
  // The others came later than the five seconds that WeChat Pay waits, and are sent again.
  report.check('taken at the first send', first.get('200') ?? 0, (first.get('200') ?? 0) >= paid.length * 0.75);
  const settled = await settledLater(db, simulator, paid);
  report.expect('payments paid in the storm that are settled', settled, paid.length);
  await reportBooks(db, simulator, report);
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
  const orders201 = sum((load) => load.made.orders);
  within('orders, each answered with 201', orders, orders201);
  const payments201 = sum((load) => load.made.payments);
  within('payments, each answered with 201', payments, payments201);
}
