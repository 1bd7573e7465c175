import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { Problem } from '../../src/http/problem.js';
import type { OrderView } from '../../src/orders/order.view.js';
import type { PaymentView, StartedView } from '../../src/payments/payment.view.js';
import { type Answer, type Api, TEA, type TestApp, times } from './app.js';

export type { OrderView, PaymentView, Problem, StartedView };

export interface Customer {
  id: string;
  token: string;
  api: Api;
}

/** A customer's order and its first payment. */
export interface Bought {
  customer: Customer;
  orderId: string;
  paymentId: string;
  /** `/payments/ID/` */
  path: string;
}

let customers = 0;

/** Somebody nobody has met before. */
export function newCustomer(paydesk: TestApp): Promise<Customer> {
  customers += 1;
  return paydesk.login(`customer_${customers}`);
}

/** An order of the shop's own backend, so that a test can say what it costs and what the mock provider does. */
export async function placeOrder(
  paydesk: TestApp,
  customer: Customer,
  options: { metadata?: Record<string, unknown>; amount?: number } = {},
): Promise<string> {
  const { amount = 1800, metadata } = options;
  const shop = await paydesk.as('service', 'shop-backend');
  const { status, body } = await shop.post<OrderView>('/orders/', {
    user_id: customer.id,
    description: 'Two cups of tea',
    amount,
    metadata,
  });
  if (status !== 201) throw new Error(`POST /orders/ answered ${status}`);
  return body.id;
}

export async function placePayment(customer: Customer, orderId: string): Promise<string> {
  const { status, body } = await customer.api.post<PaymentView>('/payments/', { order_id: orderId });
  if (status !== 201) throw new Error(`POST /payments/ answered ${status}`);
  return body.id;
}

/** So many of the same, ten at a time, as the service has only so many connections to its database. */
export async function inTurns<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < count) made.push(...(await times(Math.min(10, count - made.length), make)));
  return made;
}

/** A new customer with a payment in `init`. */
export async function buy(
  paydesk: TestApp,
  options: { metadata?: Record<string, unknown>; amount?: number } = {},
): Promise<Bought> {
  const customer = await newCustomer(paydesk);
  const orderId = await placeOrder(paydesk, customer, options);
  const paymentId = await placePayment(customer, orderId);
  return { customer, orderId, paymentId, path: `/payments/${paymentId}/` };
}

/** The same, handed to the channel: `processing`. */
export async function buyAndStart(
  paydesk: TestApp,
  options: { metadata?: Record<string, unknown>; amount?: number } = {},
): Promise<Bought> {
  const bought = await buy(paydesk, options);
  const { status } = await bought.customer.api.post(`${bought.path}start/`);
  if (status !== 200) throw new Error(`start answered ${status}`);
  return bought;
}

export async function paymentOf({ customer, path }: Bought): Promise<PaymentView> {
  return (await customer.api.get<PaymentView>(path)).body;
}

export async function orderOf({ customer, orderId }: Bought): Promise<OrderView> {
  return (await customer.api.get<OrderView>(`/orders/${orderId}/`)).body;
}

/** Both states in a word: `succeeded/paid`. */
export async function statesOf(bought: Bought): Promise<string> {
  const [payment, order] = await Promise.all([paymentOf(bought), orderOf(bought)]);
  return `${payment.status}/${order.status}`;
}

/** Every move of an order and its payments, oldest first: `payment processing by request`. */
export async function movesOf(paydesk: TestApp, orderId: string): Promise<string[]> {
  const rows = await paydesk.db.query<{ entity: string; to_status: string; cause: string }[]>(
    'SELECT coalesce(entity, noun) AS entity, to_status, cause FROM payment_events WHERE order_id = $1 ORDER BY id',
    [orderId],
  );
  return rows.map((row) => `${row.entity} ${row.to_status} by ${row.cause}`);
}

/** Types of all that was announced of a payment. */
export async function announcementsOf(paydesk: TestApp, paymentId: string): Promise<string[]> {
  const rows = await paydesk.db.query<{ type: string }[]>(
    'SELECT type FROM users_notification WHERE subject_id = $1 ORDER BY type',
    [paymentId],
  );
  return rows.map((row) => row.type);
}

/** Types of the cases opened about a payment. */
export async function casesOf(paydesk: TestApp, outTradeNo: string): Promise<string[]> {
  const rows = await paydesk.db.query<{ type: string }[]>(
    'SELECT type FROM discrepancies WHERE out_trade_no = $1 ORDER BY type, case_key',
    [outTradeNo],
  );
  return rows.map((row) => row.type);
}

/** The journal of the callbacks about a payment, oldest first: `applied 200`. */
export async function journalOf(paydesk: TestApp, outTradeNo: string): Promise<string[]> {
  const rows = await paydesk.db.query<{ outcome: string; http_status: number }[]>(
    'SELECT outcome, http_status FROM callbacks WHERE out_trade_no = $1 ORDER BY id',
    [outTradeNo],
  );
  return rows.map((row) => `${row.outcome} ${row.http_status}`);
}

/** A product order in the customer's own name. */
export function orderTea(customer: Customer, headers?: Record<string, string>): Promise<Answer<OrderView>> {
  return customer.api.post<OrderView>('/orders/', { product_id: TEA, quantity: 1 }, headers);
}

export function mockSignature(paydesk: TestApp, raw: string | Buffer): string {
  return createHmac('sha256', paydesk.settings.mockCallbackSecret).update(raw).digest('hex');
}

export interface RawAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** A request whose path, header lines and body go out exactly as they are. */
export function raw(
  base: string,
  method: string,
  path: string,
  headers: [name: string, value: string][] = [],
  body?: string | Buffer,
): Promise<RawAnswer> {
  const { host, hostname, port } = new URL(base);
  // Header lines given as a list go out as they are, so the ones that Node would add are added here.
  const lines = [
    'host',
    host,
    ...headers.flat(),
    ...(body === undefined ? [] : ['content-length', `${Buffer.byteLength(body)}`]),
  ];
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path, headers: lines }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Waits until some statement waits for a lock. */
export async function waitUntilBlocked(paydesk: TestApp, count = 1): Promise<void> {
  for (;;) {
    const rows = await paydesk.db.query<unknown[]>(
      "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    if (rows.length >= count) return;
    await setTimeout(5);
  }
}
