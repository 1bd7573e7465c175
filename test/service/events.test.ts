import { byTimer } from '../../src/common/cause.js';
import { newId } from '../../src/common/ids.js';
import { transaction } from '../../src/database/transaction.js';
import { EventOutbox } from '../../src/events/event-outbox.js';
import { EVENT_TYPES, type NewEvent } from '../../src/events/event-types.js';
import type { Problem } from '../../src/http/problem.js';
import { StaleOrders } from '../../src/payments/stale-orders.js';
import { type Api, startTestApp, type TestApp, times } from '../support/app.js';
import { readFeed, type Told, toldOf } from '../support/events.js';
import {
  type Bought,
  buy,
  buyAndStart,
  newCustomer,
  orderOf,
  orderTea,
  paymentOf,
  placeOrder,
  waitUntilBlocked,
} from '../support/flows.js';
import { heldPayment } from '../support/late-money.js';
import { approveRefund, askFor, paid, refundOf } from '../support/refunds.js';

const SHOP = 'shop-backend';
const SUCCEEDED = ['order.created', 'payment.created', 'payment.processing', 'payment.succeeded', 'order.paid'];

describe('the events of a service', () => {
  let paydesk: TestApp;
  let shop: Api;

  beforeAll(async () => {
    paydesk = await startTestApp({ env: { LATE_PAYMENT_POLICY: 'hold' } });
    shop = await paydesk.as('service', SHOP);
  });
  afterAll(() => paydesk.close());

  const lastOf = async (): Promise<Told | undefined> => (await readFeed(shop)).at(-1);

  it('tell an order from its placing to its last refund, each with its rows as they were', async () => {
    const bought = await buy(paydesk, { metadata: { cart: 'c-17', b: 1, a: 2 } });
    const [created, begun] = (await readFeed(shop)).slice(-2);
    expect(created).toMatchObject({
      type: 'order.created',
      data: { order: { id: bought.orderId, status: 'pending' } },
    });
    expect(created?.data.order.metadata).toEqual({ cart: 'c-17', b: 1, a: 2 });
    expect(begun?.data).toEqual({ order: await orderOf(bought), payment: await paymentOf(bought) });

    await bought.customer.api.post(`${bought.path}start/`);
    expect((await lastOf())?.data.payment).toEqual(await paymentOf(bought));
    await bought.customer.api.post(`${bought.path}succeed/`);
    const rows = { order: await orderOf(bought), payment: await paymentOf(bought) };
    expect(rows).toMatchObject({ order: { status: 'paid' }, payment: { status: 'succeeded' } });
    // Nobody ever saw the payment paid and the order unpaid: nor does the service.
    expect((await readFeed(shop)).slice(-2)).toMatchObject([
      { type: 'payment.succeeded', data: rows },
      { type: 'order.paid', data: rows },
    ]);

    const [part, rest] = [await askFor(bought, 500, 'broken'), await askFor(bought)];
    await approveRefund(paydesk, part);
    expect((await lastOf())?.data).toEqual({
      order: await orderOf(bought),
      payment: await paymentOf(bought),
      refund: await refundOf(paydesk, part),
    });
    await approveRefund(paydesk, rest);
    expect(await toldOf(shop, bought.orderId)).toEqual([
      ...SUCCEEDED,
      ...['refund.requested', 'refund.requested'],
      ...['refund.processing', 'refund.succeeded', 'order.partially_refunded'],
      ...['refund.processing', 'refund.succeeded', 'order.refunded'],
    ]);
  });

  it('are none of an order that its user placed', async () => {
    const before = await readFeed(shop);
    const customer = await newCustomer(paydesk);
    const { body: order } = await orderTea(customer);
    const { body: payment } = await customer.api.post('/payments/', { order_id: order.id });
    await customer.api.post(`/payments/${String(payment.id)}/start/`);
    await customer.api.post(`/payments/${String(payment.id)}/succeed/`);
    expect((await customer.api.get(`/orders/${order.id}/`)).body).toMatchObject({ status: 'paid' });
    expect(await readFeed(shop)).toEqual(before);
  });

  it('tell of a refusal and of the ends of payments and orders', async () => {
    const refused = await paid(paydesk);
    const refund = await askFor(refused, 100);
    await (await paydesk.as('operator')).post(`/refunds/${refund}/reject/`, { reason: 'no' });
    expect((await lastOf())?.data.refund).toMatchObject({
      status: 'rejected',
      failure: { code: 'rejected_by_operator' },
    });

    const cancelled = await buyAndStart(paydesk);
    await cancelled.customer.api.post(`${cancelled.path}cancel/`);
    const unpaid = await placeOrder(paydesk, await newCustomer(paydesk));
    paydesk.clock.advance(3600_000);
    await paydesk.app.get(StaleOrders).cancel({ cause: byTimer('cancel_stale_orders'), limit: 1000 });
    expect((await toldOf(shop, cancelled.orderId)).slice(-2)).toEqual(['payment.closed', 'order.cancelled']);
    expect(await toldOf(shop, unpaid)).toEqual(['order.created', 'order.cancelled']);
  });

  it('never call late money a success, and say so when it is accepted', async () => {
    const { orderId, paymentId, caseId } = await heldPayment(paydesk);
    const late = (await readFeed(shop)).filter(({ data }) => data.payment?.id === paymentId);
    expect(late.map(({ type }) => type)).not.toContain('payment.succeeded');
    expect(late.at(-1)).toMatchObject({ type: 'payment.late', data: { payment: { status: 'succeeded' } } });
    expect(late.at(-1)?.data.order.status).not.toBe('paid');
    const operator = await paydesk.as('operator');
    const decision = { note: 'The customer was asked', action: 'accept' };
    const { status } = await operator.post(`/admin/reconciliation/discrepancies/${caseId}/resolve/`, decision);
    expect(status).toBe(200);
    expect((await toldOf(shop, orderId)).slice(-2)).toEqual(['payment.accepted', 'order.paid']);
  });

  it('are placed once however often the same order is asked for', async () => {
    const customer = await newCustomer(paydesk);
    const order = { user_id: customer.id, description: 'tea', amount: 100 };
    const key = { 'idempotency-key': newId('req', paydesk.clock) };
    const answers = await times(5, () => shop.post<{ id: string }>('/orders/', order, key));
    const made = answers.find(({ status }) => status === 201);
    expect(await toldOf(shop, made?.body.id ?? '')).toEqual(['order.created']);
  });

  describe('are read', () => {
    let all: Told[];

    beforeAll(async () => {
      all = await readFeed(shop);
      expect(all.length).toBeGreaterThan(10);
    });

    it('in one order, from the beginning and from any of them on, in pages of any size', async () => {
      expect(await readFeed(shop, { limit: 3 })).toEqual(all);
      for (const [index, { id }] of all.entries()) {
        expect(await readFeed(shop, { after: id, limit: 40 })).toEqual(all.slice(index + 1));
      }
    });

    it('with a cursor only while there is more', async () => {
      const whole = await shop.get('/events/?limit=1');
      expect(whole.body).toMatchObject({ items: [{ id: all[0]?.id }], next_cursor: all[0]?.id });
      const after = all.at(-2)?.id ?? '';
      expect((await shop.get(`/events/?limit=1&after=${after}`)).body).toEqual({
        items: all.slice(-1),
        next_cursor: null,
      });
      const nothing = { items: [], next_cursor: null };
      expect((await shop.get(`/events/?after=${all.at(-1)?.id}`)).body).toEqual(nothing);
      expect((await shop.get<{ items: Told[] }>('/events')).body.items).toHaveLength(Math.min(20, all.length));
    });

    it.each(['order.paid', 'refund.rejected', 'order.paid,refund.requested', EVENT_TYPES.join(','), 'refund.closed'])(
      'by type: %s',
      async (types) => {
        const of = all.filter(({ type }) => types.split(',').includes(type));
        expect(await readFeed(shop, { types, limit: 2 })).toEqual(of);
        expect(await readFeed(shop, { types: `${types},${types}` })).toEqual(of);
      },
    );

    it('and never another service’s', async () => {
      const other = await paydesk.as('service', 'another-shop');
      expect(await readFeed(other)).toEqual([]);
      const customer = await newCustomer(paydesk);
      const { body } = await other.post<{ id: string }>('/orders/', {
        ...{ user_id: customer.id, description: 'a cup', amount: 5 },
      });
      expect((await readFeed(other)).map(({ type, data }) => [type, data.order.id])).toEqual([
        ['order.created', body.id],
      ]);
      expect(await readFeed(shop)).toEqual(all);
    });

    it('after an event of the service itself: what it cannot know answers as what there is not', async () => {
      const other = await paydesk.as('service', 'another-shop');
      const foreign = (await readFeed(other))[0]?.id ?? '';
      const unknown = newId('evt', paydesk.clock);
      const answers = await Promise.all(
        [foreign, unknown, 'evt_1', 'x'.repeat(200), all[0]?.data.order.id ?? ''].map(async (after) => {
          const { status, body } = await shop.get<Problem>(`/events/?after=${after}`);
          return [status, { ...body, request_id: '' }];
        }),
      );
      expect(answers[0]).toMatchObject([400, { code: 'invalid_cursor' }]);
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(foreign).not.toBe('');
    });

    it.each([
      ['types=order.paid,order.lost,x', 'types names what is no type of event: "order.lost", "x"'],
      ['types=', 'types names what is no type of event: ""'],
      ['types=order.paid,', 'types names what is no type of event: ""'],
      ['limit=0', 'limit must not be less than 1'],
      ['limit=101', 'limit must not be greater than 100'],
      ['cursor=x', 'cursor is not a known field'],
      ['after=a&after=b', 'after must be a string'],
    ])('with a clear refusal of ?%s', async (query, message) => {
      const { status, body } = await shop.get<Problem>(`/events/?${query}`);
      expect([status, body.code, body.errors?.map((error) => error.message)]).toEqual([
        400,
        'invalid_request',
        [message],
      ]);
    });

    it('by services alone', async () => {
      const customer = await newCustomer(paydesk);
      const operator = await paydesk.as('operator');
      const answers = await Promise.all([paydesk.api(), customer.api, operator].map((api) => api.get('/events/')));
      expect(answers.map(({ status }) => status)).toEqual([401, 403, 403]);
    });

    it('without a lock while nothing is new', async () => {
      await transaction(paydesk.db, async (tx) => {
        await tx.query('SELECT FROM event_positions FOR UPDATE');
        expect(await readFeed(shop)).toEqual(all);
      });
    });
  });
});

describe('the feed', () => {
  let paydesk: TestApp;
  let other: TestApp;
  let outbox: EventOutbox;

  beforeAll(async () => {
    paydesk = await startTestApp();
    other = await startTestApp({ databaseUrl: paydesk.databaseUrl, clock: paydesk.clock });
    outbox = paydesk.app.get(EventOutbox);
  });
  afterAll(async () => {
    await other.close();
    await paydesk.close();
  });

  const event = (service: string, mark: string): NewEvent => ({
    ...{ service, type: 'order.created' },
    data: { order: { id: mark } },
  });
  const marks = (told: Told[]): string[] => told.map(({ data }) => data.order.id);

  /** A transaction that has written its event and commits when it is told to. */
  async function open(service: string, mark: string): Promise<() => Promise<void>> {
    let release = (): void => undefined;
    let wrote = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const written = new Promise<void>((resolve) => (wrote = resolve));
    const whole = transaction(paydesk.db, async (tx) => {
      await outbox.add(tx, [event(service, mark)]);
      wrote();
      await released;
    });
    await written;
    return () => {
      release();
      return whole;
    };
  }

  it('puts what commits late behind what was read, and skips it not', async () => {
    const shop = await paydesk.as('service', 'patient-shop');
    const commitLate = await open('patient-shop', 'late');
    for (const mark of ['a', 'b', 'c']) await (await open('patient-shop', mark))();
    const read = await readFeed(shop);
    expect(marks(read)).toEqual(['a', 'b', 'c']);
    expect(await readFeed(shop, { after: read.at(-1)?.id })).toEqual([]);

    await commitLate();
    expect(marks(await readFeed(shop, { after: read.at(-1)?.id }))).toEqual(['late']);
    await (
      await open('patient-shop', 'd')
    )();
    const all = await readFeed(shop);
    expect(marks(all)).toEqual(['a', 'b', 'c', 'late', 'd']);
    for (const [index, { id }] of all.entries()) {
      expect(await readFeed(shop, { after: id, limit: 1 })).toEqual(all.slice(index + 1));
    }
  });

  it('keeps the order that a reader saw, whatever commits in whatever order', async () => {
    const shop = await other.as('service', 'busy-shop');
    const read: Told[] = [];
    const underWay = new Map<string, () => Promise<void>>();
    const begun: string[] = [];
    for (let step = 0; step < 60; step += 1) {
      // Four at once: the pool of the application has other work too.
      if (underWay.size < 4 && begun.length < 40) {
        begun.push(`m${step}`);
        underWay.set(`m${step}`, await open('busy-shop', `m${step}`));
        continue;
      }
      const waiting = [...underWay.keys()];
      const mark = waiting[(step * 7) % waiting.length];
      if (mark === undefined) break;
      await underWay.get(mark)?.();
      underWay.delete(mark);
      read.push(...(await readFeed(shop, { after: read.at(-1)?.id, limit: 2 })));
    }
    for (const commit of underWay.values()) await commit();
    read.push(...(await readFeed(shop, { after: read.at(-1)?.id })));
    expect(marks(read).sort()).toEqual([...begun].sort());
    expect(await readFeed(shop)).toEqual(read);
  });

  it('is one for many readers and writers on two processes', async () => {
    const readers = await times(6, (index) => [paydesk, other][index % 2]?.as('service', SHOP) as Promise<Api>);
    let writing = true;
    const reads = readers.map(async (shop, index) => {
      const read: Told[] = [];
      for (let ended = false; ;) {
        const more = await readFeed(shop, { after: read.at(-1)?.id, limit: 1 + index * 3 });
        read.push(...more);
        if (ended) return read.map(({ id }) => id);
        // One more round after the last write.
        ended = !writing;
      }
    });
    const shops = [paydesk, other];
    const bought: Bought[] = [];
    for (let round = 0; round < 5; round += 1) {
      bought.push(...(await times(8, (index) => paid(shops[index % 2] ?? paydesk))));
    }
    writing = false;

    const [first = [], ...others] = await Promise.all(reads);
    for (const one of others) expect(one).toEqual(first);
    const all = await readFeed(await paydesk.as('service', SHOP));
    expect(all.map(({ id }) => id)).toEqual(first);
    expect(new Set(first).size).toBe(first.length);
    expect(first).toHaveLength(bought.length * SUCCEEDED.length);
    for (const { orderId } of bought) {
      expect(all.filter(({ data }) => data.order.id === orderId).map(({ type }) => type)).toEqual(SUCCEEDED);
    }
    expect(await paydesk.db.query('SELECT id FROM event_outbox')).toEqual([]);
  });

  it('is placed by one at a time: who waits for the other counts on from where it ended', async () => {
    await transaction(paydesk.db, (tx) => outbox.add(tx, [event('first-shop', 'x'), event('next-shop', 'a')]));
    const [row] = await paydesk.db.query<{ id: string }[]>(`SELECT id FROM event_outbox WHERE service = 'first-shop'`);
    const stopped = paydesk.db.createQueryRunner();
    await stopped.startTransaction();
    // Whoever places the same event waits for what becomes of this one.
    await stopped.query(
      `INSERT INTO events (id, service, position, type, created_at, order_id, data)
       VALUES ($1, 'nobody', 0, 'order.created', now(), 'x', '{}')`,
      [row?.id],
    );
    const one = outbox.place();
    await waitUntilBlocked(paydesk);
    await (
      await open('next-shop', 'b')
    )();
    const next = other.app.get(EventOutbox).place();
    await waitUntilBlocked(paydesk, 2);
    await stopped.rollbackTransaction();
    await stopped.release();
    await Promise.all([one, next]);
    expect(marks(await readFeed(await paydesk.as('service', 'next-shop')))).toEqual(['a', 'b']);
  });

  it('places a backlog in its order, though it is larger than what one transaction takes', async () => {
    const count = 2500;
    await transaction(paydesk.db, (tx) =>
      outbox.add(
        tx,
        Array.from({ length: count }, (_, index) => event('old-shop', `${index}`)),
      ),
    );
    const shop = await paydesk.as('service', 'old-shop');
    expect(marks(await readFeed(shop))).toEqual(Array.from({ length: count }, (_, index) => `${index}`));
  });

  it('takes back what a transaction takes back', async () => {
    const undone = transaction(paydesk.db, async (tx) => {
      await outbox.add(tx, [event('calm-shop', 'undone')]);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await (
      await open('calm-shop', 'done')
    )();
    expect(marks(await readFeed(await paydesk.as('service', 'calm-shop')))).toEqual(['done']);
  });
});
