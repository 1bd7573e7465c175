import { setTimeout as sleep } from 'node:timers/promises';
import { nonce } from '../../src/common/ids.js';
import type { Program } from '../processes.js';

/** An answer of the service to a customer. Status 0: the connection was lost, or nothing came in time. */
export interface Answer {
  /** Milliseconds of `performance.now()`. */
  begun: number;
  at: number;
  status: number;
  code: string | null;
}

/** What customers were told, and what must therefore be true for ever: ids by what was said of them. */
export interface Acknowledged {
  orders: string[];
  payments: string[];
  started: string[];
  succeeded: string[];
}

/** Of the demo catalogue. */
const TEA = 'prd_01JD0000000000000000000TEA';
const ANSWER_WITHIN = 20_000;
const BETWEEN_CALLS = 30;
const AGAIN_AFTER = 200;
/** A mini-program that hears nothing of its payment asks the service to ask WeChat Pay. */
const SYNC_AFTER = 3000;
const SYNC_AGAIN_AFTER = 1500;

/** Answers that mean "not now": the same is asked again. */
export const isForLater = ({ status, code }: Answer): boolean =>
  status === 0 || status === 503 || status === 429 || code === 'idempotency_in_progress';

/** Customers who order, pay and look whether it was taken, one after the other in each lane. */
export class Sales {
  readonly answers: Answer[] = [];
  readonly acknowledged: Acknowledged = { orders: [], payments: [], started: [], succeeded: [] };
  /** When each sale that was carried through began and ended. */
  readonly sold: { begun: number; ended: number }[] = [];
  /** Answers that no customer should meet. */
  readonly odd: string[] = [];
  private lanes: Promise<void>[] = [];
  private open = false;
  private next = 0;

  constructor(
    private readonly service: Program,
    private readonly simulator: Program,
    private readonly tokens: readonly string[],
  ) {}

  begin(lanes: number): void {
    this.open = true;
    this.lanes = Array.from({ length: lanes }, () => this.lane());
  }

  /** Every call under way is waited for; none is begun. */
  async end(): Promise<void> {
    this.open = false;
    await Promise.all(this.lanes);
  }

  private async lane(): Promise<void> {
    while (this.open) {
      const begun = performance.now();
      if (await this.sell(this.tokens[this.next++ % this.tokens.length] ?? '')) {
        this.sold.push({ begun, ended: performance.now() });
      }
    }
  }

  private async sell(token: string): Promise<boolean> {
    const order = await this.insist(token, '/api/orders/', { product_id: TEA, quantity: 1 }, 'orders');
    if (order === null) return false;
    const payment = await this.insist(token, '/api/payments/', { order_id: order.id }, 'payments');
    if (payment === null) return false;
    const id = String(payment.id);
    if ((await this.insist(token, `/api/payments/${id}/start/`, {}, 'started', id)) === null) return false;
    await this.pay(id);
    return this.untilTaken(token, id);
  }

  /** Asked under one `Idempotency-Key` until it is done. Answers null when it was refused, or the shop is closed. */
  private async insist(
    token: string,
    path: string,
    body: object,
    promise: keyof Acknowledged,
    id?: string,
  ): Promise<Record<string, unknown> | null> {
    const key = nonce();
    while (this.open) {
      const answer = await this.call(token, 'POST', path, body, key);
      if (answer.status === 200 || answer.status === 201) {
        this.acknowledged[promise].push(id ?? String(answer.body.id));
        await sleep(BETWEEN_CALLS);
        return answer.body;
      }
      if (!isForLater(answer)) return null;
      await sleep(AGAIN_AFTER);
    }
    return null;
  }

  /** The payer's thumb. */
  private async pay(id: string): Promise<void> {
    const response = await fetch(`${this.simulator.url}/_sim/transactions/${id}/pay`, { method: 'POST' });
    if (!response.ok) throw new Error(`the cashier answered ${response.status}: ${await response.text()}`);
    await response.arrayBuffer();
  }

  private async untilTaken(token: string, id: string): Promise<boolean> {
    let syncAt = performance.now() + SYNC_AFTER;
    while (this.open) {
      const impatient = performance.now() > syncAt;
      if (impatient) syncAt = performance.now() + SYNC_AGAIN_AFTER;
      const answer = impatient
        ? await this.call(token, 'POST', `/api/payments/${id}/sync/`, {})
        : await this.call(token, 'GET', `/api/payments/${id}/`);
      if (answer.status === 200 && answer.body.status === 'succeeded') {
        this.acknowledged.succeeded.push(id);
        return true;
      }
      if (answer.status !== 200 && !isForLater(answer)) return false;
      await sleep(answer.status === 200 ? BETWEEN_CALLS : AGAIN_AFTER);
    }
    return false;
  }

  private async call(
    token: string,
    method: 'GET' | 'POST',
    path: string,
    body?: object,
    key?: string,
  ): Promise<Answer & { body: Record<string, unknown> }> {
    const begun = performance.now();
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (body) headers['content-type'] = 'application/json';
    if (key !== undefined) headers['idempotency-key'] = key;
    const heard = await fetch(`${this.service.url}${path}`, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    }).then(
      async (response) => ({ status: response.status, text: await response.text() }),
      (error: unknown) => ({ status: 0, text: JSON.stringify({ code: String(error) }) }),
    );
    const parsed = JSON.parse(heard.text) as Record<string, unknown>;
    const { code } = parsed;
    const answer = {
      begun,
      at: performance.now(),
      status: heard.status,
      code: typeof code === 'string' ? code : null,
    };
    this.answers.push(answer);
    if (heard.status >= 400 && !isForLater(answer)) this.odd.push(`${method} ${path}: ${heard.status} ${heard.text}`);
    return { ...answer, body: parsed };
  }
}
