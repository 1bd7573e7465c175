import { TcpProxy } from '../../dev/tcp-proxy.js';
import { checkDatabase } from '../../src/database/check-database.js';
import { isDatabaseUnavailable } from '../../src/database/database-errors.js';
import { startTestApp, TEA, type TestApp, times } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { buyAndStart, orderTea, type Problem, statesOf } from '../support/flows.js';

const POOL_SIZE = 3;

describe('a database that answers but does not serve', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let paydesk: TestApp;
  /** The same service beside the proxy. Its connections are older than any trouble. */
  let beside: TestApp;

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await TcpProxy.to(database.url);
    paydesk = await startTestApp({ databaseUrl: proxy.url, env: { DATABASE_POOL_SIZE: String(POOL_SIZE) } });
    beside = await startTestApp({ databaseUrl: database.url, clock: paydesk.clock });
  });
  afterEach(() => untilReady());
  afterAll(async () => {
    await paydesk.close();
    await beside.close();
    await proxy.cut();
    await database.drop();
  });

  const ready = async (): Promise<number> => (await fetch(`${paydesk.url}/health/ready`)).status;

  const untilReady = async (): Promise<void> => {
    for (let asked = 0; asked < 1000; asked += 1) if ((await ready()) === 200) return;
    throw new Error('the service does not come back');
  };

  describe('because the path swallows everything', () => {
    afterEach(() => proxy.speak());

    it('is given up on every connection, and found again by new ones', async () => {
      const bought = await buyAndStart(paydesk);
      await times(POOL_SIZE * 2, () => bought.customer.api.get('/orders/'));
      proxy.fallSilent();
      const meanwhile = await times(POOL_SIZE * 2, async (index) =>
        index === 0 ? ready() : (await bought.customer.api.get('/orders/')).status,
      );
      expect(new Set(meanwhile)).toEqual(new Set([503]));
      proxy.speak();
      await untilReady();
      const after = await times(POOL_SIZE * 2, async () => (await bought.customer.api.get('/orders/')).status);
      expect(new Set(after)).toEqual(new Set([200]));
      expect((await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' })).status).toBe(200);
      expect(await statesOf(bought)).toBe('succeeded/paid');
    });

    it('is told in words by a service that starts', async () => {
      proxy.fallSilent();
      const failure = await checkDatabase(proxy.url, 'session').catch((error: unknown) => error);
      expect(isDatabaseUnavailable(failure)).toBe(true);
    });
  });

  describe('because it takes no writes', () => {
    /** Holds for connections that are made from now on; those that there are keep what they have. */
    const setReadOnly = (
      how: 'SET default_transaction_read_only = on' | 'RESET default_transaction_read_only',
    ): Promise<unknown> => beside.db.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} ${how}`);
    afterEach(() => setReadOnly('RESET default_transaction_read_only'));

    it('is no database to be ready with, and connections to it are left as soon as another takes writes', async () => {
      const bought = await buyAndStart(paydesk);
      const order = { product_id: TEA, quantity: 1 };
      await setReadOnly('SET default_transaction_read_only = on');
      proxy.breakAll();
      const write = await bought.customer.api.post<Problem>('/orders/', order);
      expect([write.status, write.body.code, write.headers.get('retry-after')]).toEqual([
        503,
        'service_unavailable',
        '2',
      ]);
      expect(await ready()).toBe(503);
      expect((await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' })).status).toBe(500);
      // What only reads is served: these connections stay in the pool until they are found out.
      const reads = await times(POOL_SIZE, async () => (await bought.customer.api.get('/orders/')).status);
      expect(new Set(reads)).toEqual(new Set([200]));

      await setReadOnly('RESET default_transaction_read_only');
      const writes: number[] = [];
      for (let written = 0; written < POOL_SIZE * 3; written += 1)
        writes.push((await orderTea(bought.customer)).status);
      // Each connection of before is found out once, and not met again.
      expect(writes.filter((status) => status !== 201).length).toBeLessThanOrEqual(POOL_SIZE);
      expect(writes.slice(-POOL_SIZE)).toEqual(Array<number>(POOL_SIZE).fill(201));
      expect((await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' })).status).toBe(200);
    });
  });

  it.each([
    ['53100', 'could not extend file "base/16384/16385": No space left on device'],
    ['53200', 'out of memory'],
    ['58030', 'could not read blocks 0..0 in file "base/16384/16385": Input/output error'],
  ])('because it has run into %s, is answered 503 until it has not', async (code, message) => {
    const { customer } = await buyAndStart(paydesk);
    await beside.db.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION USING MESSAGE = '${message}', ERRCODE = '${code}'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse()`);
    const refused = (await orderTea(customer)) as { status: number; body: unknown };
    await beside.db.query('DROP FUNCTION refuse CASCADE');
    expect([refused.status, (refused.body as Problem).code]).toEqual([503, 'service_unavailable']);
    expect(JSON.stringify(refused.body)).not.toMatch(/space|memory|file/);
    expect((await orderTea(customer)).status).toBe(201);
  });
});
