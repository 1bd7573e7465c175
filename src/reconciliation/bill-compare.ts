import { after, HOUR } from '../common/clock.js';
import type { Session } from '../database/session.js';
import type { BillCoverage } from '../provider/bill.js';
import type { Sums, Unread } from './bill-foreign.js';
import type { ChinaDay } from './china-day.js';

export type DifferenceType =
  'missing_here' | 'missing_there' | 'amount' | 'state' | 'duplicate' | 'fee' | 'unreadable_line';

/** A line of the bill and a row of ours that do not agree, or one without the other. */
export interface Difference {
  type: DifferenceType;
  /** `line`: one that cannot be read, and has no number of ours in its text. */
  entity: 'payment' | 'refund' | 'line';
  /** `out_trade_no`, or `out_refund_no` of a refund; a digest of a line's text. */
  number: string;
  /** Whether we have a row of this number. */
  known: boolean;
  /** What each side says. Amounts in fen. */
  here: Record<string, unknown> | null;
  there: Record<string, unknown> | null;
}

export interface FoundDifference extends Difference {
  /** The statuses of ours that agree with the line; null where that is not the question, as under another number. */
  agrees: string[] | null;
  /** Of a refund that is unknown here: the payment of ours that it gives back, if it is one. */
  paymentId?: string | null;
}

/**
 * A refund of a payment of ours that we never asked for, such as one made in the channel's merchant console. Answers the
 * payment's id; null for every other difference. The one place that decides it.
 */
export function paymentRefundedElsewhere({ type, entity, paymentId }: FoundDifference): string | null {
  return type === 'missing_here' && entity === 'refund' ? (paymentId ?? null) : null;
}

/**
 * Around midnight the two sides may count a line to different days: what is missing of a day's last hour is looked for
 * in the next day's bill before it is called a difference.
 */
export const MIDNIGHT_MARGIN = HOUR;

/** Whether we have a row of a line's number, of the provider whose bill it is. */
const KNOWN = `
  CASE b.kind WHEN 'payment' THEN EXISTS (SELECT FROM payments p WHERE p.id = b.number AND p.provider = $3)
  ELSE EXISTS (SELECT FROM refunds r JOIN payments p ON p.id = r.payment_id AND p.provider = $3 WHERE r.id = b.number)
  END`;

interface Query {
  name: string;
  /**
   * Answers rows of {@link FoundDifference} in the order of their numbers. `$1`: the last number seen, `$2`: how many,
   * `$3`: the provider whose bill it is: rows of others are none of its business.
   */
  text: string;
  /** Only where the bill covers them. `$4`, `$5`: the time in which they are missed; `$6`: unreadable lines; `$7`: the merchant number. */
  missing?: keyof BillCoverage;
}

const QUERIES: Query[] = [
  {
    name: 'payments of the bill that are unknown here or differ',
    text: `
      SELECT CASE WHEN p.id IS NULL THEN 'missing_here' WHEN p.amount_fen <> b.amount_fen THEN 'amount' ELSE 'state' END
               AS type,
             'payment' AS entity, b.number, p.id IS NOT NULL AS known,
             CASE WHEN p.id IS NULL THEN NULL ELSE jsonb_build_object('status', p.status, 'amount', p.amount_fen,
               'transaction_id', p.transaction_id, 'mchid', p.mchid) END AS here,
             jsonb_build_object('state', b.state, 'amount', b.amount_fen, 'transaction_id', b.transaction_id,
               'out_trade_no', b.out_trade_no, 'mchid', b.mchid, 'line', b.line) AS there,
             CASE WHEN p.id = b.out_trade_no THEN b.agrees_with END AS agrees
      FROM trade_lines b LEFT JOIN payments p ON p.id = b.number AND p.provider = $3
      WHERE b.kind = 'payment' AND b.number > $1
        AND (p.id IS NULL OR p.status <> ALL (b.agrees_with) OR p.amount_fen <> b.amount_fen
             OR p.transaction_id <> b.transaction_id OR p.mchid <> b.mchid OR p.id <> b.out_trade_no)
        AND NOT EXISTS (SELECT FROM trade_lines e WHERE e.kind = 'payment' AND e.number = b.number
                        AND e.line < b.line)
      ORDER BY b.number LIMIT $2`,
  },
  {
    name: 'refunds of the bill that are unknown here or differ',
    text: `
      SELECT CASE WHEN p.id IS NULL THEN 'missing_here' WHEN r.amount_fen <> b.amount_fen THEN 'amount' ELSE 'state' END
               AS type,
             'refund' AS entity, b.number, p.id IS NOT NULL AS known,
             CASE WHEN p.id IS NULL THEN NULL ELSE jsonb_build_object('status', r.status, 'amount', r.amount_fen,
               'refund_id', r.refund_id, 'payment_id', r.payment_id) END AS here,
             jsonb_build_object('state', b.state, 'amount', b.amount_fen, 'refund_id', b.refund_id,
               'out_refund_no', b.out_refund_no, 'out_trade_no', b.out_trade_no, 'line', b.line) AS there,
             CASE WHEN r.id IS NULL OR (coalesce(r.console_refund_no, r.id) = b.out_refund_no
               AND r.payment_id = b.out_trade_no) THEN b.agrees_with END AS agrees,
             CASE WHEN p.id IS NULL THEN
               (SELECT o.id FROM payments o
                WHERE o.provider = $3 AND (o.id = b.out_trade_no OR o.transaction_id = b.transaction_id) LIMIT 1)
             END AS "paymentId"
      FROM trade_lines b
      LEFT JOIN refunds r ON r.id = b.number LEFT JOIN payments p ON p.id = r.payment_id AND p.provider = $3
      WHERE b.kind = 'refund' AND b.number > $1
        AND (p.id IS NULL OR r.amount_fen <> b.amount_fen OR r.payment_id <> b.out_trade_no
             OR coalesce(r.console_refund_no, r.id) <> b.out_refund_no OR r.status <> ALL (b.agrees_with))
        AND NOT EXISTS (SELECT FROM trade_lines e WHERE e.kind = 'refund' AND e.number = b.number
                        AND e.line < b.line)
      ORDER BY b.number LIMIT $2`,
  },
  {
    name: 'payments that the bill does not have',
    missing: 'payments',
    text: `
      SELECT 'missing_there' AS type, 'payment' AS entity, p.id AS number, true AS known,
             jsonb_build_object('status', p.status, 'amount', p.amount_fen, 'transaction_id', p.transaction_id,
               'paid_at', p.paid_at) AS here,
             NULL::jsonb AS there, NULL AS agrees
      FROM payments p
      WHERE p.status = 'succeeded' AND p.provider = $3 AND p.mchid = $7 AND p.paid_at >= $4 AND p.paid_at < $5 AND p.id > $1 AND p.id <> ALL ($6::text[])
        AND NOT EXISTS (SELECT FROM trade_lines b WHERE b.kind = 'payment' AND b.number = p.id)
        AND NOT EXISTS (SELECT FROM bill_matches m WHERE m.id = p.id)
      ORDER BY p.id LIMIT $2`,
  },
  {
    name: 'refunds that the bill does not have',
    missing: 'refunds',
    text: `
      SELECT 'missing_there' AS type, 'refund' AS entity, r.id AS number, true AS known,
             jsonb_build_object('status', r.status, 'amount', r.amount_fen, 'refund_id', r.refund_id,
               'payment_id', r.payment_id, 'sent_at', r.last_sent_at) AS here,
             NULL::jsonb AS there, NULL AS agrees
      FROM refunds r JOIN payments p ON p.id = r.payment_id AND p.provider = $3 AND p.mchid = $7
      WHERE r.refund_id IS NOT NULL AND r.last_sent_at >= $4 AND r.last_sent_at < $5 AND r.id > $1
        AND coalesce(r.console_refund_no, r.id) <> ALL ($6::text[])
        AND NOT EXISTS (SELECT FROM trade_lines b WHERE b.kind = 'refund' AND b.number = r.id)
        -- Taken over from a line of this bill a moment ago.
        AND NOT EXISTS (SELECT FROM trade_lines b WHERE b.kind = 'refund' AND b.number = r.console_refund_no)
        AND NOT EXISTS (SELECT FROM bill_matches m WHERE m.id = r.id)
      ORDER BY r.id LIMIT $2`,
  },
  {
    name: 'numbers that the bill has twice',
    text: `
      SELECT 'duplicate' AS type, b.kind AS entity, b.number, ${KNOWN} AS known, NULL::jsonb AS here,
             jsonb_build_object('lines', b.lines, 'amount', b.amount, 'transaction_id', b.transaction_id) AS there,
             NULL AS agrees
      FROM (SELECT kind, number, count(*) AS lines, min(amount_fen) AS amount, min(transaction_id) AS transaction_id
            FROM trade_lines WHERE number > $1 GROUP BY kind, number HAVING count(*) > 1) b
      ORDER BY b.number LIMIT $2`,
  },
  {
    name: 'fees that differ from the rate or the account',
    // Parts of a fen are rounding; a whole one is not. The fund-flow bill, where there is one, is the second witness: a
    // payment has its fee in a row of its own, a refund goes out less the fee that comes back with it.
    text: `
      SELECT 'fee' AS type, b.kind AS entity, b.number, ${KNOWN} AS known,
             jsonb_build_object('expected_fee_milli_fen', b.expected_fee_milli, 'fund_flow_fee', b.fund_fee) AS here,
             jsonb_build_object('fee_milli_fen', b.fee_milli, 'amount', b.amount_fen, 'line', b.line) AS there,
             NULL AS agrees
      FROM (SELECT t.*, CASE WHEN t.kind = 'payment' THEN coalesce(f.fee, CASE WHEN t.expected_fee_milli < 500 THEN 0 END)
                        ELSE -t.settled_fen - f.net END AS fund_fee
            FROM trade_lines t
            LEFT JOIN (SELECT business_no, sum(amount_fen) AS net, -sum(amount_fen) FILTER (WHERE kind = 'fee') AS fee
                       FROM fund_lines WHERE kind <> 'refund_closed' GROUP BY business_no) f
              ON f.business_no = coalesce(t.refund_id, t.transaction_id)
            WHERE t.number > $1) b
      WHERE (b.expected_fee_milli IS NOT NULL AND abs(b.fee_milli - b.expected_fee_milli) >= 1000
             OR b.fund_fee IS NOT NULL AND abs(b.fee_milli - b.fund_fee * 1000) >= 1000)
        -- Of a refund whose amount differs nothing more can be said.
        AND (b.kind = 'payment'
             OR EXISTS (SELECT FROM refunds r JOIN payments p ON p.id = r.payment_id AND p.provider = $3
                        WHERE r.id = b.number AND r.amount_fen = b.amount_fen))
        AND NOT EXISTS (SELECT FROM trade_lines e WHERE e.kind = b.kind AND e.number = b.number AND e.line < b.line)
      ORDER BY b.number LIMIT $2`,
  },
];

const PAGE = 500;

export interface Scope {
  day: ChinaDay;
  /** Whose bill it is: rows of another provider are none of its business, and none of another merchant number is missing. */
  provider: string;
  mchid: string;
  covers: BillCoverage;
  /** What stands in them is not missing, though nobody knows what it says. */
  unread: readonly Unread[];
  /** The bill of the day before was compared: now the last hour of that day gets its second chance. */
  early: boolean;
  /** The bill of the day after was compared already: nothing has to wait for it. */
  late: boolean;
}

/** Every difference between the staged bill and our rows, compared in sets by the database and handed out page by page. */
export async function* compareBill(
  session: Session,
  { day, provider, mchid, covers, unread, early, late }: Scope,
): AsyncGenerator<FoundDifference> {
  const window = [
    early ? after(day.from, -MIDNIGHT_MARGIN) : day.from,
    late ? day.to : after(day.to, -MIDNIGHT_MARGIN),
    unread.map(({ number }) => number),
    mchid,
  ];
  for (const line of unread) yield unreadableLine(line);
  for (const { text, missing } of QUERIES) {
    if (missing && !covers[missing]) continue;
    let last = '';
    for (;;) {
      const page = await session.query<FoundDifference>(text, [last, PAGE, provider, ...(missing ? window : [])]);
      yield* page;
      if (page.length < PAGE) break;
      last = page.at(-1)?.number ?? '';
    }
  }
}

function unreadableLine({ entity, number, known, line, column, value, reason }: Unread): FoundDifference {
  const there = { line, column, value, reason };
  return { type: 'unreadable_line', entity, number, known, here: null, there, agrees: null };
}

/** Counts and sums of both sides, over the day. */
export async function sumsOf(
  session: Session,
  { day, provider, mchid }: Scope,
): Promise<Record<'payments' | 'refunds', Record<'here' | 'there', Sums>> & { fee_milli_fen: number }> {
  const [row] = await session.query<Record<string, unknown>>(
    `SELECT
       (SELECT jsonb_build_object('count', count(*), 'fen', coalesce(sum(amount_fen), 0)) FROM payments
        WHERE status = 'succeeded' AND provider = $3 AND mchid = $4 AND paid_at >= $1 AND paid_at < $2) AS payments_here,
       (SELECT jsonb_build_object('count', count(*), 'fen', coalesce(sum(amount_fen), 0)) FROM trade_lines
        WHERE kind = 'payment') AS payments_there,
       (SELECT jsonb_build_object('count', count(*), 'fen', coalesce(sum(r.amount_fen), 0))
        FROM refunds r JOIN payments p ON p.id = r.payment_id AND p.provider = $3 AND p.mchid = $4
        WHERE r.refund_id IS NOT NULL AND r.last_sent_at >= $1 AND r.last_sent_at < $2) AS refunds_here,
       (SELECT jsonb_build_object('count', count(*), 'fen', coalesce(sum(amount_fen), 0)) FROM trade_lines
        WHERE kind = 'refund') AS refunds_there,
       (SELECT coalesce(sum(fee_milli), 0)::float8 FROM trade_lines) AS fee`,
    [day.from, day.to, provider, mchid],
  );
  return {
    payments: { here: row?.payments_here as Sums, there: row?.payments_there as Sums },
    refunds: { here: row?.refunds_here as Sums, there: row?.refunds_there as Sums },
    fee_milli_fen: Number(row?.fee ?? 0),
  };
}

/** Remembers which rows near midnight stood in this bill, so that the next day's run does not miss them. */
export async function rememberMatches(session: Session, day: ChinaDay): Promise<void> {
  await session.query(
    `INSERT INTO bill_matches (id, day)
     SELECT p.id, $1::date FROM trade_lines b JOIN payments p ON p.id = b.number
     WHERE b.kind = 'payment' AND (p.paid_at < $2 OR p.paid_at >= $3)
     UNION
     SELECT r.id, $1::date FROM trade_lines b JOIN refunds r ON r.id = b.number
     WHERE b.kind = 'refund' AND (r.last_sent_at < $2 OR r.last_sent_at >= $3)
     UNION
     SELECT r.id, $1::date FROM trade_lines b JOIN refunds r ON r.console_refund_no = b.number
     WHERE b.kind = 'refund' AND (r.last_sent_at < $2 OR r.last_sent_at >= $3)
     ON CONFLICT (id) DO NOTHING`,
    [day.day, day.from, after(day.to, -MIDNIGHT_MARGIN)],
  );
}
