import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import pg from 'pg';
import { makeKeys } from '../bench/keys.js';
import { addOpen, fillSettled, rowId, SETTLED } from '../bench/rows.js';
import { ALL_TYPES, SOME_TYPES } from '../src/events/event-feed.js';
import { PLACE } from '../src/events/event-outbox.js';
import { isBound, isUnbound } from '../src/provider/provider-registry.js';
import { openPlace } from './place.js';
import { NotShown, type Report } from './report.js';
import { proof } from './run.js';

const FILE = 'docs/reports/query-plans.md';
/** Payments that are open, and of these due. */
const OPEN = 2000;
const DUE = 500;
/** Events that wait for their place. */
const WAITING = 1000;
/** Shared blocks of 8 KB that a statement over what is open may touch, however much is settled. */
const MOST_BLOCKS = 12_000;

interface Hot {
  name: string;
  why: string;
  text: string;
  values?: unknown[];
}

/** The account of the merchant that `makeKeys` makes. */
const BOUND = isBound(`ARRAY['wechat/1900009191']`);
const UNBOUND = isUnbound(`ARRAY['wechat/1900009191']`);
const PAYMENT_OPEN = `status IN ('init', 'processing') AND ${BOUND} AND (lease_until IS NULL OR lease_until <= now())`;

/** A page of what a service placed. */
const ordersOf = (filter: string): string => `SELECT o.id FROM orders o WHERE o.service = 'shop' ${filter}
ORDER BY o.created_at DESC, o.id DESC LIMIT 21`;

const STATEMENTS: readonly Hot[] = [
  {
    name: 'Payments to be asked about: the claim',
    why: 'every two seconds, in each process',
    text: `UPDATE payments p SET lease_until = now() + interval '1 minute', checked_at = now(), checks = checks + 1
WHERE id = ANY (ARRAY(
  SELECT id FROM payments p WHERE ${PAYMENT_OPEN} AND next_check_at <= now()
  ORDER BY next_check_at LIMIT 100 FOR UPDATE SKIP LOCKED))
RETURNING id`,
  },
  {
    name: 'Payments past their time: the claim',
    why: 'expire_payments',
    text: `SELECT id FROM payments p WHERE ${PAYMENT_OPEN} AND expires_at <= now() AND id > ''
ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED`,
  },
  {
    name: 'Orders that are not being paid',
    why: 'every thirty seconds',
    text: `SELECT o.id FROM orders o WHERE o.status = 'pending' AND o.expires_at <= now()
AND NOT EXISTS (SELECT FROM payments p WHERE p.order_id = o.id AND p.status IN ('init', 'processing'))
ORDER BY o.expires_at LIMIT 1000`,
  },
  {
    name: 'Refunds to be sent or asked about: the claim',
    why: 'every two seconds, in each process',
    text: `SELECT id FROM refunds WHERE status IN ('processing', 'abnormal') AND (lease_until IS NULL OR lease_until <= now())
AND EXISTS (SELECT FROM payments p WHERE p.id = payment_id AND ${BOUND})
AND next_check_at <= now() ORDER BY next_check_at LIMIT 100 FOR UPDATE SKIP LOCKED`,
  },
  {
    name: 'Orders of a batch, locked',
    why: 'every settlement',
    text: `SELECT o.id, o.status FROM orders o
WHERE o.id IN (SELECT p.order_id FROM payments p WHERE p.id = ANY ($1::text[])) ORDER BY o.id FOR UPDATE`,
    values: [[rowId('pay', SETTLED, 77), rowId('pay', SETTLED, 4242)]],
  },
  {
    name: 'Payments of a batch, by number and by transaction',
    why: 'every settlement',
    text: `SELECT p.id FROM payments p WHERE p.id = ANY ($1::text[])
UNION ALL SELECT p.id FROM payments p WHERE p.transaction_id = ANY ($2::text[]) AND p.transaction_id IS NOT NULL`,
    values: [[rowId('pay', SETTLED, 77)], ['4100' + '0'.repeat(20) + '4242']],
  },
  {
    name: 'What /metrics counts',
    why: 'every scrape',
    text: `SELECT (SELECT json_agg(o) FROM (
   SELECT p.status, count(*) FROM payments p WHERE p.status IN ('init', 'processing') AND ${BOUND} GROUP BY p.status) o),
  (SELECT p.next_check_at FROM payments p WHERE p.status IN ('init', 'processing') AND ${BOUND}
   ORDER BY p.next_check_at LIMIT 1),
  (SELECT count(*) FROM payments p WHERE p.status IN ('init', 'processing') AND ${UNBOUND}),
  (SELECT count(*) FROM refunds r JOIN payments p ON p.id = r.payment_id
   WHERE r.status IN ('requested', 'processing', 'abnormal') AND ${UNBOUND}),
  (SELECT json_agg(c) FROM (SELECT type, count(*) FROM discrepancies WHERE status = 'open' GROUP BY type) c)`,
  },
  {
    name: "A service's orders, newest first",
    why: 'GET /api/orders/',
    text: ordersOf(''),
  },
  {
    name: "A service's orders by a rare status and time",
    why: 'GET /api/orders/?status=&created_from=&created_to=',
    text: ordersOf(`AND o.status = 'pending' AND o.created_at >= now() - interval '10 years' AND o.created_at < now()`),
  },
  {
    name: "A service's order by its number",
    why: 'GET /api/orders/?external_id=, and every order placed again',
    text: ordersOf('AND o.external_id = $1'),
    values: [rowId('ord', SETTLED, 4242)],
  },
  {
    name: "A service's orders of a user",
    why: 'GET /api/orders/?user_id=',
    text: ordersOf('AND o.user_id = (SELECT user_id FROM orders WHERE id = $1)'),
    values: [rowId('ord', SETTLED, 4242)],
  },
  {
    name: "An operators' page of payments",
    why: 'GET /api/admin/payments/',
    text: `SELECT p.id, o.user_id FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.id < $1 ORDER BY p.id DESC LIMIT 21`,
    values: [rowId('pay', SETTLED, 5000)],
  },
  {
    name: "A page of a service's events, in the middle of the feed",
    why: 'GET /api/events/',
    text: ALL_TYPES.trim(),
    values: ['shop', 5000, 101],
  },
  {
    name: 'The same, of a rare type and a frequent one',
    why: 'GET /api/events/?types=',
    text: SOME_TYPES.trim(),
    values: ['shop', 5000, 101, ['payment.late', 'order.paid']],
  },
  {
    name: 'Events get their places',
    why: 'every two seconds, in each process, and before a read where something is new',
    text: PLACE.trim(),
    // Half a batch: the blocks are those of the rows that it moves, some fourteen each.
    values: [500],
  },
];

export const queryPlans = proof({
  name: 'query-plans',
  about: `plans of the hot statements, written to ${FILE}: the work depends on what is open, not on what is stored`,
  options: { rows: 1_000_000 },
  async run({ rows }, { report, cleanup }) {
    const { databaseUrl } = await openPlace(cleanup, 'query_plans');
    const db = new pg.Client({ connectionString: databaseUrl });
    await db.connect();
    cleanup.add(() => db.end());
    const keys = makeKeys();
    await fillSettled(db, keys, rows);
    await fillEvents(db, rows);
    await addOpen(db, keys, { status: 'processing', first: 1, count: OPEN });
    await db.query(
      `UPDATE payments SET next_check_at = now() - interval '1 minute', expires_at = now() - interval '1 second'
       WHERE id IN (SELECT id FROM payments WHERE status = 'processing' ORDER BY id LIMIT ${DUE})`,
    );
    await db.query(`UPDATE orders SET service = 'shop', external_id = id`);
    await db.query('VACUUM (ANALYZE)');
    const chapters: string[] = [];
    for (const statement of STATEMENTS) chapters.push(await chapter(db, statement, report));
    await mkdir(dirname(FILE), { recursive: true });
    await writeFile(FILE, `${head(rows)}\n${chapters.join('\n')}`);
  },
});

function head(rows: number): string {
  return `# Plans of the hot statements

Made by \`npm run prove -- query-plans\`, with ${rows.toLocaleString('en')} settled payments, ${OPEN} open ones and ${DUE} of these due,
as many events, and ${WAITING} that wait for their place.
None of them scans what is stored: each reads partial indexes on what is open, or rows by their key.
`;
}

/** Events of two services, one of a rare type in each hundred thousand. */
export async function fillEvents(db: pg.Client, rows: number): Promise<void> {
  const columns = `id, service, type, created_at, order_id, payment_id, data`;
  const values = `'evt_' || lpad(n::text, 26, '0'), CASE n % 10 WHEN 0 THEN 'other' ELSE 'shop' END,
    CASE WHEN n % 100000 = 1 THEN 'payment.late' ELSE (ARRAY['order.created', 'payment.created', 'payment.processing',
      'payment.succeeded', 'order.paid'])[1 + n % 5] END,
    now(), 'ord_' || n, 'pay_' || n, json_build_object('order', json_build_object('id', 'ord_' || n, 'text', repeat('x', 300)))`;
  await db.query(
    `INSERT INTO events (position, ${columns}) SELECT n, ${values} FROM generate_series(1, $1::integer) AS n`,
    [rows],
  );
  await db.query('UPDATE event_positions SET last = $1', [rows]);
  await db.query(`INSERT INTO event_outbox (${columns}) SELECT ${values} FROM generate_series($1::integer, $2) AS n`, [
    ...[rows + 1, rows + WAITING],
  ]);
}

/** Runs it once to warm up and once with its plan, and takes back what it did. */
async function chapter(db: pg.Client, { name, why, text, values = [] }: Hot, report: Report): Promise<string> {
  let lines: string[] = [];
  for (let round = 0; round < 2; round += 1) {
    await db.query('BEGIN');
    const { rows } = await db.query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, BUFFERS) ${text}`, values);
    await db.query('ROLLBACK');
    lines = rows.map((row) => row['QUERY PLAN']);
  }
  if (lines.length === 0) throw new NotShown(`${name} has no plan`);
  const plan = lines.join('\n');
  const blocks = Number(/Buffers: shared hit=(\d+)/.exec(plan)?.[1] ?? 0);
  const scans = /Seq Scan on (payments|orders|payment_events|users_notification|callbacks|events|event_outbox)/.exec(
    plan,
  )?.[0];
  report.check(name, `${blocks} blocks${scans ? `, ${scans}` : ''}`, blocks < MOST_BLOCKS && !scans);
  return `## ${name}\n\nRun by: ${why}.\n\n\`\`\`sql\n${text}\n\`\`\`\n\n\`\`\`\n${plan}\n\`\`\`\n`;
}
