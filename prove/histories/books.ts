import type pg from 'pg';
import type { Ledger, NoticeView, Simulator } from '../../simulator/index.js';

export interface OrderRow {
  id: string;
  status: string;
  amount: number;
  refunded: number;
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
  noun: 'order' | 'payment' | 'refund';
  subject: string;
  order_id: string;
  from_status: string | null;
  to_status: string;
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

/** What the service has at one moment, and what the channel has. */
export interface Books {
  orders: Map<string, OrderRow>;
  payments: Map<string, PaymentRow>;
  refunds: Map<string, RefundRow>;
  events: EventRow[];
  announced: NoticeRow[];
  cases: CaseRow[];
  channel: Ledger;
  notices: NoticeView[];
  now: number;
}

const MS = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;

const LISTS = {
  orders: `SELECT id, status, amount_fen AS amount, refunded_fen AS refunded, paid_payment_id AS paid_by
           FROM orders ORDER BY id`,
  payments: `SELECT id, order_id, status, amount_fen AS amount, reserved_fen AS reserved, refunded_fen AS refunded,
                    transaction_id, late, ${MS('expires_at')} AS expires_at, ${MS('next_check_at')} AS next_check_at,
                    ${MS('lease_until')} AS lease_until
             FROM payments ORDER BY id`,
  refunds: `SELECT id, payment_id, status, amount_fen AS amount, failure_code AS failure,
                   ${MS('next_check_at')} AS next_check_at, ${MS('lease_until')} AS lease_until
            FROM refunds ORDER BY id`,
  events: `SELECT id, ${MS('at')} AS at, noun, order_id, from_status, to_status,
                  CASE noun WHEN 'order' THEN order_id WHEN 'payment' THEN payment_id ELSE refund_id END AS subject
           FROM payment_events ORDER BY id`,
  announced: `SELECT id, type, subject_id FROM users_notification ORDER BY id`,
  cases: `SELECT id, type, case_key, payment_id, refund_id, status FROM discrepancies ORDER BY id`,
};

const EVERYTHING = `SELECT ${Object.entries(LISTS)
  .map(([name, sql]) => `(SELECT coalesce(json_agg(l), '[]') FROM (${sql}) l) AS ${name}`)
  .join(', ')}`;

interface Rows {
  orders: OrderRow[];
  payments: PaymentRow[];
  refunds: RefundRow[];
  events: EventRow[];
  announced: NoticeRow[];
  cases: CaseRow[];
}

const byId = <T extends { id: string }>(rows: T[]): Map<string, T> => new Map(rows.map((row) => [row.id, row]));

/** Reads both sides. The service's in one statement, so that it is of one moment. */
export async function readBooks(db: pg.Pool, sim: Simulator): Promise<Books> {
  const { rows } = await db.query<Rows>(EVERYTHING);
  const [found] = rows;
  if (!found) throw new Error('the database gave no answer');
  return {
    orders: byId(found.orders),
    payments: byId(found.payments),
    refunds: byId(found.refunds),
    events: found.events,
    announced: found.announced,
    cases: found.cases,
    channel: sim.ledger(),
    // Copied: the channel writes every further send into the same list.
    notices: sim.notices().map((notice) => ({ ...notice, sends: [...notice.sends] })),
    now: sim.nowMs(),
  };
}

/** What the channel has of a payment, if it ever heard of it. */
export function channelOf(books: Books, id: string): Ledger['transactions'][number] | undefined {
  return books.channel.transactions.find((one) => one.out_trade_no === id);
}

/** What the channel has of a refund. */
export function channelRefundOf(books: Books, id: string): Ledger['refunds'][number] | undefined {
  return books.channel.refunds.find((one) => one.out_refund_no === id);
}

export const isOpen = ({ status }: { status: string }): boolean => status === 'init' || status === 'processing';

/** All that the service says, without what only tells when to look again: the same text, the same state. */
export function stateText({ orders, payments, refunds, events, announced, cases }: Books): string {
  const plain = [...payments.values()].map(({ id, status, reserved, refunded, late }) => [
    id,
    status,
    reserved,
    refunded,
    late,
  ]);
  const refundStates = [...refunds.values()].map(({ id, status, failure }) => [id, status, failure]);
  return JSON.stringify([[...orders.values()], plain, refundStates, events.length, announced.length, cases]);
}
