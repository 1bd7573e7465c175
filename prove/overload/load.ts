import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../../bench/statistics.js';
import { type Answer, HttpLine, requestBytes } from '../../dev/http-line.js';
import { inParallel } from '../../src/common/parallel.js';
import { Chance } from '../random.js';
import { Counts } from '../report.js';
import { TEA } from '../shop.js';
import { hold, type HoldOrder, type HoldReport } from './hold.js';

/** What the load process is asked for. */
export type LoadOrder = MixOrder | HoldOrder;

/** Customers and strangers as they come, over so many connections. */
export interface MixOrder {
  kind: 'mix';
  port: number;
  connections: number;
  seconds: number;
  /** Requests begun in a second; 0: each connection asks again as soon as it was answered. */
  rate: number;
  tokens: string[];
  seed: number;
  /** How often each kind of request is made; what is not named is not. */
  weights: Partial<Record<Kind, number>>;
}

export interface Times {
  count: number;
  p50: number;
  p99: number;
}

export interface MixReport {
  begun: number;
  /** Requests that could not be begun in time: every connection still waited for an answer. */
  waited: number;
  seconds: number;
  byStatus: Record<string, number>;
  /** Milliseconds until the answer, of those served: that waited for the database alone, and for the channel too. */
  own: Times;
  channel: Times;
  refused: Times & { withRetryAfter: number; asDocumented: number };
  /** Rows that the answers promise. */
  made: { logins: number; orders: number; payments: number; started: string[] };
  /** Writes whose answer was lost, or said that the database did not answer in time: they may have happened. */
  unsure: number;
}

/** Milliseconds for what is under way at the end. */
const LAST_ANSWER_WITHIN = 60_000;

type Kind = 'login' | 'products' | 'orders' | 'order' | 'payment' | 'start' | 'forged';
/** What the service says when it has not begun a request: to all, for overload, or to one caller, for its share. */
const REFUSALS: Partial<Record<number, RegExp>> = {
  503: /more requests than can be served|"code":"FAIL"/,
  429: /wait for the payment channel/,
};
const WRITES: readonly Kind[] = ['login', 'order', 'payment'];
const CALLS_CHANNEL: readonly Kind[] = ['login', 'start'];

class Mix {
  private readonly chance: Chance;
  private readonly byStatus = new Counts<number>();
  private readonly bag: Kind[];
  private readonly ownMs: number[] = [];
  private readonly channelMs: number[] = [];
  private readonly refusedMs: number[] = [];
  private readonly made: MixReport['made'] = { logins: 0, orders: 0, payments: 0, started: [] };
  private readonly orders: { id: string; who: number }[] = [];
  private readonly payments: { id: string; who: number }[] = [];
  private begun = 0;
  private waited = 0;
  private unsure = 0;
  private withRetryAfter = 0;
  private asDocumented = 0;

  constructor(private readonly order: MixOrder) {
    this.chance = new Chance(order.seed);
    const weights = Object.entries(order.weights) as [Kind, number][];
    this.bag = weights.flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind));
  }

  async run(): Promise<MixReport> {
    const { connections, port, seconds, rate } = this.order;
    const lines = await openAll(port, connections);
    const since = performance.now();
    const until = since + seconds * 1000;
    if (rate > 0) await this.paced(lines, rate, until);
    else await Promise.all(lines.map((line) => this.ask(line, until)));
    for (const line of lines) line.close();
    return this.report((performance.now() - since) / 1000);
  }

  /** One after the other. */
  private async ask(line: HttpLine, until: number): Promise<void> {
    while (performance.now() < until) if ((await this.one(line)) === 0) await sleep(100);
  }

  /** So many a second, each on whichever connection is free. */
  private async paced(lines: HttpLine[], rate: number, until: number): Promise<void> {
    const free = [...lines];
    const running = new Set<Promise<void>>();
    let due = 0;
    let last = performance.now();
    for (let now = last; now < until; now = performance.now()) {
      due += ((now - last) / 1000) * rate;
      last = now;
      for (; due >= 1; due -= 1) {
        const line = free.shift();
        if (!line) this.waited += 1;
        else {
          const work: Promise<void> = this.one(line).then((status) => {
            running.delete(work);
            if (status > 0) free.push(line);
          });
          running.add(work);
        }
      }
      await sleep(2);
    }
    await Promise.race([Promise.all(running), sleep(LAST_ANSWER_WITHIN)]);
    this.unsure += running.size;
  }

  /** Answers the status. */
  private async one(line: HttpLine): Promise<number> {
    const { kind, request, who } = this.next();
    this.begun += 1;
    const answer = await line.send({ bytes: request });
    this.note(kind, who, answer);
    return answer.status;
  }

  private next(): { kind: Kind; request: Buffer; who: number } {
    const { tokens, seed } = this.order;
    const drawn = this.chance.pick(this.bag);
    const known = drawn === 'payment' ? this.orders.pop() : drawn === 'start' ? this.payments.pop() : undefined;
    // Without an order or a payment to go on with, an order is placed.
    const kind = !known && (drawn === 'payment' || drawn === 'start') ? 'order' : drawn;
    const who = known?.who ?? this.chance.between(0, tokens.length);
    const token = tokens[who] ?? '';
    const requests: Record<Kind, () => Buffer> = {
      login: () => posted('/api/auth/login/', null, { code: `load-${seed}-${this.begun}` }),
      products: () => got('/api/products/'),
      orders: () => got('/api/orders/', token),
      order: () => posted('/api/orders/', token, { product_id: TEA, quantity: 1 }),
      payment: () => posted('/api/payments/', token, { order_id: known?.id }),
      start: () => posted(`/api/payments/${known?.id}/start/`, token, {}),
      forged: () => posted('/api/payments/callback/wechat/', null, { id: 'forged' }),
    };
    return { kind, who, request: requests[kind]() };
  }

  private note(kind: Kind, who: number, answer: Answer): void {
    const { status, headers, body, milliseconds } = answer;
    this.byStatus.add(status);
    const refused = REFUSALS[status]?.test(body) ?? false;
    if ((status === 0 || status >= 500) && !refused && WRITES.includes(kind)) this.unsure += 1;
    if (refused) {
      this.refusedMs.push(milliseconds);
      if (/^[1-9]/.test(headers.get('retry-after') ?? '')) this.withRetryAfter += 1;
      if (isDocumented(kind, answer)) this.asDocumented += 1;
    } else if (status === 200 || status === 201) {
      (CALLS_CHANNEL.includes(kind) ? this.channelMs : this.ownMs).push(milliseconds);
      this.remember(kind, who, status, body);
    }
  }

  private remember(kind: Kind, who: number, status: number, body: string): void {
    if (kind === 'login') this.made.logins += 1;
    if (kind !== 'order' && kind !== 'payment' && kind !== 'start') return;
    const answer = JSON.parse(body) as { id: string; payment?: { id: string } };
    if (kind === 'order') {
      this.made.orders += 1;
      this.orders.push({ id: answer.id, who });
    } else if (kind === 'payment') {
      if (status === 201) this.made.payments += 1;
      this.payments.push({ id: answer.id, who });
    } else if (answer.payment) this.made.started.push(answer.payment.id);
  }

  private report(seconds: number): MixReport {
    const { begun, waited, made, unsure, withRetryAfter, asDocumented } = this;
    return {
      begun,
      waited,
      seconds,
      byStatus: Object.fromEntries(this.byStatus),
      own: times(this.ownMs),
      channel: times(this.channelMs),
      refused: { ...times(this.refusedMs), withRetryAfter, asDocumented },
      made,
      unsure,
    };
  }
}

function times(list: number[]): Times {
  const sorted = Float64Array.from(list).sort();
  const at = (part: number): number => (sorted.length > 0 ? Math.round(percentile(sorted, part)) : 0);
  return { count: sorted.length, p50: at(0.5), p99: at(0.99) };
}

function isDocumented(kind: Kind, { status, headers, body }: Answer): boolean {
  const { code } = JSON.parse(body) as { code?: unknown };
  if (kind === 'forged') return code === 'FAIL';
  const type = headers.get('content-type')?.startsWith('application/problem+json') ?? false;
  return type && code === (status === 429 ? 'too_many_requests' : 'service_unavailable');
}

const bearer = (token: string | null): [string, string][] =>
  token === null ? [] : [['Authorization', `Bearer ${token}`]];

function got(target: string, token: string | null = null): Buffer {
  return requestBytes({ method: 'GET', target, headers: bearer(token) });
}

function posted(target: string, token: string | null, body: object): Buffer {
  const headers: [string, string][] = [['Content-Type', 'application/json'], ...bearer(token)];
  return requestBytes({ method: 'POST', target, headers, body: Buffer.from(JSON.stringify(body)) });
}

/**
 * Connections as a proxy or a client keeps them: opened before, a few at a time, and used once. (New ones are accepted
 * one in each turn of the server's event loop, and the kernel's queue of them is short.)
 */
async function openAll(port: number, count: number): Promise<HttpLine[]> {
  const lines = Array.from({ length: count }, () => new HttpLine(port, { again: false, withinMs: LAST_ANSWER_WITHIN }));
  await inParallel(lines, 100, (line) => line.send({ bytes: got('/health/live') }));
  return lines;
}

process.once('message', (order: LoadOrder) => {
  const work: Promise<MixReport | HoldReport> = order.kind === 'mix' ? new Mix(order).run() : hold(order);
  void work.then((report) => {
    process.send?.({ report }, () => process.exit(0));
  });
});
