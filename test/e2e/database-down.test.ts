import { setTimeout } from 'node:timers/promises';
import { TcpProxy } from '../../dev/tcp-proxy.js';
import { byTimer } from '../../src/common/cause.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { startTestApp, TEA, type TestApp, times } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import {
  announcementsOf,
  buyAndStart,
  journalOf,
  movesOf,
  newCustomer,
  placeOrder,
  type Problem,
  statesOf,
  waitUntilBlocked,
} from '../support/flows.js';

describe('while the database is down', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let paydesk: TestApp;
  /** The same service over a cable that is not cut, to hold locks and look. */
  let beside: TestApp;

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await TcpProxy.to(database.url);
    paydesk = await startTestApp({ databaseUrl: proxy.url });
    beside = await startTestApp({ databaseUrl: database.url, clock: paydesk.clock });
  });
  afterEach(async () => {
    await proxy.cut();
    await mend();
  });
  afterAll(async () => {
    await paydesk.close();
    await beside.close();
    await proxy.cut();
    await database.drop();
  });

  const health = async (name: 'live' | 'ready'): Promise<number> =>
    (await fetch(`${paydesk.url}/health/${name}`)).status;

  /** The cable is whole again, and the service has noticed. */
  const mend = async (): Promise<void> => {
    await proxy.mend();
    for (let asked = 0; asked < 1000; asked += 1) if ((await health('ready')) === 200) return;
    throw new Error('the service does not come back');
  };

  it('is alive but not ready, and ready again without a restart', async () => {
    expect([await health('live'), await health('ready')]).toEqual([200, 200]);
    await proxy.cut();
    expect([await health('live'), await health('ready')]).toEqual([200, 503]);
    await mend();
    expect([await health('live'), await health('ready')]).toEqual([200, 200]);
  });

  it('shows the figures of the process all the same, and that they are its own', async () => {
    await buyAndStart(paydesk);
    const scrape = async (): Promise<[number, string]> => {
      const answer = await fetch(`${paydesk.url}/metrics`);
      return [answer.status, await answer.text()];
    };
    const [, up] = await scrape();
    expect(up).toMatch(/^paydesk_database_up 1$/m);
    // Under the mock provider there are no bills to wait for.
    expect(up).toMatch(/^paydesk_last_bill_seconds 0$/m);
    await proxy.cut();
    const [status, down] = await scrape();
    expect([status, down]).toEqual([200, expect.stringMatching(/^paydesk_database_up 0$/m)]);
    await mend();
    expect((await scrape())[1]).toMatch(/^paydesk_database_up 1$/m);
  });

  it('answers requests with 503 and the time to come again, without a word of what is behind', async () => {
    const { customer, path } = await buyAndStart(paydesk);
    await proxy.cut();
    const answers = [
      await paydesk.api().get<Problem>('/products/'),
      await customer.api.get<Problem>('/orders/'),
      await customer.api.get<Problem>(path),
      await customer.api.post<Problem>('/orders/', { product_id: TEA, quantity: 1 }, { 'idempotency-key': 'down' }),
      await customer.api.post<Problem>(`${path}succeed/`),
      await paydesk.api().post<Problem>('/auth/login/', { code: 'alice' }),
    ];
    for (const { status, headers, body } of answers) {
      expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'service_unavailable', '2']);
      expect(JSON.stringify(body)).not.toMatch(/ECONN|SELECT|postgres|127\.0\.0\.1|at \//i);
    }
    await mend();
    const again = await customer.api.post('/orders/', { product_id: TEA, quantity: 1 }, { 'idempotency-key': 'down' });
    expect(again.status).toBe(201);
    expect((await customer.api.post(`${path}succeed/`)).body).toMatchObject({ status: 'succeeded' });
  });

  it('tells the channel 500 FAIL, so that it sends the notice again, and takes it over then', async () => {
    const bought = await buyAndStart(paydesk);
    await proxy.cut();
    const answers = await times(5, () => paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' }));
    for (const answer of answers) {
      expect([answer.status, answer.body]).toEqual([500, { code: 'FAIL', message: 'internal_error' }]);
    }
    expect((await paydesk.callback({ payment_id: 'x', status: 'SUCCESS' }, { 'x-mock-signature': '' })).status).toBe(
      401,
    );
    await mend();
    expect((await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' })).status).toBe(200);
    expect(await statesOf(bought)).toBe('succeeded/paid');
    expect(await announcementsOf(beside, bought.paymentId)).toEqual(['payment.succeeded']);
  });

  it.each(['request', 'callback'])('leaves nothing half done of a %s that was under way', async (kind) => {
    const bought = await buyAndStart(paydesk);
    const before = await movesOf(beside, bought.orderId);
    const lock = beside.db.createQueryRunner();
    await lock.startTransaction();
    await lock.query('SELECT 1 FROM orders WHERE id = $1 FOR UPDATE', [bought.orderId]);
    const pay = (): Promise<{ status: number }> =>
      kind === 'request'
        ? bought.customer.api.post(`${bought.path}succeed/`)
        : paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' });
    const underWay = pay();
    await waitUntilBlocked(beside);
    await proxy.cut();
    expect((await underWay).status).toBe(kind === 'request' ? 503 : 500);
    await lock.commitTransaction();
    await lock.release();
    expect(await movesOf(beside, bought.orderId)).toEqual(before);
    expect(await journalOf(beside, bought.paymentId)).toEqual([]);
    await mend();
    expect((await pay()).status).toBe(200);
    expect(await statesOf(bought)).toBe('succeeded/paid');
    expect(await announcementsOf(beside, bought.paymentId)).toEqual(['payment.succeeded']);
  });

  it('gives up a lock that does not come in time, with 503, and holds nothing', async () => {
    const bought = await buyAndStart(paydesk);
    const lock = beside.db.createQueryRunner();
    await lock.startTransaction();
    await lock.query('SELECT 1 FROM orders WHERE id = $1 FOR UPDATE', [bought.orderId]);
    const [request, callback] = await Promise.all([
      bought.customer.api.post<Problem>(`${bought.path}succeed/`),
      paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' }),
    ]);
    expect([request.status, request.body.code, callback.status]).toEqual([503, 'service_unavailable', 500]);
    await lock.commitTransaction();
    await lock.release();
    expect(await statesOf(bought)).toBe('processing/pending');
    expect(await journalOf(beside, bought.paymentId)).toEqual(['failed 500']);
    expect((await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' })).status).toBe(200);
  });

  it('knows a request again that was under way, by its key, as soon as the database is back', async () => {
    const bought = await buyAndStart(paydesk);
    const orderId = await placeOrder(paydesk, bought.customer);
    const lock = beside.db.createQueryRunner();
    await lock.startTransaction();
    await lock.query('SELECT 1 FROM orders WHERE id = $1 FOR UPDATE', [orderId]);
    const pay = (): Promise<{ status: number }> =>
      bought.customer.api.post('/payments/', { order_id: orderId }, { 'idempotency-key': 'under-way' });
    const underWay = pay();
    await waitUntilBlocked(beside);
    await proxy.cut();
    expect((await underWay).status).toBe(503);
    await lock.commitTransaction();
    await lock.release();
    await mend();
    // The key is held for a minute of a clock that stands still, if it is not set free.
    let again = await pay();
    for (let asked = 0; asked < 100 && again.status === 409; asked += 1) {
      await setTimeout(100);
      again = await pay();
    }
    expect(again.status).toBe(201);
  });

  it('frees a key whose claim the database makes good only after the service has given it up', async () => {
    const { customer } = await buyAndStart(paydesk);
    // As a commit that waits for a standby, which no time limit of the server ends.
    await beside.db.query(`
      CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(8); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON idempotency_keys DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
      EXECUTE FUNCTION wait()`);
    const buy = async (): Promise<number> =>
      (await customer.api.post('/orders/', { product_id: TEA, quantity: 1 }, { 'idempotency-key': 'late' })).status;
    const answers = [await buy()];
    while (answers.length < 100 && answers.at(-1) !== 201) {
      await setTimeout(100);
      answers.push(await buy());
    }
    await beside.db.query('DROP FUNCTION wait CASCADE');
    expect([answers[0], answers.at(-1)]).toEqual([503, 201]);
  });

  it('goes on with its timers afterwards', async () => {
    const { customer } = await buyAndStart(paydesk, { metadata: { auto_success: true } });
    const run = (): Promise<unknown> =>
      paydesk.app.get(DuePayments).run({ scope: 'all', cause: byTimer('check_payments'), limit: 100 });
    await proxy.cut();
    await expect(run()).rejects.toThrow();
    await mend();
    await run();
    const { body } = await customer.api.get<{ items: { status: string }[] }>('/orders/');
    expect(body.items.map((order) => order.status)).toEqual(['paid']);
    expect((await newCustomer(paydesk)).id).toMatch(/^usr_/);
  });
});
