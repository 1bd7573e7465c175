import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Answer } from './app.js';

const STARTED = /The shop is at (http:\S+)/;

/** The sample of `examples/shop-backend` as a process. */
export class ShopBackend {
  output = '';
  private hasEnded = false;
  private readonly ended: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    this.ended = once(child, 'exit').then(() => (this.hasEnded = true));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString('utf8')));
    }
  }

  /** On a free port; it knows nothing but this environment. */
  static async start(env: Record<string, string>): Promise<ShopBackend> {
    const script = resolve('examples/shop-backend/shop.mjs');
    const child = spawn(process.execPath, [script], { env: { PORT: '0', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const shop = new ShopBackend(child);
    while (!shop.hasEnded && !STARTED.test(shop.output)) await Promise.race([once(child.stdout, 'data'), shop.ended]);
    if (shop.hasEnded) throw new Error(`the shop did not start:\n${shop.output}`);
    return shop;
  }

  /** Without a warning. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** What one of the shop's own clients asks, with the token of its user. @throws TypeError when the shop dies meanwhile */
  async ask<T = Record<string, unknown>>(path: string, token?: string, body?: object): Promise<Answer<T>> {
    const url = STARTED.exec(this.output)?.[1] ?? '';
    const answer = await fetch(`${url}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as T };
  }
}

/** A request as `POST /api/orders/`, and whether Paydesk has not got it yet or has answered it. */
export interface Moment {
  request: string;
  when: 'before' | 'after';
}

type Deed = (reply: ServerResponse) => unknown;

/** Stands between a shop and Paydesk, and does something at a moment that was asked for, once, in place of going on. */
export class Gate {
  private deed: (Moment & { act: Deed; done: () => void }) | null = null;
  private readonly server: Server;

  private constructor(private readonly paydesk: string) {
    this.server = createServer((request, reply) => void this.pass(request, reply).catch(() => reply.destroy()));
  }

  static async to(paydesk: string): Promise<Gate> {
    const gate = new Gate(paydesk);
    gate.server.listen(0, '127.0.0.1');
    await once(gate.server, 'listening');
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Resolves when the moment came and it was done. */
  at(moment: Moment, act: Deed): Promise<void> {
    return new Promise((done) => (this.deed = { ...moment, act, done }));
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async pass(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const name = `${method} ${url.split('?')[0]}`;
    const body = await text(request);
    if (await this.isDone({ request: name, when: 'before' }, reply)) return;
    const answer = await fetch(`${this.paydesk}${url}`, {
      method,
      headers: { authorization: headers.authorization ?? '', 'content-type': 'application/json' },
      ...(body === '' ? {} : { body }),
    });
    const said = await answer.text();
    if (await this.isDone({ request: name, when: 'after' }, reply)) return;
    const retryAfter = answer.headers.get('retry-after');
    reply.writeHead(answer.status, retryAfter === null ? {} : { 'retry-after': retryAfter }).end(said);
  }

  private async isDone({ request, when }: Moment, reply: ServerResponse): Promise<boolean> {
    const { deed } = this;
    if (deed?.request !== request || deed.when !== when) return false;
    this.deed = null;
    await deed.act(reply);
    reply.destroy();
    deed.done();
    return true;
  }
}
