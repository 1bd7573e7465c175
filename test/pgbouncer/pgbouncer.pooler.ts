import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { waitFor } from '../../dev/wait-for.js';
import { byTimer } from '../../src/common/cause.js';
import { HOUR, MINUTE } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { times } from '../support/app.js';
import { compare, paid, refunded, untilChina } from '../support/bills.js';
import { createEmptyDatabase } from '../support/database.js';
import { readFeed } from '../support/events.js';
import { type Bought, buyAndStart, inTurns, orderOf, statesOf } from '../support/flows.js';
import { PgBouncer } from '../support/pg-bouncer.js';
import { runBuilt, ServiceProcess } from '../support/service-process.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

jest.setTimeout(120_000);

const AT_ONCE = 32;

/** What the service answered, statuses by how often, and how many callbacks are in work. */
interface Traffic {
  statuses: Map<number, number>;
  callbacks: number;
}

function watch(shop: Simulated): Traffic {
  const traffic: Traffic = { statuses: new Map(), callbacks: 0 };
  shop.app.getHttpServer().on('request', (request: IncomingMessage, response: ServerResponse) => {
    const callback = request.url?.includes('/callback/') === true;
    if (callback) traffic.callbacks += 1;
    response.once('finish', () => {
      if (callback) traffic.callbacks -= 1;
      traffic.statuses.set(response.statusCode, (traffic.statuses.get(response.statusCode) ?? 0) + 1);
    });
  });
  return traffic;
}

/** Keeps payments from being written, so that callbacks gather, until the answered function is called. */
async function holdPayments(databaseUrl: string): Promise<() => Promise<void>> {
  const holder = new pg.Client({ connectionString: databaseUrl });
  await holder.connect();
  await holder.query('BEGIN; LOCK TABLE payments IN EXCLUSIVE MODE');
  return () => holder.end();
}

describe.each(['session', 'transaction'] as const)('behind a PgBouncer in %s mode', (mode) => {
  let bouncer: PgBouncer;
  let shop: Simulated;
  let traffic: Traffic;
  const pooler = { DATABASE_POOLER: mode };

  beforeAll(async () => {
    bouncer = await PgBouncer.start(mode);
    shop = await startSimulated({
      env: pooler,
      through: (databaseUrl) => bouncer.through(databaseUrl),
      simulator: { refundDelayMs: 5 * MINUTE },
    });
    traffic = watch(shop);
  });
  afterAll(async () => {
    await shop.close();
    await bouncer.stop();
  });

  it('takes an order from its start to its payment and refunds it', async () => {
    const bought = await buyAndStart(shop, { amount: 1800 });
    await shop.pay(bought.paymentId);
    expect(await statesOf(bought)).toBe('succeeded/paid');
    await refunded(shop, bought, 700);
    await shop.advance(6 * MINUTE);
    expect(await orderOf(bought)).toMatchObject({ status: 'partially_refunded', refunded_amount: 700 });
  });

  it(`settles callbacks that come ${AT_ONCE} at once`, async () => {
    const bought = await inTurns(4 * AT_ONCE, () => buyAndStart(shop));
    const release = await holdPayments(shop.databaseUrl);
    for (const { paymentId } of bought) shop.sim.pay(paymentId);
    while (traffic.callbacks < AT_ONCE) await setTimeout(5);
    await release();
    await shop.sim.settled();
    const states = await inTurns(bought.length, () => statesOf(bought.pop() as Bought));
    expect(new Set(states)).toEqual(new Set(['succeeded/paid']));
  });

  it('tells the shop of each of these once, however many read at once', async () => {
    const backend = await shop.as('service', 'shop-backend');
    const [first = [], ...others] = await times(8, (index) => readFeed(backend, { limit: 10 + index }));
    for (const one of others) expect(one).toEqual(first);
    const paidOrders = first.filter(({ type }) => type === 'order.paid').map(({ data }) => data.order.id);
    expect(paidOrders.length).toBeGreaterThan(4 * AT_ONCE);
    expect(new Set(paidOrders).size).toBe(paidOrders.length);
    expect(await shop.db.query('SELECT id FROM event_outbox')).toEqual([]);
  });

  it('asks about open payments and ends those that are too old', async () => {
    const old = await inTurns(20, () => buyAndStart(shop));
    await shop.advance(HOUR);
    const report = await shop.app.get(DuePayments).run({ scope: 'expired', cause: byTimer('expire'), limit: 100 });
    expect(report).toMatchObject({ expired: old.length, unknown: 0 });
  });

  it('takes API keys until they are revoked', async () => {
    const env = { DATABASE_URL: bouncer.through(shop.databaseUrl), ...pooler };
    const command = async (words: string): Promise<Record<string, string>> => {
      const { code, stdout, stderr } = await runBuilt('cli.js', [...words.split(' '), '--json'], env);
      expect([code, stderr]).toEqual([0, '']);
      return JSON.parse(stdout) as Record<string, string>;
    };
    const made = await command('create_api_key --name shop');
    const ask = async (): Promise<number> => (await shop.api(made.key).get('/orders/')).status;
    expect(await ask()).toBe(200);
    await command(`revoke_api_key ${made.id}`);
    expect(await waitFor(async () => (await ask()) === 401, { within: 20_000 })).toBe(true);
  });

  it(mode === 'session' ? 'compares a bill' : 'says that a bill needs a session', async () => {
    const day = await untilChina(shop, 12);
    await paid(shop, 4200);
    await untilChina(shop, 11);
    const comparison = compare(shop, day);
    if (mode === 'session') expect(await comparison).toMatchObject({ day, differences: {} });
    else await expect(comparison).rejects.toMatchObject({ code: 'session_needed' });
  });

  it('answered nothing with a fault of its own', () => {
    const faults = [...traffic.statuses.keys()].filter((status) => status >= 500 && status !== 503);
    expect(faults).toEqual([]);
    expect(traffic.statuses.get(200)).toBeGreaterThan(4 * AT_ONCE);
  });

  it('is named by the start', async () => {
    const service = await ServiceProcess.start({ DATABASE_URL: bouncer.through(shop.databaseUrl), ...pooler });
    expect(service.output).toContain(`through a pooler in ${mode} mode`);
    expect(service.output.includes('does not compare the daily bills')).toBe(mode === 'transaction');
    expect(await service.end()).toEqual([0, null]);
  });
});

describe('a PgBouncer in transaction mode that the settings do not name', () => {
  let bouncer: PgBouncer;

  beforeAll(async () => {
    bouncer = await PgBouncer.start('transaction');
  });
  afterAll(() => bouncer.stop());

  it('stops the start with what to set, and migrations say that they need a session', async () => {
    const empty = await createEmptyDatabase();
    try {
      const env = { DATABASE_URL: bouncer.through(empty.url) };
      const unnamed = await runBuilt('main.js', [], env);
      expect(unnamed).toMatchObject({
        code: 78,
        stderr: expect.stringContaining('DATABASE_POOLER=transaction') as string,
      });
      const waiting = await runBuilt('main.js', [], { ...env, DATABASE_POOLER: 'transaction' });
      expect(waiting).toMatchObject({
        code: 78,
        stderr: expect.stringContaining('schema is not up to date') as string,
      });
      const migration = await runBuilt('cli.js', ['migrate'], { ...env, DATABASE_POOLER: 'transaction' });
      expect(migration).toMatchObject({
        code: 78,
        stderr: expect.stringContaining('require a database session') as string,
      });
      for (const { stderr } of [unnamed, waiting, migration]) expect(stderr).not.toMatch(/^\s+at /m);
    } finally {
      await empty.drop();
    }
  });
});
