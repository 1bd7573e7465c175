import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanup } from '../../dev/cleanup.js';
import { freePort } from '../../dev/embedded-postgres/free-port.js';
import { openSimulator } from '../../dev/open-simulator.js';
import { waitFor } from '../../dev/wait-for.js';
import type { Simulator } from '../../simulator/index.js';
import { type Answer, type Api, client, times } from '../support/app.js';
import { createTestDatabase } from '../support/database.js';
import type { OrderView, StartedView } from '../support/flows.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { runBuilt, ServiceProcess } from '../support/service-process.js';
import { Gate, type Moment, ShopBackend } from '../support/shop-backend.js';

/** As the shop's own books have them. Amounts in fen. */
interface ShopOrder {
  no: string;
  amount: number;
  status: string;
  refunded: number;
  deliveries: number;
}
interface Placed {
  order: ShopOrder;
  pay_params: StartedView['pay_params'] | null;
}
interface Seen {
  order: ShopOrder;
  refunds: { no: string; amount: number; status: string }[];
}

const PLACE = 'POST /api/orders/';
const FEED = 'GET /api/events/';
const REFUND = 'POST /api/refunds/';
const WITHIN = 30_000;

// Processes take a while to start on a busy machine.
jest.setTimeout(180_000);

describe('the sample shop back end', () => {
  const cleanup = new Cleanup();
  let sim: Simulator;
  let paydesk: Api;
  let gate: Gate;
  let shop: ShopBackend;
  let shopEnv: Record<string, string>;
  let token: string;
  let carts = 0;
  const paidFor: string[] = [];

  beforeAll(async () => {
    const port = await freePort();
    const database = await createTestDatabase();
    cleanup.add(() => database.drop());
    const notifyBase = `http://127.0.0.1:${port}`;
    const simulated = await openSimulator(cleanup, { notifyBase, seed: 7, keyPairs: KEY_PAIRS, refundDelayMs: 100 });
    sim = simulated.sim;
    const env = { ...simulated.env, NODE_ENV: 'test', DATABASE_URL: database.url, LOG_LEVEL: 'silent' };
    const service = await ServiceProcess.start({ ...env, PORT: `${port}` });
    cleanup.add(() => service.end('SIGKILL'));
    const made = await runBuilt('cli.js', ['create_api_key', '--name', 'shop', '--json'], env);
    const { key } = JSON.parse(made.stdout) as { key: string };
    paydesk = client(service.url, key);
    gate = await Gate.to(service.url);
    cleanup.add(() => gate.close());
    const folder = await mkdtemp(join(tmpdir(), 'paydesk-shop-'));
    cleanup.add(() => rm(folder, { recursive: true, force: true }));
    shopEnv = { PAYDESK_URL: gate.url, PAYDESK_API_KEY: key, SHOP_DATA: folder };
    shop = await ShopBackend.start(shopEnv);
    cleanup.add(() => shop.kill());
    token = (await shop.ask<{ token: string }>('/login', undefined, { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' })).body
      .token;
  });
  afterAll(() => cleanup.run());

  const newCart = (): object => ({ cart: `c-${(carts += 1)}`, goods: 'tea', quantity: 3 });
  const place = (cart: object, at = shop): Promise<Answer<Placed>> => at.ask('/orders', token, cart);
  const give = (no: string, body: object, at = shop): Promise<Answer<{ refund: object }>> =>
    at.ask(`/orders/${no}/returns`, token, body);
  const look = async (no: string, at = shop): Promise<Seen> => (await at.ask<Seen>(`/orders/${no}`, token)).body;

  /** The buyer's client asks until it is answered, as the payer sees the shop come back. */
  const placed = async (cart: object): Promise<Placed> => {
    const { status, body } = await place(cart);
    expect(status).toBe(200);
    return body;
  };
  const pay = ({ order, pay_params }: Placed): void => {
    paidFor.push(order.no);
    sim.pay(sim.requestPayment(pay_params!).out_trade_no);
  };
  const until = async (no: string, holds: (seen: Seen) => boolean, at = shop): Promise<Seen> => {
    const seen = await waitFor(
      async () => {
        const now = await look(no, at);
        return holds(now) ? now : null;
      },
      { within: WITHIN },
    );
    if (!seen) throw new Error(`it stays ${JSON.stringify(await look(no, at))}\n${at.output}`);
    return seen;
  };
  const isDelivered = ({ order }: Seen): boolean => order.deliveries > 0;
  const isRefunded = ({ order, refunds }: Seen): boolean =>
    order.refunded > 0 && refunds.some(({ status }) => status === 'succeeded');
  const bought = async (): Promise<string> => {
    const one = await placed(newCart());
    pay(one);
    await until(one.order.no, isDelivered);
    return one.order.no;
  };

  /** Kills the shop at this moment of what is done, and starts it again. */
  const killedAt = async (moment: Moment, work: () => Promise<unknown>): Promise<void> => {
    const killed = gate.at(moment, () => shop.kill());
    const [answer] = await Promise.allSettled([work(), killed]);
    // Only the request that was under way may fail.
    if (answer.status === 'rejected') expect(answer.reason).toBeInstanceOf(TypeError);
    shop = await ShopBackend.start(shopEnv);
  };

  it('sells, is told of the money by the feed, delivers, and refunds a part', async () => {
    const one = await placed(newCart());
    expect(one.order).toMatchObject({ amount: 5400, status: 'unpaid', deliveries: 0 });
    pay(one);
    await until(one.order.no, isDelivered);
    expect((await give(one.order.no, { request: 'r1', quantity: 1 })).status).toBe(200);
    const { order, refunds } = await until(one.order.no, isRefunded);
    expect(order).toMatchObject({ status: 'partially_refunded', refunded: 1800, deliveries: 1 });
    expect(refunds).toMatchObject([{ no: `${order.no}-r1`, amount: 1800, status: 'succeeded' }]);
  });

  it('delivers nothing of an order that was cancelled', async () => {
    const { order } = await placed(newCart());
    const { body } = await paydesk.get<{ items: OrderView[] }>(`/orders/?external_id=${order.no}`);
    expect((await paydesk.post(`/orders/${body.items[0]!.id}/cancel/`)).status).toBe(200);
    await until(order.no, (seen) => seen.order.status === 'cancelled');
    expect((await give(order.no, { request: 'r1', quantity: 1 })).body).toMatchObject({ code: 'not_delivered' });
  });

  it.each<Moment['when']>(['before', 'after'])(
    'is killed %s Paydesk places an order: the same cart is one order',
    async (when) => {
      const cart = newCart();
      await killedAt({ request: PLACE, when }, () => place(cart));
      const one = await placed(cart);
      expect((await placed(cart)).order.no).toBe(one.order.no);
      pay(one);
      expect((await until(one.order.no, isDelivered)).order).toMatchObject({ status: 'paid', deliveries: 1 });
    },
  );

  it.each<Moment['when']>(['before', 'after'])(
    'is killed %s it reads of a payment: it learns of it all the same',
    async (when) => {
      const one = await placed(newCart());
      await killedAt({ request: FEED, when }, async () => {
        pay(one);
        await sim.settled();
      });
      await until(one.order.no, isDelivered);
    },
  );

  it.each<Moment['when']>(['before', 'after'])(
    'is killed %s Paydesk refunds: the same return is one refund',
    async (when) => {
      const no = await bought();
      await killedAt({ request: REFUND, when }, () => give(no, { request: 'r1', quantity: 2 }));
      const { order, refunds } = await until(no, isRefunded);
      expect([order.refunded, refunds.length]).toEqual([3600, 1]);
    },
  );

  it('goes on after a line that a kill has cut short, and counts none that two processes wrote at once twice', async () => {
    const no = await bought();
    await shop.kill();
    const file = join(shopEnv.SHOP_DATA!, 'books.jsonl');
    const deliveries = (await readFile(file, 'utf8')).split('\n').filter((line) => line.includes('"deliver":'));
    await appendFile(file, `\n${deliveries.join('\n')}\n{"key":"evt_01","event":"evt_01","order":{"no"`);
    shop = await ShopBackend.start(shopEnv);
    expect((await look(no)).order).toMatchObject({ status: 'paid', deliveries: 1 });
    await bought();
  });

  it('passes on when to ask again, and what was refused', async () => {
    const cart = newCart();
    const refused = gate.at({ request: PLACE, when: 'before' }, (reply) =>
      reply.writeHead(503, { 'retry-after': '30' }).end('{"code":"service_unavailable"}'),
    );
    const { status, headers } = await place(cart);
    await refused;
    expect([status, headers.get('retry-after')]).toEqual([503, '30']);
    expect((await place({ ...cart, quantity: 4 })).body).toMatchObject({ code: 'cart_changed' });
    expect(await place({ ...cart, quantity: 0.5 })).toMatchObject({ status: 400, body: { code: 'invalid_order' } });
    await sim.faults({ rules: [{ at: 'order', do: 'error', status: 400, code: 'PARAM_ERROR' }] });
    // Its message is Paydesk's `user_message`, which may be shown.
    const message: unknown = expect.stringMatching(/\p{Script=Han}/u);
    expect(await place(cart)).toMatchObject({ status: 502, body: { code: 'channel_rejected', message } });
    await sim.faults({ rules: [] });
    expect((await placed(cart)).pay_params).not.toBeNull();
    const no = await bought();
    const moreThanPaid = await Promise.all(['r1', 'r2'].map((request) => give(no, { request, quantity: 2 })));
    expect(moreThanPaid.map(({ status }) => status)).toEqual([200, 200]);
    const { refunds } = await until(no, isRefunded);
    expect(refunds.map(({ status }) => status).sort()).toEqual(['refused', 'succeeded']);
  });

  it('runs twice at the same time and does no work twice', async () => {
    const twin = await ShopBackend.start(shopEnv);
    try {
      const carts = Array.from({ length: 5 }, newCart);
      const both = [shop, twin];
      const orders = await Promise.all(
        carts.map(async (cart) => {
          const answers = await times(6, (index) => place(cart, both[index % 2]));
          expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
          expect(new Set(answers.map(({ body }) => body.order.no)).size).toBe(1);
          return answers[0]!.body;
        }),
      );
      orders.forEach(pay);
      for (const { order } of orders) await Promise.all(both.map((one) => until(order.no, isDelivered, one)));
      await Promise.all(
        orders.flatMap(({ order }) => both.map((one) => give(order.no, { request: 'r1', quantity: 1 }, one))),
      );
      for (const { order } of orders) {
        for (const one of both) {
          const { order: now, refunds } = await until(order.no, isRefunded, one);
          expect([now.deliveries, now.refunded, refunds.length]).toEqual([1, 1800, 1]);
        }
      }
    } finally {
      await twin.kill();
    }
  });

  it("ends with books that are Paydesk's and WeChat Pay's, to the fen, and each paid order delivered once", async () => {
    await shop.kill();
    shop = await ShopBackend.start(shopEnv);
    const orders: OrderView[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const path: string = `/orders/?limit=100${cursor && `&cursor=${cursor}`}`;
      const { body } = await paydesk.get<{ items: OrderView[]; next_cursor: string | null }>(path);
      orders.push(...body.items);
      cursor = body.next_cursor;
    }
    const { transactions, refunds } = sim.ledger();
    const sum = (amounts: number[]): number => amounts.reduce((total, amount) => total + amount, 0);
    const rows = orders.map((order) => {
      const { paid_payment_id: paymentId } = order;
      const paid = transactions.filter((one) => one.out_trade_no === paymentId && one.paid_at !== null);
      const back = refunds.filter((one) => one.out_trade_no === paymentId && one.status === 'SUCCESS');
      return {
        no: order.external_id,
        status: order.status,
        ...{ paid: paymentId === null ? 0 : order.amount, refunded: order.refunded_amount },
        ...{ taken: sum(paid.map((one) => one.total)), returned: sum(back.map((one) => one.refund)) },
      };
    });
    expect(rows.filter(({ paid, taken, refunded, returned }) => paid !== taken || refunded !== returned)).toEqual([]);
    expect(sum(rows.map(({ paid }) => paid))).toBe(sim.ledger().totals.taken);
    expect(sum(rows.map(({ refunded }) => refunded))).toBe(sim.ledger().totals.refunded);

    const own = await Promise.all(rows.map(async ({ no }) => (await look(no!)).order));
    const summary = ({ no, status, refunded, paid }: Omit<(typeof rows)[number], 'taken' | 'returned'>): object => ({
      ...{ no, status, refunded, paid, deliveries: paid > 0 ? 1 : 0 },
    });
    expect(
      own.map(({ no, status, refunded, amount, deliveries }) => ({
        ...{ no, status: status === 'unpaid' ? 'pending' : status, refunded, paid: deliveries * amount, deliveries },
      })),
    ).toEqual(rows.map(summary));
    const delivered = own.filter(({ deliveries }) => deliveries === 1).map(({ no }) => no);
    expect(delivered.sort()).toEqual(paidFor.sort());
  });
});
