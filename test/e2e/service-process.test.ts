import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { type Api, client, startTestApp, TEA, type TestApp } from '../support/app.js';
import {
  announcementsOf,
  type Bought,
  journalOf,
  mockSignature,
  movesOf,
  newCustomer,
  placeOrder,
  placePayment,
  raw,
  statesOf,
  waitUntilBlocked,
} from '../support/flows.js';
import { ServiceProcess } from '../support/service-process.js';

// Processes take a while to start on a busy machine.
jest.setTimeout(120_000);

describe('the built service as a process', () => {
  /** Looks on from beside, over the same database. */
  let beside: TestApp;
  let service: ServiceProcess;
  let env: Record<string, string>;

  const start = async (): Promise<void> => {
    service = await ServiceProcess.start(env);
  };
  const as = (token: string): Api => client(service.url, token);

  beforeAll(async () => {
    beside = await startTestApp();
    // Time stands still beside; the process has the real one, so tokens and payments live long.
    beside.clock.set(new Date());
    env = { NODE_ENV: 'test', DATABASE_URL: beside.databaseUrl, JOBS_ENABLED: 'false', LOG_LEVEL: 'silent' };
    await start();
  });
  afterAll(async () => {
    await service.end('SIGKILL');
    await beside.close();
  });

  const bought = async (): Promise<Bought> => {
    const customer = await newCustomer(beside);
    const orderId = await placeOrder(beside, customer);
    const paymentId = await placePayment(customer, orderId);
    return { customer, orderId, paymentId, path: `/payments/${paymentId}/` };
  };

  /** Holds an order's row, so that whatever needs it stands still in the middle of its transaction. */
  const holdOrder = async (orderId: string): Promise<() => Promise<void>> => {
    const holder = new pg.Client({ connectionString: beside.databaseUrl });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM orders WHERE id = $1 FOR UPDATE', [orderId]);
    return () => holder.end();
  };

  /** Kills the process without a warning while this request stands still, and starts it again. */
  const killDuring = async (orderId: string, ask: () => Promise<unknown>): Promise<void> => {
    const letGo = await holdOrder(orderId);
    const asked = ask().then(
      () => 'answered',
      () => 'broken off',
    );
    await waitUntilBlocked(beside);
    expect(await service.end('SIGKILL')).toEqual([null, 'SIGKILL']);
    expect(await asked).toBe('broken off');
    await letGo();
    await waitUntilNobodyElse(beside);
    await start();
  };

  it('says where the API, its docs and its health are, and answers there', async () => {
    expect(service.output).toMatch(/API http:\/\/127\.0\.0\.1:\d+\/api .*\/docs .*\/health\/ready/);
    expect((await fetch(`${service.url}/health/ready`)).status).toBe(200);
    const { body } = await client(service.url).get<{ items: unknown[] }>('/products/');
    expect(body.items).toHaveLength(4);
  });

  it('leaves nothing half done of a payment that was under way when it was killed', async () => {
    const one = await bought();
    const before = await movesOf(beside, one.orderId);
    await killDuring(one.orderId, () => as(one.customer.token).post(`${one.path}succeed/`));
    expect(await statesOf(one)).toBe('init/pending');
    expect(await movesOf(beside, one.orderId)).toEqual(before);
    expect(await announcementsOf(beside, one.paymentId)).toEqual([]);

    expect((await as(one.customer.token).post(`${one.path}succeed/`)).status).toBe(200);
    expect(await statesOf(one)).toBe('succeeded/paid');
    expect(await announcementsOf(beside, one.paymentId)).toEqual(['payment.succeeded']);
  });

  it('takes over a callback that is sent again after it was killed', async () => {
    const one = await bought();
    const body = JSON.stringify({ payment_id: one.paymentId, status: 'SUCCESS', amount: 1800 });
    const send = (): Promise<{ status: number }> =>
      raw(
        service.url,
        'POST',
        '/api/payments/callback/mock/',
        [['x-mock-signature', mockSignature(beside, body)]],
        body,
      );
    await killDuring(one.orderId, send);
    expect(await statesOf(one)).toBe('init/pending');
    expect(await journalOf(beside, one.paymentId)).toEqual([]);
    expect((await send()).status).toBe(200);
    expect(await statesOf(one)).toBe('succeeded/paid');
    expect(await journalOf(beside, one.paymentId)).toEqual(['applied 200']);
  });

  it('makes one payment of a request with a key that was killed and is sent again', async () => {
    const customer = await newCustomer(beside);
    const order_id = await placeOrder(beside, customer);
    const key = { 'idempotency-key': 'killed' };
    const ask = (): Promise<{ status: number; body: Record<string, unknown> }> =>
      as(customer.token).post('/payments/', { order_id }, key);
    await killDuring(order_id, ask);
    expect(await movesOf(beside, order_id)).toEqual([]);
    // The key is held for as long as the request might still run; here that time has passed.
    expect((await ask()).body.code).toBe('idempotency_in_progress');
    await beside.db.query("UPDATE idempotency_keys SET locked_until = now() - interval '1 s' WHERE key = 'killed'");
    const made = await ask();
    expect(made.status).toBe(201);
    expect((await ask()).body).toEqual(made.body);
    expect(await movesOf(beside, order_id)).toEqual(['payment init by request']);
  });

  it('finishes what runs on SIGTERM, takes nothing new and ends with 0', async () => {
    const one = await bought();
    const letGo = await holdOrder(one.orderId);
    const underWay = as(one.customer.token).post(`${one.path}succeed/`);
    await waitUntilBlocked(beside);
    service.signal('SIGTERM');
    await service.said(/finishing requests in progress/);
    await letGo();
    expect((await underWay).status).toBe(200);
    expect(await service.exited).toEqual([0, null]);
    await expect(fetch(`${service.url}/health/live`)).rejects.toThrow();
    expect(await statesOf(one)).toBe('succeeded/paid');
    await start();
  });

  it('says on SIGTERM that it is not ready, and serves all else until the delay is over', async () => {
    const delayed = await ServiceProcess.start({ ...env, SHUTDOWN_DELAY_SECONDS: '2' });
    const one = await bought();
    const api = client(delayed.url, one.customer.token);
    delayed.signal('SIGTERM');
    await delayed.said(/SIGTERM: \/health\/ready says 503/);
    const ready = await fetch(`${delayed.url}/health/ready`);
    expect([ready.status, await ready.json()]).toMatchObject([503, { code: 'service_unavailable' }]);
    expect((await fetch(`${delayed.url}/health/live`)).status).toBe(200);
    const letGo = await holdOrder(one.orderId);
    const underWay = api.post(`${one.path}succeed/`);
    await waitUntilBlocked(beside);
    expect(delayed.output).not.toContain('finishing requests in progress');
    // Whoever asks over a kept connection learns that the next one goes elsewhere.
    const list = await api.get('/orders/');
    expect([list.status, list.headers.get('connection')]).toEqual([200, 'close']);

    await delayed.said(/finishing requests in progress/);
    await letGo();
    expect((await underWay).status).toBe(200);
    expect(await delayed.exited).toEqual([0, null]);
    expect(await statesOf(one)).toBe('succeeded/paid');
  });

  it('waits no longer than until a second signal, and still finishes what runs', async () => {
    const delayed = await ServiceProcess.start({ ...env, SHUTDOWN_DELAY_SECONDS: '300' });
    const one = await bought();
    const letGo = await holdOrder(one.orderId);
    const underWay = client(delayed.url, one.customer.token).post(`${one.path}succeed/`);
    await waitUntilBlocked(beside);
    delayed.signal('SIGTERM');
    await delayed.said(/SIGTERM: \/health\/ready says 503/);
    // Within a second it would be the same signal, come by way of npm too.
    while (!/finishing requests in progress/.test(delayed.output)) {
      delayed.signal('SIGTERM');
      await setTimeout(250);
    }
    await letGo();
    expect((await underWay).status).toBe(200);
    expect(await delayed.exited).toEqual([0, null]);
  });

  it('does not wait on Ctrl-C', async () => {
    const delayed = await ServiceProcess.start({ ...env, SHUTDOWN_DELAY_SECONDS: '300' });
    expect(await delayed.end('SIGINT')).toEqual([0, null]);
  });

  it('ends at once on a second signal, SIGINT this time', async () => {
    const one = await bought();
    const letGo = await holdOrder(one.orderId);
    const underWay = as(one.customer.token)
      .post(`${one.path}succeed/`)
      .catch(() => null);
    await waitUntilBlocked(beside);
    service.signal('SIGINT');
    await service.said(/finishing requests in progress/);
    // Within a second it would be the same Ctrl-C, come by way of npm too: somebody impatient presses again and again.
    const again = setInterval(() => service.signal('SIGINT'), 250);
    expect(await service.exited).toEqual([1, null]);
    clearInterval(again);
    expect(await underWay).toBeNull();
    await letGo();
    expect(await statesOf(one)).toBe('init/pending');
    await start();
  });

  it('works beside another process on the same database', async () => {
    const second = await ServiceProcess.start(env);
    const customer = await newCustomer(beside);
    const apis = [as(customer.token), client(second.url, customer.token)];
    const { body } = await (apis[0] as Api).post('/orders/', { product_id: TEA, quantity: 1 });
    const payments = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (apis[index % 2] as Api).post('/payments/', { order_id: body.id })),
    );
    expect(new Set(payments.map((answer) => answer.body.id)).size).toBe(1);
    await second.end('SIGKILL');
  });
});

/** Waits until the database has noticed that the killed process is gone. */
async function waitUntilNobodyElse(beside: TestApp): Promise<void> {
  for (;;) {
    const rows = await beside.db.query<unknown[]>(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
       AND state IS DISTINCT FROM 'idle' AND pid <> pg_backend_pid()`,
    );
    if (rows.length === 0) return;
    await setTimeout(5);
  }
}
