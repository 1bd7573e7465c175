import type pg from 'pg';
import type { BuiltProgram } from '../dev/built-program.js';
import { waitFor } from '../dev/wait-for.js';
import { type Account, account, type Books, channelOf, PLACES, readBooksOver } from './books.js';
import { brokenRows } from './histories/laws.js';
import type { Report } from './report.js';
import type { Rows } from './shop.js';
import { advance } from './simulator.js';

/** What the books say, and each line in which they do not agree. */
export interface Comparison {
  /** What the channel took, in payments and fen. */
  paid: { count: number; fen: number };
  places: Account['places'];
  wrong: string[];
}

const REFUND_STATUS: Record<string, string> = { succeeded: 'SUCCESS', closed: 'CLOSED', abnormal: 'ABNORMAL' };
/** Of a payment `p`, in SQL. */
export const HELD_BY_A_CASE = `EXISTS (SELECT FROM discrepancies d WHERE d.payment_id = p.id AND d.status = 'open')`;

/**
 * Compares what the channel's ledger says with what our database says, at rest, number by number and fen by fen.
 * @param together combinations of places that one payment's money may be in
 */
export function compareBooks(books: Books, together: readonly string[] = []): Comparison {
  const { places, fen, wrong } = account(books, together);
  const { taken, paid } = books.channel.totals;
  if (fen !== taken) wrong.push(`${taken} fen were taken, ${fen} are accounted for`);
  for (const { id, status } of books.payments.values()) {
    if (status === 'succeeded' && !channelOf(books, id)?.paid_at) wrong.push(`${id} is unknown to the channel`);
  }
  wrong.push(...brokenRows(books), ...refundsDiffer(books));
  return { paid: { count: paid, fen: taken }, places, wrong };
}

/** As many refunds at the channel as were sent from here, each under its number and to the fen. */
function* refundsDiffer({ refunds, channel }: Books): Generator<string> {
  const there = new Map(channel.refunds.map((entry) => [entry.out_refund_no, entry]));
  for (const [id, entry] of there) {
    const row = [...refunds.values()].find((one) => one.out_refund_no === id);
    const agrees = row?.amount === entry.refund && REFUND_STATUS[row.status] === entry.status;
    if (!agrees) yield `${id}: the channel has ${entry.refund} fen, ${entry.status}; here ${JSON.stringify(row)}`;
  }
  for (const { out_refund_no: id, status } of refunds.values()) {
    // One that is only asked for was not sent yet.
    if (status !== 'rejected' && status !== 'requested' && !there.has(id)) yield `${id} is unknown to the channel`;
  }
}

/** Reports comparisons, added up, and expects that all books agree. */
export function reportComparisons(report: Report, comparisons: Comparison[]): void {
  const sum = (of: (one: Comparison) => { count: number; fen: number }): string => {
    const [count, fen] = (['count', 'fen'] as const).map((part) =>
      comparisons.reduce((all, one) => all + of(one)[part], 0),
    );
    return `${count} payments, ${fen} fen`;
  };
  report.say(
    'taken, by the ledger of the simulator',
    sum((one) => one.paid),
  );
  for (const place of PLACES)
    report.say(
      place,
      sum((one) => one.places[place]),
    );
  const wrong = comparisons.flatMap((one) => one.wrong);
  report.none('what the books do not agree in', wrong);
}

/** Compares the books of a service with those of a simulator in a process of its own, and reports its notices too. */
export async function reportBooks(
  report: Report,
  db: pg.Pool,
  simulator: BuiltProgram,
  together?: readonly string[],
): Promise<void> {
  const books = await readBooksOver(db, simulator);
  const notices = books.notices.filter((notice) => notice.event_type === 'TRANSACTION.SUCCESS');
  const lost = notices.filter((notice) => notice.state === 'lost').length;
  const again = notices.filter((notice) => notice.sends.length > 1).length;
  const late = notices.filter(
    ({ created_at: at, sends: [first] }) => first && Date.parse(first.at) - Date.parse(at) > 10_000,
  ).length;
  report.say('payment notices', notices.length);
  report.say('of these dropped / sent more than once / late', `${lost} / ${again} / ${late}`);
  reportComparisons(report, [compareBooks(books, together)]);
}

/** What should come to an end by itself and has not: neither a payment that a case holds nor its order. */
export async function underWay(db: Rows): Promise<string[]> {
  const { rows } = await db.query<{ what: string }>(
    `SELECT 'payment ' || id || ' ' || status || ' next ' || next_check_at AS what FROM payments p
     WHERE status IN ('init', 'processing') AND NOT ${HELD_BY_A_CASE}
     UNION ALL
     SELECT 'refund ' || id || ' ' || status FROM refunds WHERE status IN ('requested', 'processing', 'abnormal')
     UNION ALL
     SELECT 'order ' || id || ' pending' FROM orders o WHERE status = 'pending' AND expires_at <= now()
     AND NOT EXISTS (SELECT FROM payments p WHERE p.order_id = o.id AND status IN ('init', 'processing'))`,
  );
  return rows.map(({ what }) => what);
}

/** An hour of WeChat Pay's later, when every notice was sent again: how many of these paid payments are settled. */
export async function settledLater(db: pg.Pool, simulator: BuiltProgram, paid: string[]): Promise<number> {
  await advance(simulator, 3600);
  let settled = 0;
  const count = async (): Promise<boolean> => {
    const { rows } = await db.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM payments WHERE id = ANY($1) AND status = 'succeeded'`,
      [paid],
    );
    settled = rows[0]?.count ?? 0;
    return settled === paid.length;
  };
  await waitFor(count, { within: 120_000, every: 200 });
  return settled;
}
