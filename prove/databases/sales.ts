import { setTimeout as sleep } from 'node:timers/promises';
import type { BuiltProgram } from '../../dev/built-program.js';
import { nonce } from '../../src/common/ids.js';
import { apiAt } from '../api.js';
import { Counts } from '../report.js';
import { TEA } from '../shop.js';
import { pay } from '../simulator.js';

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

const ANSWER_WITHIN = 20_000;
const BETWEEN_CALLS = 30;
const AGAIN_AFTER = 200;
/** A mini-program without news of its payment asks the service to ask WeChat Pay. */
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
    private readonly service: BuiltProgram,
    private readonly simulator: BuiltProgram,
    private readonly tokens: readonly string[],
  ) {}

  /** How often each was said so far. */
  get told(): Counts {
    const told = new Counts();
    for (const [kind, ids] of Object.entries(this.acknowledged)) told.add(kind, (ids as string[]).length);
    return told;
  }

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
    const order = await this.insist(token, '/orders/', { product_id: TEA, quantity: 1 }, 'orders');
    if (order === null) return false;
    const payment = await this.insist(token, '/payments/', { order_id: order.id }, 'payments');
    if (payment === null) return false;
    const id = String(payment.id);
    if ((await this.insist(token, `/payments/${id}/start/`, {}, 'started', id)) === null) return false;
    await pay(this.simulator, id);
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

  private async untilTaken(token: string, id: string): Promise<boolean> {
    let syncAt = performance.now() + SYNC_AFTER;
    while (this.open) {
      const impatient = performance.now() > syncAt;
      if (impatient) syncAt = performance.now() + SYNC_AGAIN_AFTER;
      const answer = impatient
        ? await this.call(token, 'POST', `/payments/${id}/sync/`, {})
        : await this.call(token, 'GET', `/payments/${id}/`);
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
    const api = apiAt(this.service.url, token, ANSWER_WITHIN);
    const heard = await (method === 'GET' ? api.get(path) : api.post(path, body, key));
    const { code } = heard.body;
    const answer = { begun, at: performance.now(), ...heard, code: typeof code === 'string' ? code : null };
    this.answers.push({ begun, at: answer.at, status: answer.status, code: answer.code });
    if (heard.status >= 400 && !isForLater(answer))
      this.odd.push(`${method} ${path}: ${heard.status} ${JSON.stringify(heard.body)}`);
    return answer;
  }
}
