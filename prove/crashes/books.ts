import type pg from 'pg';
import { account, type Books, channelOf, PARTLY_REFUNDED_OR_CASE } from '../books.js';
import { brokenRows } from '../histories/laws.js';

/** What the books say, in fen, and each line in which they do not agree. */
export interface Comparison {
  taken: number;
  delivered: number;
  refunded: number;
  inCases: number;
  wrong: string[];
}

/** Refunded in part is right, and a case about what was delivered; a case of money of which a part went back is not. */
const TOGETHER = PARTLY_REFUNDED_OR_CASE.filter((places) => places.startsWith('delivered'));

const REFUND_STATUS: Record<string, string> = { succeeded: 'SUCCESS', closed: 'CLOSED', abnormal: 'ABNORMAL' };

/** Compares what the channel's ledger says with what our database says, at rest, number by number and fen by fen. */
export async function compareBooks(db: pg.Pool, books: Books): Promise<Comparison> {
  const { places, fen, wrong } = account(books, TOGETHER);
  const { taken } = books.channel.totals;
  if (fen !== taken) wrong.push(`${taken} fen were taken, ${fen} are accounted for`);
  for (const { id, status } of books.payments.values()) {
    const unpaid = status === 'succeeded' && (channelOf(books, id)?.paid_at ?? null) === null;
    if (unpaid) wrong.push(`${id} is unknown to the channel`);
  }
  wrong.push(...brokenRows(books), ...refundsDiffer(books), ...(await stuck(db)));
  const { delivered, refunded, 'open case': cases } = places;
  return { taken, delivered: delivered.fen, refunded: refunded.fen, inCases: cases.fen, wrong };
}

/** As many refunds at the channel as were asked for here, each under its number and to the fen. */
function* refundsDiffer({ refunds, channel }: Books): Generator<string> {
  const there = new Map(channel.refunds.map((entry) => [entry.out_refund_no, entry]));
  for (const [id, entry] of there) {
    const row = refunds.get(id);
    const agrees = row?.amount === entry.refund && REFUND_STATUS[row.status] === entry.status;
    if (!agrees) yield `${id}: the channel has ${entry.refund} fen, ${entry.status}; here ${JSON.stringify(row)}`;
  }
  for (const { id, status } of refunds.values()) {
    if (status !== 'rejected' && !there.has(id)) yield `${id} is unknown to the channel`;
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
