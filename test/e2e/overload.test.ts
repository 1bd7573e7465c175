import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import pg from 'pg';
import { type Answer, startTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/embedded.js';
import {
  buyAndStart,
  type Customer,
  newCustomer,
  orderTea,
  type Problem,
  statesOf,
  waitUntilBlocked,
} from '../support/flows.js';

const ROOM = 2;
const MOST_CONNECTIONS = 40;

describe('more than can be served', () => {
  let paydesk: TestApp;
  let customer: Customer;
  let holder: pg.Client;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    paydesk = await startTestApp({
      env: {
        MAX_REQUESTS_IN_FLIGHT: String(ROOM),
        MAX_CALLBACKS_IN_FLIGHT: '1',
        MAX_CONNECTIONS: String(MOST_CONNECTIONS),
      },
    });
    customer = await newCustomer(paydesk);
    holder = new pg.Client({ connectionString: paydesk.databaseUrl });
    await holder.connect();
  });
  afterEach(async () => {
    await holder.query('ROLLBACK');
    for (const socket of sockets.splice(0)) socket.destroy();
    await eventually(async () => (await inWork('own')) === 0);
  });
  afterAll(async () => {
    await holder.end();
    await paydesk.close();
  });

  const server = (): Server => paydesk.app.getHttpServer();

  const metric = async (line: string): Promise<number> => {
    const text = await (await fetch(`${paydesk.url}/metrics`)).text();
    return Number(
      text
        .split('\n')
        .find((one) => one.startsWith(line))
        ?.slice(line.length) ?? NaN,
    );
  };
  const inWork = (kind: string): Promise<number> => metric(`paydesk_requests_in_flight{kind="${kind}"}`);

  /** So many questions for the catalogue, which all wait for a lock that the holder has. */
  const fill = async (count: number, signal?: AbortSignal): Promise<Promise<number>[]> => {
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE products');
    const asked = Array.from({ length: count }, () =>
      fetch(`${paydesk.url}/api/products/`, { signal }).then(
        (response) => response.status,
        () => 0,
      ),
    );
    await waitUntilBlocked(paydesk, count);
    return asked;
  };

  const speak = async (text: string): Promise<Socket> => {
    const socket = connect(Number(new URL(paydesk.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(text);
    return socket;
  };

  it('is refused with 503 and the time to come again, and served when there is room', async () => {
    const held = await fill(ROOM);
    const refused = await orderTea(customer, { 'idempotency-key': 'refused-once' });
    const { status, headers, body } = refused as unknown as Answer<Problem>;
    expect([status, body.code, body.status]).toEqual([503, 'service_unavailable', 503]);
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(headers.get('retry-after')).toBe('2');
    expect(headers.get('x-request-id')).toBe(body.request_id);
    expect(await metric('paydesk_requests_refused_total{kind="own"}')).toBeGreaterThanOrEqual(1);
    expect(await inWork('own')).toBe(ROOM);

    await holder.query('ROLLBACK');
    expect(await Promise.all(held)).toEqual(held.map(() => 200));
    expect((await customer.api.get<{ items: unknown[] }>('/orders/')).body.items).toEqual([]);
    expect((await orderTea(customer, { 'idempotency-key': 'refused-once' })).status).toBe(201);
  });

  it('leaves room for what waits for something else: the channel, the news of money, the questions for health', async () => {
    const bought = await buyAndStart(paydesk);
    void (await fill(ROOM));
    expect((await paydesk.api().post('/auth/login/', { code: 'somebody' })).status).toBe(200);
    expect((await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' })).status).toBe(200);
    for (const path of ['/health/live', '/health/ready', '/metrics']) {
      expect([path, (await fetch(`${paydesk.url}${path}`)).status]).toEqual([path, 200]);
    }
    await holder.query('ROLLBACK');
    await eventually(async () => (await inWork('own')) === 0);
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('is FAIL for a callback, so that it is sent again, and taken then', async () => {
    const [first, second] = [await buyAndStart(paydesk), await buyAndStart(paydesk)];
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM orders WHERE id = $1 FOR UPDATE', [first.orderId]);
    const waiting = paydesk.callback({ payment_id: first.paymentId, status: 'SUCCESS' });
    await waitUntilBlocked(paydesk);
    const refused = await paydesk.callback({ payment_id: second.paymentId, status: 'SUCCESS' });
    expect([refused.status, refused.body]).toEqual([503, { code: 'FAIL', message: 'service_unavailable' }]);
    expect(refused.headers.get('retry-after')).toBe('2');
    await holder.query('ROLLBACK');
    await waiting;
    expect(await statesOf(second)).toBe('processing/pending');
    expect((await paydesk.callback({ payment_id: second.paymentId, status: 'SUCCESS' })).status).toBe(200);
    expect(await statesOf(second)).toBe('succeeded/paid');
  });

  it('does not become less because clients go away: their work still runs', async () => {
    const leaving = new AbortController();
    const held = await fill(ROOM, leaving.signal);
    leaving.abort();
    expect(await Promise.all(held)).toEqual(held.map(() => 0));
    expect((await customer.api.get('/orders/')).status).toBe(503);
    await holder.query('ROLLBACK');
    await eventually(async () => (await inWork('own')) === 0);
    expect((await customer.api.get('/orders/')).status).toBe(200);
  });

  it('is answered no faster than a thousand times a second, so that a flood slows down', async () => {
    void (await fill(ROOM));
    const asked = 200;
    const socket = await speak('GET /api/products/ HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(asked));
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const answered = (): number => text.split('HTTP/1.1 503').length - 1;
    await once(socket, 'data');
    // All were asked in one breath, and would be answered in one.
    expect(answered()).toBeLessThan(80);
    while (answered() < asked) await once(socket, 'data');
  });

  it('is not what dribbles: half a request takes no place', async () => {
    const half = 'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{';
    for (let index = 0; index < ROOM * 3; index += 1) await speak(`POST /api/orders/ HTTP/1.1\r\nHost: x\r\n${half}`);
    expect((await customer.api.get('/orders/')).status).toBe(200);
  });

  it.each([
    ['a header', 'GET /api/products/ HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    [
      'a body',
      'POST /api/orders/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n',
    ],
    ['nothing', ''],
  ])('cuts off a client that dribbles %s', async (what, opening) => {
    expect(server()).toMatchObject({ headersTimeout: 10_000, requestTimeout: 15_000, timeout: 30_000 });
    // The same with less patience, for a test of seconds.
    Object.assign(server(), { headersTimeout: 300, requestTimeout: 500 });
    const socket = await speak(opening);
    const began = performance.now();
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const dribbling = setInterval(() => what !== 'nothing' && socket.write('x'), 50);
    await once(socket, 'close');
    clearInterval(dribbling);
    Object.assign(server(), { headersTimeout: 10_000, requestTimeout: 15_000 });
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('has a bound on open connections: one more is closed, and the others are served', async () => {
    const kept = await Promise.all(Array.from({ length: MOST_CONNECTIONS }, () => speak('')));
    const last = await speak('');
    await once(last, 'close');
    kept[0]?.destroy();
    await eventually(async () => (await fetch(`${paydesk.url}/health/live`).catch(() => null))?.status === 200);
  });
});
