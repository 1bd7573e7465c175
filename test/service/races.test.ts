import { byCommand, byTimer } from '../../src/common/cause.js';
import { MINUTE } from '../../src/common/clock.js';
import { newId } from '../../src/common/ids.js';
import { DuePayments, type DueReport, type DueScope } from '../../src/payments/due-payments.js';
import { StaleOrders } from '../../src/payments/stale-orders.js';
import { startTestApp, type TestApp, times } from '../support/app.js';
import {
  announcementsOf,
  type Bought,
  buy,
  buyAndStart,
  inTurns,
  movesOf,
  newCustomer,
  placeOrder,
  statesOf,
  waitUntilBlocked,
} from '../support/flows.js';

const TTL = 30 * MINUTE;

describe('what races', () => {
  let paydesk: TestApp;
  /** A second process on the same database. */
  let other: TestApp;

  beforeAll(async () => {
    const env = { LATE_PAYMENT_POLICY: 'hold', JWT_TTL_SECONDS: '2592000', CHANNEL_QUERIES_PER_SECOND: '10000' };
    paydesk = await startTestApp({ env });
    other = await startTestApp({ env, databaseUrl: paydesk.databaseUrl, clock: paydesk.clock });
  });
  afterAll(async () => {
    await other.close();
    await paydesk.close();
  });

  const run = (app: TestApp, scope: DueScope = 'expired', limit = 1000): Promise<DueReport> =>
    app.app.get(DuePayments).run({ scope, cause: byCommand('expire_payments'), limit });

  const succeed = ({ customer, path }: Bought): Promise<{ status: number }> => customer.api.post(`${path}succeed/`);

  const lastMoves = async (bought: Bought): Promise<string[]> => (await movesOf(paydesk, bought.orderId)).slice(-2);

  /** Holds the order's row until it is let go. */
  const holdOrder = async (orderId: string): Promise<() => Promise<void>> => {
    const lock = paydesk.db.createQueryRunner();
    await lock.startTransaction();
    await lock.query('SELECT 1 FROM orders WHERE id = $1 FOR UPDATE', [orderId]);
    return async () => {
      await lock.commitTransaction();
      await lock.release();
    };
  };

  describe('an expiry and a success', () => {
    it('in this order: the success comes too late', async () => {
      const bought = await buyAndStart(paydesk);
      paydesk.clock.advance(TTL);
      await run(paydesk);
      expect((await succeed(bought)).status).toBe(409);
      expect(await statesOf(bought)).toBe('expired/cancelled');
    });

    it('in the other order: nothing is left to expire', async () => {
      const bought = await buyAndStart(paydesk);
      paydesk.clock.advance(TTL - 1);
      expect((await succeed(bought)).status).toBe(200);
      paydesk.clock.advance(1);
      expect((await run(paydesk)).checked).toBe(0);
      expect(await statesOf(bought)).toBe('succeeded/paid');
    });

    it.each(['expiry first', 'success first'])('at once, %s in the queue: the first one wins alone', async (first) => {
      const bought = await buyAndStart(paydesk);
      const letGo = await holdOrder(bought.orderId);
      // Asked in time, but it has to wait for the row.
      const paying = (): Promise<{ status: number }> =>
        paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' });
      const expiring = (): Promise<DueReport> => {
        paydesk.clock.advance(TTL);
        return run(other);
      };
      const queue: Promise<unknown>[] = [];
      queue.push(first === 'expiry first' ? expiring() : paying());
      await waitUntilBlocked(paydesk);
      queue.push(first === 'expiry first' ? paying() : expiring());
      await waitUntilBlocked(paydesk, 2);
      await letGo();
      await Promise.all(queue);
      if (first === 'success first') {
        expect(await statesOf(bought)).toBe('succeeded/paid');
        expect(await announcementsOf(paydesk, bought.paymentId)).toEqual(['payment.succeeded']);
      } else {
        // The money is there all the same: recorded, but the order stays cancelled.
        expect(await statesOf(bought)).toBe('succeeded/cancelled');
        expect(await lastMoves(bought)).toEqual(['order cancelled by command', 'payment succeeded by callback']);
      }
    });

    it('for fifty payments at once: each has one fate, its order the same', async () => {
      const all = await inTurns(50, () => buyAndStart(paydesk));
      paydesk.clock.advance(TTL - 1);
      const paying = times(50, (index) => succeed(all[index] as Bought));
      paydesk.clock.advance(1);
      const [answers] = await Promise.all([paying, run(paydesk), run(other)]);
      const states = await Promise.all(all.map(statesOf));
      states.forEach((state, index) => {
        expect([state, answers[index]?.status]).toEqual(
          state === 'succeeded/paid' ? ['succeeded/paid', 200] : ['expired/cancelled', 409],
        );
      });
      for (const bought of all) expect(await announcementsOf(paydesk, bought.paymentId)).toHaveLength(1);
    });
  });

  it('two expiries at once share the work and do none of it twice', async () => {
    const all = await inTurns(120, () => buyAndStart(paydesk));
    paydesk.clock.advance(TTL);
    const [one, two] = await Promise.all([run(paydesk), run(other)]);
    expect(one.checked + two.checked).toBe(120);
    expect(one.expired + two.expired).toBe(120);
    for (const bought of all) {
      expect((await movesOf(paydesk, bought.orderId)).slice(2)).toEqual([
        'payment expired by command',
        'order cancelled by command',
      ]);
      expect(await announcementsOf(paydesk, bought.paymentId)).toEqual(['payment.expired']);
    }
  });

  it('an expiry does not wait for payments that somebody else has in hand', async () => {
    const [held, free] = [await buyAndStart(paydesk), await buyAndStart(paydesk)];
    paydesk.clock.advance(TTL);
    const lock = paydesk.db.createQueryRunner();
    await lock.startTransaction();
    await lock.query('SELECT 1 FROM payments WHERE id = $1 FOR UPDATE', [held.paymentId]);
    expect((await run(other)).payments).toEqual([{ id: free.paymentId, status: 'expired' }]);
    await lock.rollbackTransaction();
    await lock.release();
    expect((await run(other)).payments).toEqual([{ id: held.paymentId, status: 'expired' }]);
  });

  it('the work of a dead process is taken up when its lease has run out', async () => {
    const bought = await buyAndStart(paydesk);
    paydesk.clock.advance(TTL);
    await paydesk.db.query('UPDATE payments SET lease_until = $2 WHERE id = $1', [
      bought.paymentId,
      new Date(paydesk.clock.now().getTime() + MINUTE),
    ]);
    expect((await run(other)).checked).toBe(0);
    paydesk.clock.advance(MINUTE - 1);
    expect((await run(other)).checked).toBe(0);
    paydesk.clock.advance(1);
    expect((await run(other)).expired).toBe(1);
    expect(await statesOf(bought)).toBe('expired/cancelled');
  });

  it('a payment that nobody answers about is given back and asked about again later', async () => {
    const bought = await buy(paydesk, { metadata: { mock_outcome: 'timeout' } });
    await bought.customer.api.post(`${bought.path}start/`);
    const due = (): Promise<DueReport> =>
      paydesk.app.get(DuePayments).run({ scope: 'due', cause: byTimer('check_payments'), limit: 100 });
    paydesk.clock.advance(5000);
    expect((await due()).unknown).toBe(1);
    expect((await due()).checked).toBe(0);
    paydesk.clock.advance(30_000);
    expect((await due()).unknown).toBe(1);
    await bought.customer.api.post(`${bought.path}cancel/`);
  });

  it.each(['init', 'processing'])('a cancel and a success of a payment in %s: one of them wins', async (state) => {
    for (let round = 0; round < 5; round += 1) {
      const bought = await (state === 'init' ? buy(paydesk) : buyAndStart(paydesk));
      const [cancelled, paid] = await Promise.all([bought.customer.api.post(`${bought.path}cancel/`), succeed(bought)]);
      const states = await statesOf(bought);
      expect(['closed/pending', 'succeeded/paid']).toContain(states);
      expect(paid.status).toBe(states === 'succeeded/paid' ? 200 : 409);
      if (states === 'closed/pending') expect(cancelled.status).toBe(200);
      expect(await announcementsOf(paydesk, bought.paymentId)).toHaveLength(1);
    }
  });

  it('many payments are made, cancelled and paid at once for one order: never two open, never paid twice', async () => {
    const customer = await newCustomer(paydesk);
    const order_id = await placeOrder(paydesk, customer);
    await times(60, async (index) => {
      const { body, status } = await customer.api.post('/payments/', { order_id });
      if (status !== 200 && status !== 201) return;
      const step = ['start', 'cancel', 'succeed'][index % 3];
      await customer.api.post(`/payments/${String(body.id)}/${step}/`);
    });
    // Every payment may have been cancelled before it was paid: then this one pays.
    const last = await customer.api.post('/payments/', { order_id });
    if (last.status < 300) await customer.api.post(`/payments/${String(last.body.id)}/succeed/`);
    const moves = await movesOf(paydesk, order_id);
    expect(moves.filter((move) => move.startsWith('order paid'))).toHaveLength(1);
    const open = { now: 0, most: 0 };
    for (const move of moves) {
      if (move.startsWith('payment init')) open.now += 1;
      if (/^payment (closed|succeeded)/.test(move)) open.now -= 1;
      open.most = Math.max(open.most, open.now);
    }
    expect(open).toEqual({ now: 0, most: 1 });
    const paid = await paydesk.db.query<unknown[]>(
      "SELECT 1 FROM payments WHERE order_id = $1 AND status = 'succeeded'",
      [order_id],
    );
    expect(paid).toHaveLength(1);
  });

  it('requests that wait for one order find what the first of them made', async () => {
    const customer = await newCustomer(paydesk);
    const order_id = await placeOrder(paydesk, customer);
    const letGo = await holdOrder(order_id);
    const asked = times(5, () => customer.api.post('/payments/', { order_id }));
    await waitUntilBlocked(paydesk, 5);
    await letGo();
    expect((await asked).map((answer) => answer.status).sort()).toEqual([200, 200, 200, 200, 201]);
  });

  it('an order is cancelled for want of a payment, or gets its payment: not both', async () => {
    for (let round = 0; round < 5; round += 1) {
      const customer = await newCustomer(paydesk);
      const order_id = await placeOrder(paydesk, customer);
      const letGo = await holdOrder(order_id);
      const paying = customer.api.post<{ id: string }>('/payments/', { order_id });
      await waitUntilBlocked(paydesk);
      paydesk.clock.advance(TTL);
      const cancelling = other.app.get(StaleOrders).cancel({ cause: byTimer('stale'), limit: 1000 });
      await letGo();
      const [payment, cancelled] = [await paying, await cancelling];
      const { body } = await customer.api.get(`/orders/${order_id}/`);
      if (payment.status === 201) expect([body.status, cancelled.includes(order_id)]).toEqual(['pending', false]);
      else expect(payment.status).toBe(409);
      await run(paydesk);
    }
  });

  it.each([
    ['a second open payment of one order', 'payments_one_open_per_order'],
    ['a second payment with one transaction', 'payments_transaction_id'],
    ['a second announcement of one thing', 'users_notification_subject_id_type_key'],
  ])('the database itself refuses %s', async (what, constraint) => {
    const bought = await buyAndStart(paydesk);
    if (!what.includes('open payment')) await succeed(bought);
    const copy = (table: string, changes: Record<string, unknown>): Promise<unknown> =>
      paydesk.db.query(
        `INSERT INTO ${table} SELECT r.* FROM ${table} t, jsonb_populate_record(t, $2::jsonb) r
         WHERE t.${table === 'payments' ? 'id' : 'subject_id'} = $1`,
        [bought.paymentId, JSON.stringify(changes)],
      );
    const doubled = what.includes('announcement')
      ? copy('users_notification', { id: newId('ntf', paydesk.clock) })
      : copy('payments', { id: newId('pay', paydesk.clock) });
    await expect(doubled).rejects.toMatchObject({ driverError: { code: '23505', constraint } });
  });
});
