import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../bench/statistics.js';
import { hold, type HoldOrder, type HoldReport } from './overload-hold.js';
import { Chance } from './random.js';
import { TEA } from './shop.js';
import { httpRequest, Wire, type WireAnswer } from './wire.js';

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
  private readonly byStatus = new Map<number, number>();
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
    const wires = await openAll(port, connections);
    const since = performance.now();
    const until = since + seconds * 1000;
    if (rate > 0) await this.paced(wires, rate, until);
    else await Promise.all(wires.map((wire) => this.ask(wire, until)));
    for (const wire of wires) wire.close();
    return this.report((performance.now() - since) / 1000);
  }

  /** One after the other; a connection that is lost is opened again. */
  private async ask(first: Wire, until: number): Promise<void> {
    let wire = first;
    while (performance.now() < until) {
      if (wire.isLost) wire = await Wire.open(this.order.port).catch(() => first);
      if (wire.isLost) await sleep(100);
      else await this.one(wire);
    }
    if (wire !== first) wire.close();
  }

  /** So many a second, each on whichever connection is free. */
  private async paced(wires: Wire[], rate: number, until: number): Promise<void> {
    const free = [...wires];
    const running = new Set<Promise<void>>();
    let due = 0;
    let last = performance.now();
    for (let now = last; now < until; now = performance.now()) {
      due += ((now - last) / 1000) * rate;
      last = now;
      for (; due >= 1; due -= 1) {
        const wire = free.shift();
        if (!wire) this.waited += 1;
        else {
          const work: Promise<void> = this.one(wire).then(() => {
            running.delete(work);
            if (!wire.isLost) free.push(wire);
          });
          running.add(work);
        }
      }
      await sleep(2);
    }
    await Promise.race([Promise.all(running), sleep(LAST_ANSWER_WITHIN)]);
    this.unsure += running.size;
  }

  private async one(wire: Wire): Promise<void> {
    const { kind, request, who } = this.next();
    const began = performance.now();
    this.begun += 1;
    const answer = await wire.send(request);
    this.note(kind, who, answer, performance.now() - began);
  }

  private next(): { kind: Kind; request: Buffer; who: number } {
    const who = this.chance.between(0, this.order.tokens.length);
    const token = this.order.tokens[who] ?? '';
    const kind = this.chance.pick(this.bag);
    const known = kind === 'payment' ? this.orders.pop() : kind === 'start' ? this.payments.pop() : undefined;
    const theirs = this.order.tokens[known?.who ?? 0] ?? '';
    switch (kind) {
      case 'login': {
        const code = `load-${this.order.seed}-${this.begun}`;
        return { kind, who, request: posted('/api/auth/login/', null, { code }) };
      }
      case 'products':
        return { kind, who, request: httpRequest('GET', '/api/products/') };
      case 'payment':
        if (!known) break;
        return {
          kind,
          who: known.who,
          request: posted('/api/payments/', theirs, { order_id: known.id }),
        };
      case 'start':
        if (!known) break;
        return { kind, who: known.who, request: posted(`/api/payments/${known.id}/start/`, theirs, {}) };
      case 'forged':
        return { kind, who, request: posted('/api/payments/callback/wechat/', null, { id: 'forged' }) };
      case 'orders':
        return { kind, who, request: httpRequest('GET', '/api/orders/', bearer(token)) };
      case 'order':
        break;
    }
    return {
      kind: 'order',
      who,
      request: posted('/api/orders/', token, { product_id: TEA, quantity: 1 }),
    };
  }

  private note(kind: Kind, who: number, { status, head, body }: WireAnswer, milliseconds: number): void {
    this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1);
    const refused = REFUSALS[status]?.test(body) ?? false;
    if ((status === 0 || status >= 500) && !refused && WRITES.includes(kind)) this.unsure += 1;
    if (refused) {
      this.refusedMs.push(milliseconds);
      if (/\r\nretry-after: [1-9]/i.test(head)) this.withRetryAfter += 1;
      if (isDocumented(kind, status, head, body)) this.asDocumented += 1;
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
      byStatus: Object.fromEntries([...this.byStatus].map(([status, count]) => [String(status), count])),
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

function isDocumented(kind: Kind, status: number, head: string, body: string): boolean {
  const { code } = JSON.parse(body) as { code?: unknown };
  if (kind === 'forged') return code === 'FAIL';
  const type = /\r\ncontent-type: application\/problem\+json/i.test(head);
  return type && code === (status === 429 ? 'too_many_requests' : 'service_unavailable');
}

const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });

function posted(path: string, token: string | null, body: object): Buffer {
  const headers = { 'Content-Type': 'application/json', ...(token !== null && bearer(token)) };
  return httpRequest('POST', path, headers, JSON.stringify(body));
}

/**
 * Connections as a proxy or a client keeps them: opened before, a few at a time, and used once. (New ones are accepted
 * one in each turn of the server's event loop, and the kernel's queue of them is short.)
 */
async function openAll(port: number, count: number): Promise<Wire[]> {
  const hello = httpRequest('GET', '/health/live');
  const wires: Wire[] = [];
  while (wires.length < count) {
    const some = await Promise.all(
      Array.from({ length: Math.min(100, count - wires.length) }, async () => {
        const wire = await Wire.open(port);
        await wire.send(hello);
        return wire;
      }),
    );
    wires.push(...some);
  }
  return wires;
}

process.once('message', (order: LoadOrder) => {
  const work: Promise<MixReport | HoldReport> = order.kind === 'mix' ? new Mix(order).run() : hold(order);
  void work.then((report) => {
    process.send?.({ report }, () => process.exit(0));
  });
});
