import type pg from 'pg';
import type { Ledger, NoticeView } from '../simulator/index.js';
import type { Report } from './proof.js';

/** What Paydesk has of a payment. */
interface Row {
  id: string;
  status: string;
  late: boolean;
  amount: number;
  pays_order: boolean;
  refunded: number;
  open_cases: number;
  announced: number;
}

const PLACES = ['delivered', 'refunded', 'open case'] as const;
type PlaceOfMoney = (typeof PLACES)[number];

/** Compares the simulator's ledger, fen for fen, with what became of the money here. */
export async function balance(
  db: pg.Pool,
  ledger: Ledger,
  { notices }: { notices: NoticeView[] },
  report: Report,
): Promise<void> {
  const rows = new Map((await paymentRows(db)).map((row) => [row.id, row]));
  const back = refundsOf(ledger);
  const sums: Record<PlaceOfMoney, { count: number; fen: number }> = {
    delivered: { count: 0, fen: 0 },
    refunded: { count: 0, fen: 0 },
    'open case': { count: 0, fen: 0 },
  };
  const astray: string[] = [];
  for (const { out_trade_no: id, paid_at: paidAt, total } of ledger.transactions) {
    const row = rows.get(id);
    const places = placesOf(row, back.get(id) ?? 0, total);
    if (paidAt === null ? row?.status === 'succeeded' || back.has(id) : places.length !== 1) {
      astray.push(
        `${id} ${paidAt === null ? 'unpaid' : 'paid'}: ${places.join(' and ') || 'nowhere'} ${JSON.stringify(row)}`,
      );
      continue;
    }
    const [place] = places;
    if (paidAt === null || place === undefined) continue;
    sums[place].count += 1;
    sums[place].fen += total;
  }
  sayNotices(notices, report);
  report.say('taken, by the ledger of the simulator', `${ledger.totals.paid} payments, ${ledger.totals.taken} fen`);
  for (const place of PLACES) report.say(place, `${sums[place].count} payments, ${sums[place].fen} fen`);
  for (const line of astray.slice(0, 20)) report.say('astray', line);
  const fen = PLACES.reduce((sum, place) => sum + sums[place].fen, 0);
  report.expect('delivered + refunded + open cases, in fen', fen, ledger.totals.taken);
  report.expect('payments in no place, or in two', astray.length, 0);
  checkRefunds(ledger, sums.refunded, report);
  checkAnnouncements([...rows.values()], report);
  await checkOrders(db, report);
}

/** Where the money of a paid transaction is: to be exactly one place. */
function placesOf(row: Row | undefined, refunded: number, total: number): PlaceOfMoney[] {
  if (!row) return [];
  const places: PlaceOfMoney[] = [];
  const succeeded = row.status === 'succeeded';
  if (succeeded && !row.late && row.pays_order && row.amount === total && refunded === 0) places.push('delivered');
  if (succeeded && row.late && row.refunded === total && refunded === total) places.push('refunded');
  if (row.open_cases > 0 && refunded === 0) places.push('open case');
  return places;
}

async function paymentRows(db: pg.Pool): Promise<Row[]> {
  const { rows } = await db.query<Row>(
    `SELECT p.id, p.status, p.late, p.amount_fen AS amount, o.paid_payment_id IS NOT DISTINCT FROM p.id AS pays_order,
            p.refunded_fen AS refunded,
            (SELECT count(*)::int FROM discrepancies d WHERE d.payment_id = p.id AND d.status = 'open') AS open_cases,
            (SELECT count(*)::int FROM users_notification n
             WHERE n.data ->> 'payment_id' = p.id AND n.type = 'payment.succeeded') AS announced
     FROM payments p JOIN orders o ON o.id = p.order_id`,
  );
  return rows;
}

/** What has gone back of each transaction, by the simulator's ledger. */
function refundsOf(ledger: Ledger): Map<string, number> {
  const back = new Map<string, number>();
  for (const { out_trade_no: id, status, refund } of ledger.refunds) {
    if (status === 'SUCCESS') back.set(id, (back.get(id) ?? 0) + refund);
  }
  return back;
}

function checkRefunds(ledger: Ledger, refunded: { count: number; fen: number }, report: Report): void {
  report.expect('refunds that arrived, by the ledger, in fen', ledger.totals.refunded, refunded.fen);
  report.expect('refund numbers the simulator saw', ledger.totals.refunds, refunded.count);
}

function checkAnnouncements(rows: Row[], report: Report): void {
  const succeeded = rows.filter((row) => row.status === 'succeeded');
  const once = succeeded.filter((row) => row.announced === 1).length;
  report.expect('succeeded payments with exactly one success notification', once, succeeded.length);
  const others = rows.filter((row) => row.status !== 'succeeded' && row.announced > 0).length;
  report.expect('other payments with a success notification', others, 0);
}

async function checkOrders(db: pg.Pool, report: Report): Promise<void> {
  const { rows } = await db.query<{ twice: number; unheard: number }>(
    `SELECT (SELECT count(*) FROM (SELECT order_id FROM payment_events WHERE noun = 'order' AND to_status = 'paid'
             GROUP BY order_id HAVING count(*) > 1) t)::int AS twice,
            (SELECT count(*) FROM payments p WHERE NOT EXISTS (SELECT FROM payment_events e
             WHERE e.payment_id = p.id AND e.to_status = p.status) AND p.status NOT IN ('init', 'processing'))::int
              AS unheard`,
  );
  report.expect('orders that were paid twice', rows[0]?.twice ?? -1, 0);
  report.expect('settled payments without their event', rows[0]?.unheard ?? -1, 0);
}

function sayNotices(notices: NoticeView[], report: Report): void {
  const payments = notices.filter((notice) => notice.event_type === 'TRANSACTION.SUCCESS');
  const lost = payments.filter((notice) => notice.state === 'lost').length;
  const again = payments.filter((notice) => notice.sends.length > 1).length;
  const late = payments.filter(
    ({ created_at: at, sends: [first] }) => first && Date.parse(first.at) - Date.parse(at) > 10_000,
  );
  report.say('payment notices', payments.length);
  report.say('of these dropped / sent more than once / late', `${lost} / ${again} / ${late.length}`);
}
