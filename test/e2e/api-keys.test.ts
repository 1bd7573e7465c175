import { setTimeout as pause } from 'node:timers/promises';
import { TcpProxy } from '../../dev/tcp-proxy.js';
import { waitFor } from '../../dev/wait-for.js';
import { DAY, HOUR, SECOND } from '../../src/common/clock.js';
import { newKey } from '../../src/services/api-key-form.js';
import { ApiKeys, type NewApiKey } from '../../src/services/api-keys.js';
import { type Api, startTestApp, TEA, type TestApp, times } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type Customer, newCustomer, type OrderView, type Problem, raw, waitUntilBlocked } from '../support/flows.js';

describe('API keys', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let paydesk: TestApp;
  /** Another process on the same database. */
  let other: TestApp;
  let customer: Customer;
  let services = 0;

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await TcpProxy.to(database.url);
    other = await startTestApp({ databaseUrl: database.url });
    paydesk = await startTestApp({ databaseUrl: proxy.url, clock: other.clock });
    customer = await newCustomer(other);
  });
  afterAll(async () => {
    await paydesk.close();
    await other.close();
    await proxy.cut();
    await database.drop();
  });

  const keys = (app = other): ApiKeys => new ApiKeys(app.db, app.clock);
  const newService = (): string => {
    services += 1;
    return `shop-${services}`;
  };
  const make = (asked: Partial<NewApiKey> = {}) =>
    keys().create({ service: newService(), scopes: null, expiresAt: null, by: 'a test', ...asked });
  const revoke = (id: string) => keys().revoke({ column: 'id', value: id }, 'a test');
  const order = (api: Api, headers?: Record<string, string>) =>
    api.post<OrderView>('/orders/', { user_id: customer.id, description: 'Tea', amount: 1800 }, headers);
  const ask = async (app: TestApp, key: string): Promise<number> => (await app.api(key).get('/orders/')).status;
  /** Until this process does not take the key any more. */
  const refused = (app: TestApp, key: string) =>
    waitFor(async () => (await ask(app, key)) === 401, { within: 20 * SECOND });

  it('open the API to the service that they are of', async () => {
    const { key, row } = await make();
    const placed = await order(paydesk.api(key));
    expect(placed.status).toBe(201);
    const rows = await other.db.query<unknown[]>('SELECT service, created_by FROM orders WHERE id = $1', [
      placed.body.id,
    ]);
    expect(rows).toEqual([{ service: row.service, created_by: row.service }]);
    expect((await other.api(key).get(`/orders/${placed.body.id}/`)).status).toBe(200);
    expect((await paydesk.api(key).get('/admin/orders/')).status).toBe(403);
  });

  it('are kept nowhere: the tables hold a hash', async () => {
    const { key, row } = await make();
    expect(row).not.toHaveProperty('hash');
    const tables = await other.db.query<{ name: string }[]>(
      "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'",
    );
    expect(tables.length).toBeGreaterThan(10);
    expect(await ask(paydesk, key)).toBe(200);
    for (const { name } of tables)
      expect(JSON.stringify(await other.db.query(`SELECT t::text FROM ${name} t`))).not.toContain(key.slice(13, 40));
  });

  it('that are unknown, revoked, expired or mistyped are refused with the same bytes as no key at all', async () => {
    const revoked = await make();
    const expired = await make({ expiresAt: new Date(other.clock.now().getTime() + HOUR) });
    await revoke(revoked.row.id);
    other.clock.advance(HOUR);
    const { key } = await make();
    const bad = [
      newKey().key,
      revoked.key,
      expired.key,
      `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`,
      key.slice(0, -1),
      key.slice(0, 12),
      'pdk_',
      `${key}=`,
      key.replace('pdk_', 'pdk.'),
    ];
    const answerTo = async (app: TestApp, path: string, bearer: string[]): Promise<unknown> => {
      const lines = [...bearer.map((text): [string, string] => ['authorization', `Bearer ${text}`])];
      const { status, headers, text } = await raw(app.url, 'POST', path, [
        ['x-request-id', 'req-same-for-all'],
        ...lines,
      ]);
      return { status, text, type: headers['content-type'], names: Object.keys(headers).sort() };
    };
    // A route that the guard alone watches, and one where the caller is looked for before.
    for (const path of ['/api/orders/', '/api/payments/pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB/start/']) {
      const without = await answerTo(paydesk, path, []);
      expect(without).toMatchObject({ status: 401, text: expect.stringContaining('"unauthenticated"') as unknown });
      for (const app of [paydesk, other])
        for (const text of bad) expect([text, await answerTo(app, path, [text])]).toEqual([text, without]);
    }
    expect(await ask(paydesk, key)).toBe(200);
  });

  it('that are revoked are soon refused by every process, also by those that used them a moment ago', async () => {
    const { key, row } = await make();
    expect([await ask(paydesk, key), await ask(other, key)]).toEqual([200, 200]);
    await revoke(row.id);
    expect(await Promise.all([refused(paydesk, key), refused(other, key)])).toEqual([true, true]);
    expect(await ask(paydesk, key)).toBe(401);
  });

  it('stay as they are when they are revoked again', async () => {
    const { row } = await make();
    const first = await revoke(row.id);
    other.clock.advance(SECOND);
    expect(await revoke(row.id)).toEqual(first);
  });

  it('end when their time is over, also where they were used just before', async () => {
    const { key } = await make({ expiresAt: new Date(other.clock.now().getTime() + DAY) });
    other.clock.advance(DAY - 1);
    expect([await ask(paydesk, key), await ask(other, key)]).toEqual([200, 200]);
    other.clock.advance(1);
    expect([await ask(paydesk, key), await ask(other, key)]).toEqual([401, 401]);
  });

  it('are two of a service at the most while it replaces one by the other', async () => {
    const service = newService();
    const [old, next] = [await make({ service }), await make({ service })];
    expect([await ask(paydesk, old.key), await ask(paydesk, next.key)]).toEqual([200, 200]);
    const refusal = await make({ service }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'too_many_api_keys' });
    for (const { row } of [old, next]) expect((refusal as Error).message).toContain(row.prefix);
    await revoke(old.row.id);
    const ending = await make({ service, expiresAt: new Date(other.clock.now().getTime() + HOUR) });
    await expect(make({ service })).rejects.toMatchObject({ code: 'too_many_api_keys' });
    other.clock.advance(HOUR);
    await make({ service });
    expect((await keys().list(service)).map(({ id }) => id)).toHaveLength(4);
    expect(ending.row.service).toBe(service);
  });

  it('are two of a service at the most, however many are made at once', async () => {
    const service = newService();
    const made = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) =>
        keys(index % 2 === 0 ? paydesk : other).create({ service, scopes: null, expiresAt: null, by: 'a test' }),
      ),
    );
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(await keys().list(service)).toHaveLength(2);
    for (const one of made)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'too_many_api_keys' });
  });

  it('wait for one that is just being made for the same service', async () => {
    const service = newService();
    await make({ service });
    // The second one, made by somebody who has not committed yet.
    const holder = other.db.createQueryRunner();
    await holder.startTransaction();
    await holder.query('SELECT FROM services WHERE name = $1 FOR UPDATE', [service]);
    const third = make({ service }).catch((error: unknown) => error);
    await waitUntilBlocked(other);
    await holder.query(
      `INSERT INTO api_keys (id, service, prefix, hash, created_at, created_by)
       VALUES ($1::text, $1::text, $1::text, sha256($1::text::bytea), now(), 'a test')`,
      [service],
    );
    await holder.commitTransaction();
    await holder.release();
    expect(await third).toMatchObject({ code: 'too_many_api_keys' });
  });

  it('may do what their scopes say and nothing else', async () => {
    const reader = await make({ scopes: ['read'] });
    const refunder = await make({ scopes: ['refunds', 'orders'] });
    const { id: orderId } = (await order(paydesk.api(refunder.key))).body;
    expect((await paydesk.api(reader.key).get('/orders/')).status).toBe(200);
    const lacks = (scope: string) => ({
      status: 403,
      body: { code: 'forbidden', detail: `the API key does not have the scope ${scope}` },
    });
    expect(await order(paydesk.api(reader.key))).toMatchObject(lacks('orders'));
    expect(await paydesk.api(reader.key).post('/refunds/', {})).toMatchObject(lacks('refunds'));
    expect(await paydesk.api(refunder.key).get(`/orders/${orderId}/`)).toMatchObject(lacks('read'));
    const refund = '/refunds/ref_01JD8Q5Z6T8RZ1M0V4N9X2K7CB/';
    for (const act of ['succeed', 'reject'])
      expect(await paydesk.api(refunder.key).post(`${refund}${act}/`)).toMatchObject(lacks('approve_refunds'));
    // Tokens and keys with every scope are not asked.
    const everything = await make();
    for (const api of [paydesk.api(everything.key), await paydesk.as('service', everything.row.service)])
      expect((await api.post(`${refund}succeed/`)).status).toBe(404);
  });

  it('share their idempotency keys with the other key and the tokens of their service, and with nobody else', async () => {
    const service = newService();
    const [one, two] = [await make({ service }), await make({ service })];
    const headers = { 'idempotency-key': 'number-17' };
    const first = await order(paydesk.api(one.key), headers);
    expect(first.status).toBe(201);
    for (const api of [other.api(two.key), await paydesk.as('service', service), await other.as('service', service)]) {
      const again = await order(api, headers);
      expect([again.status, again.headers.get('idempotent-replayed'), again.body]).toEqual([201, 'true', first.body]);
    }
    const stranger = await order(paydesk.api((await make()).key), headers);
    expect([stranger.status, stranger.headers.get('idempotent-replayed')]).toEqual([201, null]);
    expect(stranger.body.id).not.toBe(first.body.id);
    // A user whose id is the service's name.
    const namesake = await (
      await paydesk.as('user', service)
    ).post('/orders/', { product_id: TEA, quantity: 1 }, headers);
    expect([namesake.status, namesake.headers.get('idempotent-replayed')]).toEqual([201, null]);
  });

  it('show nothing of a user whose id is the name of their service', async () => {
    const user = await newCustomer(other);
    const { key } = await make({ service: user.id });
    const { body } = await user.api.post<{ id: string }>('/orders/', { product_id: TEA, quantity: 1 });
    const payment = await user.api.post<{ id: string }>('/payments/', { order_id: body.id });
    await user.api.post(`/payments/${payment.body.id}/start/`);
    await user.api.post(`/payments/${payment.body.id}/succeed/`);
    const list = async (api: Api, path: string): Promise<number> =>
      (await api.get<{ items: unknown[] }>(path)).body.items.length;
    expect([await list(user.api, '/notifications/'), await list(user.api, '/orders/')]).toEqual([1, 1]);
    expect([await list(other.api(key), '/notifications/'), await list(other.api(key), '/orders/')]).toEqual([0, 0]);
    for (const path of [`/orders/${body.id}/`, `/payments/${payment.body.id}/`])
      expect((await other.api(key).get(path)).status).toBe(404);
  });

  describe('know when they were last used', () => {
    beforeAll(() =>
      other.db.query(`
        CREATE TABLE uses_written (id text, at timestamptz);
        CREATE FUNCTION note_use() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO uses_written VALUES (NEW.id, NEW.last_used_at); RETURN NULL; END $$;
        CREATE TRIGGER note_use AFTER UPDATE OF last_used_at ON api_keys FOR EACH ROW EXECUTE FUNCTION note_use();
      `),
    );
    const usesOf = async (id: string): Promise<string[]> =>
      (await other.db.query<{ at: Date }[]>('SELECT at FROM uses_written WHERE id = $1 ORDER BY at', [id])).map((row) =>
        row.at.toISOString(),
      );

    it('to the minute, with one write each, however many processes they are used at', async () => {
      const { key, row } = await make();
      const expected: string[] = [];
      for (let minute = 0; minute < 3; minute += 1) {
        other.clock.advance(61 * SECOND);
        expected.push(other.clock.now().toISOString());
        for (let round = 0; round < 2; round += 1) {
          const answers = await times(20, (index) => ask(index % 2 === 0 ? paydesk : other, key));
          expect(new Set(answers)).toEqual(new Set([200]));
          await waitFor(async () => (await usesOf(row.id)).length > minute, { within: 20 * SECOND });
          // Longer than an answer of the database is used again, so that each process asks anew.
          await pause(600);
        }
      }
      expect(await usesOf(row.id)).toEqual(expected);
    });

    it('while no request waits for it', async () => {
      const { key, row } = await make();
      const holder = other.db.createQueryRunner();
      await holder.startTransaction();
      await holder.query('SELECT FROM api_keys WHERE id = $1 FOR UPDATE', [row.id]);
      expect(await ask(paydesk, key)).toBe(200);
      await waitUntilBlocked(other);
      expect(await ask(paydesk, key)).toBe(200);
      expect(await usesOf(row.id)).toEqual([]);
      await holder.rollbackTransaction();
      await holder.release();
      expect(await waitFor(async () => (await usesOf(row.id)).length === 1, { within: 20 * SECOND })).toBe(true);
    });
  });

  it('are not refused because the database is down: the caller is told to come again', async () => {
    const { key } = await make();
    await proxy.cut();
    const answer = await paydesk.api(key).get<Problem>('/orders/');
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
      503,
      'service_unavailable',
      '2',
    ]);
    const start = await paydesk.api(key).post<Problem>('/payments/pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB/start/');
    expect([start.status, start.body.code]).toEqual([503, 'service_unavailable']);
    // What can be no key is refused without the database.
    expect((await paydesk.api(`${key}x`).get('/orders/')).status).toBe(401);
    await proxy.mend();
    expect(await waitFor(async () => (await ask(paydesk, key)) === 200, { within: 20 * SECOND })).toBe(true);
  });
});
