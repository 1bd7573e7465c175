import { createHmac } from 'node:crypto';
import type pg from 'pg';
import { Clock } from '../src/common/clock.js';

const clock = new Clock();
const TWO_HOURS = 7200;
const THIRTY_DAYS = 30 * 24 * 3600;

/** A product of the demo catalogue. */
export const TEA = 'prd_01JD0000000000000000000TEA';

/** The time of this machine, in milliseconds since 1970. */
export function nowMs(): number {
  return clock.now().getTime();
}

/** Business time is the simulator's: one clock for the channel and the service. */
export class SimulatorClock extends Clock {
  constructor(private readonly sim: { nowMs(): number }) {
    super();
  }

  override now(): Date {
    return new Date(this.sim.nowMs());
  }
}

/** A token as Paydesk issues them. */
export function token(secret: string, sub: string, role: 'user' | 'operator' | 'service'): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(nowMs() / 1000);
  const claims = { sub, role, iat, exp: iat + (role === 'user' ? TWO_HOURS : THIRTY_DAYS) };
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

export interface Answer<T = Record<string, unknown>> {
  /** 0: the connection was lost, or no answer came in time. */
  status: number;
  body: T;
}

/** A client of the service, with a token or without one. */
export interface Api {
  get<T = Record<string, unknown>>(path: string): Promise<Answer<T>>;
  /** @param key the `Idempotency-Key` */
  post<T = Record<string, unknown>>(path: string, body?: object, key?: string): Promise<Answer<T>>;
}

/** @param withinMs milliseconds that an answer may take */
export function apiAt(url: string, token?: string, withinMs = 120_000): Api {
  const send = async <T>(method: string, path: string, body?: object, key?: string): Promise<Answer<T>> => {
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
    };
    try {
      const signal = AbortSignal.timeout(withinMs);
      const response = await fetch(`${url}/api${path}`, {
        method,
        headers,
        signal,
        body: body && JSON.stringify(body),
      });
      const text = await response.text();
      return { status: response.status, body: (text ? JSON.parse(text) : {}) as T };
    } catch (error) {
      // A process that is killed in the middle of its answer has not given one.
      return { status: 0, body: { code: String(error) } as T };
    }
  };
  return { get: (path) => send('GET', path), post: (path, body, key) => send('POST', path, body, key) };
}

/** The body of an answer that must have one of these statuses. @throws Error when it has another */
export async function must<T>(asked: Promise<Answer<T>>, ...statuses: number[]): Promise<T> {
  const { status, body } = await asked;
  if (!statuses.includes(status)) throw new Error(`answered ${status} ${JSON.stringify(body)}`);
  return body;
}

/** The payer pays. @param allowed further statuses of the payment sheet, as when the payment is closed there */
export async function pay(simulator: { url: string }, paymentId: string, ...allowed: number[]): Promise<void> {
  const response = await fetch(`${simulator.url}/_sim/transactions/${paymentId}/pay`, { method: 'POST' });
  const text = await response.text();
  if (![200, ...allowed].includes(response.status)) throw new Error(`paying answered ${response.status}: ${text}`);
}

export function customerId(index: number): string {
  return `usr_${String(index).padStart(26, '0')}`;
}

/** Where rows are written and read. */
export interface Rows {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>;
}

/** Customers numbered from 0, as they are after their first login. */
export async function makeCustomers(db: Rows, appid: string, count: number): Promise<void> {
  await db.query(
    `INSERT INTO users (id, appid, openid, created_at)
     SELECT 'usr_' || lpad(g::text, 26, '0'), $1, 'oLoad' || g, now() FROM generate_series(0, $2::int - 1) g`,
    [appid, count],
  );
}

export interface NewPayment {
  orderId: string;
  paymentId: string;
  userId: string;
  mchid: string;
  appid: string;
  amountFen: number;
  createdAt: Date;
  /** How long both live, in seconds. */
  ttlSeconds: number;
}

/** An order and its payment in `init` under numbers of the proof's own. */
export async function insertPayment(db: Rows, payment: NewPayment): Promise<void> {
  const { orderId, paymentId, userId, mchid, appid, amountFen, createdAt, ttlSeconds } = payment;
  const life = [createdAt, ttlSeconds];
  await db.query(
    `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, created_by, created_at, expires_at)
     VALUES ($1, $2, 'pending', $3, 'CNY', 'tea', $2, $4, $4::timestamptz + $5 * interval '1 second')`,
    [orderId, userId, amountFen, ...life],
  );
  await db.query(
    `WITH made AS (
       INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, created_at, expires_at,
                             next_check_at)
       VALUES ($1, $2, 'wechat', $3, $4, 'init', $5, 'CNY', $6, $6::timestamptz + $7 * interval '1 second',
               $6::timestamptz + interval '5 seconds') RETURNING id, order_id, created_at)
     INSERT INTO payment_events (at, order_id, payment_id, noun, from_status, to_status, cause, actor)
     SELECT created_at, order_id, id, 'payment', NULL, 'init', 'command', 'prove' FROM made`,
    [paymentId, orderId, mchid, appid, amountFen, ...life],
  );
}
