import { once } from 'node:events';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { WechatCallError } from '../../../src/provider/wechat/call-error.js';
import { GateFull } from '../../../src/provider/wechat/gate.js';
import {
  asCallError,
  Transport,
  type TransportLimits,
  type WireRequest,
} from '../../../src/provider/wechat/transport.js';
import { type Received, type StandIn, standIn } from './support.js';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

type Answering = (request: Received, response: ServerResponse, count: number) => void;

function transportOf(changes: Partial<TransportLimits> = {}): Transport {
  const transport = new Transport({ timeouts: { connectMs: 2_000, answerMs: 5_000 }, maxConcurrency: 8, ...changes });
  open.push({ close: () => transport.close().catch(() => undefined) });
  return transport;
}

async function serverOf(answering: Answering): Promise<StandIn> {
  const server = await standIn(answering);
  open.push(server);
  return server;
}

/** Takes connections and never says a word. */
async function mute(): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const request = (origin: string): WireRequest => ({
  operation: 'query',
  origin,
  method: 'GET',
  target: '/v3/x',
  headers: {},
  body: Buffer.alloc(0),
});
const failureOf = (call: Promise<unknown>): Promise<WechatCallError> =>
  call.then(
    () => Promise.reject(new Error('it went well')),
    (error: WechatCallError) => error,
  );
const said = ({ outcome, code, message }: WechatCallError): string[] => [outcome, code, message];

describe('the size of an answer', () => {
  /** With a moment between the pieces, so that they do not come as one. */
  const inPieces =
    (...pieces: string[]): Answering =>
    (request, response, count) => {
      const [now, ...later] = pieces;
      if (now !== undefined) response.write(now);
      if (later.length === 0) response.end();
      else setTimeout(() => inPieces(...later)(request, response, count), 20);
    };

  it.each<[name: string, pieces: string[], whole: string]>([
    ['nothing at all', [], ''],
    ['one piece', ['abcd'], 'abcd'],
    ['several pieces', ['ab', 'c', 'd'], 'abcd'],
  ])('may be up to its limit: %s', async (_name, pieces, whole) => {
    const server = await serverOf(inPieces(...pieces));
    const { status, body } = await transportOf().send(request(server.url), 4);
    expect([status, body.toString()]).toEqual([200, whole]);
  });

  it.each([[['abcde']], [['abc', 'de']]])('is not above its limit: %j', async (pieces) => {
    const server = await serverOf(inPieces(...pieces));
    const failure = await failureOf(transportOf().send(request(server.url), 4));
    expect(said(failure)).toEqual(['unknown', 'answer_too_large', 'query: the response is too large']);
  });
});

describe('time', () => {
  it('is up when a connection does not stand soon, for a download too', async () => {
    const origin = `https://${await mute()}`;
    const transport = transportOf({ timeouts: { connectMs: 50, answerMs: 5_000 } });
    const began = performance.now();
    expect(said(await failureOf(transport.open(request(origin))))).toEqual([
      'unknown',
      'timeout',
      'query: no answer in time',
    ]);
    expect(performance.now() - began).toBeLessThan(4_000);
  });

  it('is not kept once an answer is there: nothing holds the process back from its end', async () => {
    const running = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const server = await serverOf((_request, response) => response.end('{}'));
    const transport = transportOf();
    const before = running();
    await transport.send(request(server.url), 100);
    expect(running()).toBeLessThanOrEqual(before);
  });
});

describe('connections', () => {
  it('are no more than the limit for downloads either', async () => {
    const held: ServerResponse[] = [];
    const server = await serverOf((_request, response, count) => (count === 1 ? held.push(response) : response.end()));
    const transport = transportOf({ maxConcurrency: 1 });
    const first = transport.open(request(server.url));
    while (server.received.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = transport.open(request(server.url));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.received).toHaveLength(1);
    for (const response of held) response.end();
    for (const { body } of [await first, await second]) await body.dump();
    expect(server.received).toHaveLength(2);
  });

  it('that lie idle are ended by us, however long the server promises to keep them', async () => {
    const ended: Promise<unknown>[] = [];
    const server = createHttpServer((_request, response) => response.end('{}'));
    server.keepAliveTimeout = 600_000;
    server.on('connection', (socket) => ended.push(once(socket, 'end')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => new Promise((resolve) => void server.close(resolve)) });
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { headers } = await transportOf().send(request(origin), 100);
    expect(headers['keep-alive']).toBe('timeout=600');
    await ended[0];
    expect(ended).toHaveLength(1);
  });

  it('that break leave a download without a sure end', async () => {
    const server = await serverOf((_request, response) => void response.destroy());
    const failure = await failureOf(transportOf().open(request(server.url)));
    expect(said(failure)).toEqual(['unknown', 'network_failure', 'query: UND_ERR_SOCKET']);
  });

  it('are closed when what is under way has ended, and nothing is sent any more', async () => {
    const held: ServerResponse[] = [];
    const server = await serverOf((_request, response) => held.push(response));
    const transport = transportOf();
    const underWay = transport.send(request(server.url), 100);
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const closed = transport.close();
    for (const response of held) response.end('ended');
    expect((await underWay).body.toString()).toBe('ended');
    await closed;
    expect(said(await failureOf(transport.send(request(server.url), 100)))).toEqual([
      'unknown',
      'network_failure',
      'query: UND_ERR_DESTROYED',
    ]);
    expect(server.received).toHaveLength(1);
  });
});

describe('what went wrong', () => {
  const coded = (code: unknown): Error => Object.assign(new Error('https://example.com/?token=secret'), { code });

  it.each([
    coded('UND_ERR_CONNECT_TIMEOUT'),
    coded('UND_ERR_HEADERS_TIMEOUT'),
    coded('UND_ERR_BODY_TIMEOUT'),
    coded('ETIMEDOUT'),
    new DOMException('secret', 'TimeoutError'),
  ])('is that the time was up: %#', (error) => {
    expect(said(asCallError('bill', error))).toEqual(['unknown', 'timeout', 'bill: no answer in time']);
  });

  it.each<[code: unknown, told: string]>([
    ['ECONNREFUSED', 'ECONNREFUSED'],
    ['E2', 'E2'],
    ['E'.repeat(40), 'E'.repeat(40)],
    ['E'.repeat(41), 'connection lost'],
    ['E', 'connection lost'],
    ['token=SECRET', 'connection lost'],
    ['SECRET=token', 'connection lost'],
    ['secret', 'connection lost'],
    [42, 'connection lost'],
    [undefined, 'connection lost'],
  ])('is told by its code alone, if it is one: %p', (code, why) => {
    expect(said(asCallError('bill', coded(code)))).toEqual(['unknown', 'network_failure', `bill: ${why}`]);
  });

  it('is said as it was when it is known already, and when nothing was sent', () => {
    const known = new WechatCallError('rejected', 'PARAM_ERROR', 'said');
    expect(asCallError('bill', known)).toBe(known);
    expect(said(asCallError('bill', new GateFull()))).toEqual([
      'unknown',
      'overloaded',
      'bill: too many concurrent calls',
    ]);
  });
});
