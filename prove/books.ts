import type pg from 'pg';
import { type BuiltProgram } from '../dev/built-program.js';
import type { Ledger, NoticeView, Simulator } from '../simulator/index.js';
import { Counts } from './report.js';
import { tell } from './simulator.js';

export interface OrderRow {
  id: string;
  status: string;
  amount: number;
  refunded: number;
  /** The service that placed it; null: its user did. */
  service: string | null;
  /** The payment that paid it. */
  paid_by: string | null;
}

export interface PaymentRow {
  id: string;
  order_id: string;
  status: string;
  amount: number;
  /** Promised back, and really paid back. */
  reserved: number;
  refunded: number;
  transaction_id: string | null;
  late: boolean;
  /** Milliseconds since 1970, as all times here. */
  expires_at: number;
  next_check_at: number;
  lease_until: number | null;
}

export interface RefundRow {
  id: string;
  payment_id: string;
  origin: 'api' | 'console';
  /** Its number at the channel. */
  out_refund_no: string;
  status: string;
  amount: number;
  failure: string | null;
  next_check_at: number | null;
  lease_until: number | null;
}

/** A move, with the id of what moved. */
export interface EventRow {
  id: number;
  at: number;
  entity: 'order' | 'payment' | 'refund';
  subject: string;
  order_id: string;
  from_status: string | null;
  to_status: string;
}

/** What the service that placed an order was told, in the order of the feed; of the rows, what the event shows of them. */
export interface ToldRow {
  id: string;
  service: string;
  type: string;
  order_id: string;
  /** The id of what moved. */
  subject: string;
  order: string;
  payment: string | null;
  refund: string | null;
  payment_id: string | null;
  refund_id: string | null;
}

export interface NoticeRow {
  id: string;
  type: string;
  subject_id: string;
}

export interface CaseRow {
  id: string;
  type: string;
  case_key: string;
  payment_id: string | null;
  refund_id: string | null;
  status: string;
}

interface Lists {
  events: EventRow[];
  told: ToldRow[];
  announced: NoticeRow[];
  cases: CaseRow[];
}

/** What the service has at one moment, and what the channel has. */
export interface Books extends Lists {
  orders: Map<string, OrderRow>;
  payments: Map<string, PaymentRow>;
  refunds: Map<string, RefundRow>;
  channel: Ledger;
  notices: NoticeView[];
  now: number;
}

const MS = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;

const LISTS = {
  orders: `SELECT id, service, status, amount_fen AS amount, refunded_fen AS refunded, paid_payment_id AS paid_by
           FROM orders ORDER BY id`,
  payments: `SELECT id, order_id, status, amount_fen AS amount, reserved_fen AS reserved, refunded_fen AS refunded,
                    transaction_id, late, ${MS('expires_at')} AS expires_at, ${MS('next_check_at')} AS next_check_at,
                    ${MS('lease_until')} AS lease_until
             FROM payments ORDER BY id`,
  refunds: `SELECT id, payment_id, origin, coalesce(console_refund_no, id) AS out_refund_no, status, amount_fen AS amount, failure_code AS failure,
                   ${MS('next_check_at')} AS next_check_at, ${MS('lease_until')} AS lease_until
            FROM refunds ORDER BY id`,
  events: `SELECT id, ${MS('at')} AS at, coalesce(entity, noun) AS entity, order_id, from_status, to_status,
                  CASE noun WHEN 'order' THEN order_id WHEN 'payment' THEN payment_id ELSE refund_id END AS subject
           FROM payment_events ORDER BY id`,
  // Those that wait for their place come after all that have one.
  told: `SELECT id, service, type, order_id, payment_id, refund_id,
                CASE split_part(type, '.', 1) WHEN 'order' THEN order_id WHEN 'payment' THEN payment_id ELSE refund_id END AS subject,
                concat(data#>>'{order,status}', ' ', data#>>'{order,refunded_amount}') AS order,
                concat(data#>>'{payment,status}', ' ', data#>>'{payment,refunded_amount}') AS payment,
                data#>>'{refund,status}' AS refund
         FROM (SELECT id, service, type, order_id, payment_id, refund_id, data, false AS waits, position AS place FROM events
               UNION ALL
               SELECT id, service, type, order_id, payment_id, refund_id, data, true, seq FROM event_outbox) e
         ORDER BY waits, place`,
  announced: `SELECT id, type, subject_id FROM users_notification ORDER BY id`,
  cases: `SELECT id, type, case_key, payment_id, refund_id, status FROM discrepancies ORDER BY id`,
};

const EVERYTHING = `SELECT ${Object.entries(LISTS)
  .map(([name, sql]) => `(SELECT coalesce(json_agg(l), '[]') FROM (${sql}) l) AS ${name}`)
  .join(', ')}`;

const byId = <T extends { id: string }>(rows: T[]): Map<string, T> => new Map(rows.map((row) => [row.id, row]));

/** Where the channel's side is read: a simulator in this process. */
type Channel = Pick<Simulator, 'ledger' | 'notices' | 'nowMs'>;

/** Reads both sides. The service's in one statement, so that it is of one moment. */
export async function readBooks(db: pg.Pool, sim: Channel): Promise<Books> {
  const { rows } = await db.query<Lists & { orders: OrderRow[]; payments: PaymentRow[]; refunds: RefundRow[] }>(
    EVERYTHING,
  );
  const [found] = rows;
  if (!found) throw new Error('the database gave no answer');
  const { orders, payments, refunds, ...lists } = found;
  return {
    ...lists,
    orders: byId(orders),
    payments: byId(payments),
    refunds: byId(refunds),
    channel: sim.ledger(),
    // Copied: the channel writes every further send into the same list.
    notices: sim.notices().map((notice) => ({ ...notice, sends: [...notice.sends] })),
    now: sim.nowMs(),
  };
}

/** The same, with a simulator in a process of its own. */
export async function readBooksOver(db: pg.Pool, simulator: BuiltProgram): Promise<Books> {
  const ledger = await tell<Ledger>(simulator, 'GET', '/ledger');
  const notices = await noticesOf(simulator);
  return readBooks(db, { ledger: () => ledger, notices: () => notices, nowMs: () => 0 });
}

/** Every notice of a simulator in a process of its own, with its sends. */
export async function noticesOf(simulator: BuiltProgram): Promise<NoticeView[]> {
  return (await tell<{ notices: NoticeView[] }>(simulator, 'GET', '/notices')).notices;
}

/** What the channel has of a payment, if it ever heard of it. */
export function channelOf(books: Books, id: string): Ledger['transactions'][number] | undefined {
  return books.channel.transactions.find((one) => one.out_trade_no === id);
}

/** What the channel has of a refund. */
export function channelRefundOf(books: Books, id: string): Ledger['refunds'][number] | undefined {
  return books.channel.refunds.find((one) => one.out_refund_no === id);
}

/** What we have of a refund that has this number at the channel. */
export function refundByNumber(books: Books, number: string): RefundRow | undefined {
  return [...books.refunds.values()].find((one) => one.out_refund_no === number);
}

export const isOpen = ({ status }: { status: string }): boolean => status === 'init' || status === 'processing';

/** All that the service says, without what only tells when to look again: the same text, the same state. */
export function stateText({ orders, payments, refunds, events, announced, cases }: Books): string {
  const paymentStates = [...payments.values()].map((one) => [one.id, one.status, one.reserved, one.refunded, one.late]);
  const refundStates = [...refunds.values()].map(({ id, status, failure }) => [id, status, failure]);
  return JSON.stringify([[...orders.values()], paymentStates, refundStates, events.length, announced.length, cases]);
}

export const PLACES = ['delivered', 'refunded', 'open case'] as const;
type PlaceOfMoney = (typeof PLACES)[number];

/** Where the money of all paid transactions is. */
export interface Account {
  places: Record<PlaceOfMoney, { count: number; fen: number }>;
  /** The sum of the three, in fen. */
  fen: number;
  /** A line for each transaction whose money is not accounted for; it is in no place above. */
  wrong: string[];
}

/** Several places of one payment's money at once that are right where refunds of a part are asked for. */
export const PARTLY_REFUNDED = ['delivered + refunded'];
export const PARTLY_REFUNDED_OR_CASE = [
  ...PARTLY_REFUNDED,
  ...['delivered + open case', 'refunded + open case', 'delivered + refunded + open case'],
];

/**
 * Every fen that the channel took is delivered, refunded, or in the open case of a person; what was not paid is neither.
 * @param together combinations of places that one payment's money may be in
 */
export function account(books: Books, together: readonly string[]): Account {
  const places = Object.fromEntries(PLACES.map((place) => [place, { count: 0, fen: 0 }])) as Account['places'];
  const wrong: string[] = [];
  const refunded = new Counts();
  for (const { out_trade_no: id, status, refund } of books.channel.refunds) {
    if (status === 'SUCCESS') refunded.add(id, refund);
  }
  const cases = new Set(books.cases.flatMap((one) => (one.status === 'open' ? [one.payment_id] : [])));
  for (const { out_trade_no: id, paid_at: paidAt, total } of books.channel.transactions) {
    const payment = books.payments.get(id);
    const back = refunded.of(id);
    if (paidAt === null) {
      if (payment?.status === 'succeeded' || back > 0) wrong.push(`${id} unpaid: ${back} went back, ${say(payment)}`);
      continue;
    }
    const settled = payment?.status === 'succeeded' && payment.amount === total;
    const kept = total - back;
    const found = new Map<PlaceOfMoney, number>();
    if (settled && !payment.late && books.orders.get(payment.order_id)?.paid_by === id) found.set('delivered', kept);
    if (back > 0 && settled && (payment.late || found.has('delivered'))) found.set('refunded', back);
    if (payment && cases.has(id) && kept > 0) found.set('open case', found.has('delivered') ? 0 : kept);
    const names = [...found.keys()].join(' + ');
    const whole = [...found.values()].reduce((sum, fen) => sum + fen, 0) === total;
    if (!whole || payment?.refunded !== back || (found.size > 1 && !together.includes(names))) {
      wrong.push(`${id} paid: ${total} fen, ${back} went back, in ${names || 'no place'}, ${say(payment)}`);
      continue;
    }
    for (const [place, fen] of found) {
      places[place].count += 1;
      places[place].fen += fen;
    }
  }
  return { places, fen: PLACES.reduce((sum, place) => sum + places[place].fen, 0), wrong };
}

const say = (row: object | undefined): string => (row ? `we have ${JSON.stringify(row)}` : 'we have no such row');
