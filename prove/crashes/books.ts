import type pg from 'pg';
import type { Ledger } from '../../simulator/index.js';

/** What the books say, in fen, and each line in which they do not agree. */
export interface Comparison {
  taken: number;
  delivered: number;
  refunded: number;
  inCases: number;
  wrong: string[];
}

interface PaymentRow {
  id: string;
  status: string;
  late: boolean;
  amount: number;
  reserved: number;
  refunded: number;
  pays_order: boolean;
  order_refunded: number;
  open_cases: number;
  succeeded: number;
  announced_late: number;
  events: number;
}

interface RefundRow {
  id: string;
  payment_id: string;
  status: string;
  amount: number;
  announced: number;
  events: number;
}

const REFUND_STATUS: Record<string, string> = { succeeded: 'SUCCESS', closed: 'CLOSED', abnormal: 'ABNORMAL' };

/** Compares what the channel's ledger says with what our database says, at rest, number by number and fen by fen. */
export async function compareBooks(db: pg.Pool, ledger: Ledger): Promise<Comparison> {
  const payments = new Map((await paymentRows(db)).map((row) => [row.id, row]));
  const refunds = new Map((await refundRows(db)).map((row) => [row.id, row]));
  const books: Comparison = { taken: ledger.totals.taken, delivered: 0, refunded: 0, inCases: 0, wrong: [] };
  const back = sumsBack(ledger);
  for (const { out_trade_no: id, paid_at: paidAt, total } of ledger.transactions) {
    const row = payments.get(id);
    if (paidAt !== null) place(id, row, { total, back: back.get(id) ?? 0 }, books);
    else if (row?.status === 'succeeded' || back.has(id)) books.wrong.push(`${id}: nobody paid it, yet ${say(row)}`);
  }
  const sums = books.delivered + books.refunded + books.inCases;
  if (sums !== books.taken) books.wrong.push(`${books.taken} fen were taken, ${sums} are accounted for`);
  checkPayments(payments, refunds, ledger, books.wrong);
  checkRefunds(refunds, ledger, books.wrong);
  books.wrong.push(...(await stuck(db)));
  return books;
}

/** Every fen that was taken is delivered, refunded, or in an open case. */
function place(
  id: string,
  row: PaymentRow | undefined,
  { total, back }: { total: number; back: number },
  books: Comparison,
): void {
  const settled = row?.status === 'succeeded' && row.amount === total;
  books.refunded += back;
  if (settled && row.late && back === total) return;
  if (settled && !row.late && row.pays_order) books.delivered += total - back;
  else if (row && row.open_cases > 0 && back === 0) books.inCases += total;
  else books.wrong.push(`${id}: ${total} fen were paid, ${back} went back, and ${say(row)}`);
}

function checkPayments(
  payments: Map<string, PaymentRow>,
  refunds: Map<string, RefundRow>,
  ledger: Ledger,
  wrong: string[],
): void {
  const paid = new Set(ledger.transactions.filter((one) => one.paid_at !== null).map((one) => one.out_trade_no));
  for (const row of payments.values()) {
    const own = [...refunds.values()].filter((refund) => refund.payment_id === row.id);
    const sum = (statuses: string[]): number =>
      own.filter(({ status }) => statuses.includes(status)).reduce((all, { amount }) => all + amount, 0);
    const once = row.status === 'succeeded' ? 1 : 0;
    const complaints = {
      'is unknown to the channel': once === 1 && !paid.has(row.id),
      'was not announced exactly once': row.succeeded !== once || row.announced_late !== (row.late ? 1 : 0),
      'has not exactly one event of its end': !isOpen(row.status) && row.events !== 1,
      'promises another sum': row.reserved !== sum(['requested', 'processing', 'abnormal', 'succeeded']),
      'has another sum paid back': row.refunded !== sum(['succeeded']),
      'differs from its order': row.pays_order && row.refunded !== row.order_refunded,
    };
    for (const [what, isSo] of Object.entries(complaints)) if (isSo) wrong.push(`${row.id} ${what}: ${say(row)}`);
  }
}

/** As many refunds at the channel as were asked for here, each under its number and to the fen. */
function checkRefunds(refunds: Map<string, RefundRow>, ledger: Ledger, wrong: string[]): void {
  const there = new Map(ledger.refunds.map((entry) => [entry.out_refund_no, entry]));
  for (const [id, entry] of there) {
    const row = refunds.get(id);
    const agrees = row?.amount === entry.refund && REFUND_STATUS[row.status] === entry.status;
    if (!agrees) wrong.push(`${id}: the channel has ${entry.refund} fen, ${entry.status}; here ${say(row)}`);
  }
  for (const row of refunds.values()) {
    if (row.status !== 'rejected' && !there.has(row.id)) wrong.push(`${row.id} is unknown to the channel: ${say(row)}`);
    const once = row.status === 'succeeded' ? 1 : 0;
    if (row.announced !== once || (once === 1 && row.events !== 1))
      wrong.push(`${row.id} was not announced exactly once: ${say(row)}`);
  }
}

/** What is under way, though everything was to be at rest. */
async function stuck(db: pg.Pool): Promise<string[]> {
  const { rows } = await db.query<{ what: string }>(
    `SELECT 'payment ' || id || ' ' || status || ' next ' || next_check_at AS what FROM payments p
     WHERE status IN ('init', 'processing')
       AND NOT EXISTS (SELECT FROM discrepancies d WHERE d.payment_id = p.id AND d.status = 'open')
     UNION ALL
     SELECT 'refund ' || id || ' ' || status FROM refunds WHERE status IN ('requested', 'processing', 'abnormal')
     UNION ALL
     SELECT 'order ' || id || ' pending' FROM orders WHERE status = 'pending' AND expires_at <= now()
     UNION ALL
     SELECT 'order ' || order_id || ' was paid twice' FROM payment_events WHERE noun = 'order' AND to_status = 'paid'
     GROUP BY order_id HAVING count(*) > 1
     UNION ALL
     SELECT 'bill run ' || id || ' ' || status FROM reconciliation_runs WHERE status IN ('waiting', 'running')`,
  );
  return rows.map(({ what }) => `stuck: ${what}`);
}

async function paymentRows(db: pg.Pool): Promise<PaymentRow[]> {
  const { rows } = await db.query<PaymentRow>(
    `SELECT p.id, p.status, p.late, p.amount_fen AS amount, p.reserved_fen AS reserved, p.refunded_fen AS refunded,
            o.paid_payment_id IS NOT DISTINCT FROM p.id AS pays_order, o.refunded_fen AS order_refunded,
            (SELECT count(*)::int FROM discrepancies d WHERE d.payment_id = p.id AND d.status = 'open') AS open_cases,
            (SELECT count(*)::int FROM users_notification n WHERE n.type = 'payment.succeeded'
             AND (n.subject_id = p.id OR n.data ->> 'payment_id' = p.id)) AS succeeded,
            (SELECT count(*)::int FROM users_notification n WHERE n.type = 'payment.late' AND n.user_id IS NOT NULL
             AND n.data ->> 'payment_id' = p.id) AS announced_late,
            (SELECT count(*)::int FROM payment_events e WHERE e.noun = 'payment' AND e.payment_id = p.id
             AND e.to_status = p.status) AS events
     FROM payments p JOIN orders o ON o.id = p.order_id`,
  );
  return rows;
}

async function refundRows(db: pg.Pool): Promise<RefundRow[]> {
  const { rows } = await db.query<RefundRow>(
    `SELECT r.id, r.payment_id, r.status, r.amount_fen AS amount,
            (SELECT count(*)::int FROM users_notification n WHERE n.type = 'refund.succeeded' AND n.user_id IS NOT NULL
             AND n.data ->> 'refund_id' = r.id) AS announced,
            (SELECT count(*)::int FROM payment_events e WHERE e.noun = 'refund' AND e.refund_id = r.id
             AND e.to_status = r.status) AS events
     FROM refunds r`,
  );
  return rows;
}

function sumsBack(ledger: Ledger): Map<string, number> {
  const back = new Map<string, number>();
  for (const { out_trade_no: id, status, refund } of ledger.refunds) {
    if (status === 'SUCCESS') back.set(id, (back.get(id) ?? 0) + refund);
  }
  return back;
}

function isOpen(status: string): boolean {
  return status === 'init' || status === 'processing';
}

function say(row: object | undefined): string {
  return row ? `we have ${JSON.stringify(row)}` : 'we have no such row';
}
