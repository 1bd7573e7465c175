import { byCommand } from '../../src/common/cause.js';
import { MINUTE } from '../../src/common/clock.js';
import { DuePayments, type DueReport, type DueScope } from '../../src/payments/due-payments.js';
import { StaleOrders } from '../../src/payments/stale-orders.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { announcementsOf, buy, buyAndStart, movesOf, newCustomer, paymentOf, placeOrder } from '../support/flows.js';
import { orderOf, type Problem, statesOf } from '../support/flows.js';

type Outcome = 'success' | 'fail' | 'pending' | 'error' | 'timeout';

describe("what an order's metadata makes the mock provider do", () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp({ env: { JWT_TTL_SECONDS: '2592000', CHANNEL_QUERIES_PER_SECOND: '10000' } });
  });
  afterAll(() => paydesk.close());

  const run = (scope: DueScope, command = 'reconcile_payments'): Promise<DueReport> =>
    paydesk.app.get(DuePayments).run({ scope, cause: byCommand(command), limit: 1000 });

  const outcome = (mock_outcome: Outcome): { metadata: Record<string, unknown> } => ({ metadata: { mock_outcome } });

  it.each<[Outcome, number, string | undefined, string]>([
    ['success', 200, undefined, 'processing/pending'],
    ['fail', 200, undefined, 'processing/pending'],
    ['pending', 200, undefined, 'processing/pending'],
    ['error', 502, 'channel_rejected', 'failed/pending'],
    ['timeout', 503, 'channel_unavailable', 'processing/pending'],
  ])('%s: a start answers %i %s', async (how, status, code, states) => {
    const bought = await buy(paydesk, outcome(how));
    const answer = await bought.customer.api.post<Partial<Problem>>(`${bought.path}start/`);
    expect([answer.status, answer.body.code, await statesOf(bought)]).toEqual([status, code, states]);
  });

  it.each<[Outcome, number, string]>([
    ['success', 200, 'succeeded/paid'],
    ['fail', 200, 'failed/pending'],
    ['pending', 200, 'processing/pending'],
    ['error', 502, 'init/pending'],
    ['timeout', 503, 'processing/pending'],
  ])('%s: the pretended payment answers %i and leaves %s', async (how, status, states) => {
    const bought = await buy(paydesk, outcome(how));
    if (how !== 'error') await bought.customer.api.post(`${bought.path}start/`);
    expect((await bought.customer.api.post(`${bought.path}succeed/`)).status).toBe(status);
    expect(await statesOf(bought)).toBe(states);
  });

  it.each<[Outcome, number, string, keyof DueReport]>([
    ['success', 200, 'succeeded/paid', 'succeeded'],
    ['fail', 200, 'failed/pending', 'ended'],
    ['pending', 200, 'processing/pending', 'open'],
    ['timeout', 503, 'processing/pending', 'unknown'],
  ])('%s: sync answers %i, and it and reconcile lead to %s', async (how, status, states, counted) => {
    const [synced, reconciled] = [await buy(paydesk, outcome(how)), await buy(paydesk, outcome(how))];
    for (const { customer, path } of [synced, reconciled]) await customer.api.post(`${path}start/`);
    expect((await synced.customer.api.post(`${synced.path}sync/`)).status).toBe(status);
    expect(await statesOf(synced)).toBe(states);
    expect((await run('all'))[counted]).toBeGreaterThanOrEqual(1);
    expect(await statesOf(reconciled)).toBe(states);
  });

  it('a refusal of the channel ends the payment with its code, and the order can be paid anew', async () => {
    const bought = await buy(paydesk, outcome('error'));
    await bought.customer.api.post(`${bought.path}start/`);
    expect(await paymentOf(bought)).toMatchObject({ status: 'failed', failure: { code: 'MOCK_ERROR' } });
    expect(await announcementsOf(paydesk, bought.paymentId)).toEqual(['payment.failed']);
    expect((await bought.customer.api.post('/payments/', { order_id: bought.orderId })).status).toBe(201);
  });

  it('no answer leaves the payment to be started again under the same number', async () => {
    const bought = await buy(paydesk, outcome('timeout'));
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect((await bought.customer.api.post(`${bought.path}start/`)).headers.get('retry-after')).toBe('2');
    }
    expect(await movesOf(paydesk, bought.orderId)).toEqual([
      'payment init by request',
      'payment processing by request',
    ]);
    expect(await announcementsOf(paydesk, bought.paymentId)).toEqual([]);
    await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' });
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('auto_success is recorded by reconcile, started or not, once', async () => {
    const auto = { metadata: { auto_success: true } };
    const all = [await buy(paydesk, auto), await buyAndStart(paydesk, auto)];
    expect((await run('all')).succeeded).toBe(2);
    expect((await run('all')).succeeded).toBe(0);
    for (const bought of all) {
      expect(await statesOf(bought)).toBe('succeeded/paid');
      expect((await movesOf(paydesk, bought.orderId)).slice(-2)).toEqual([
        'payment succeeded by command',
        'order paid by command',
      ]);
      expect(await announcementsOf(paydesk, bought.paymentId)).toEqual(['payment.succeeded']);
    }
  });

  const OUTCOMES = 'success, fail, pending, error, timeout';
  const REFUND_OUTCOMES = 'success, processing, closed, abnormal, not_enough, timeout';

  it.each<[string, unknown, string]>([
    ['mock_outcome', 'sucess', OUTCOMES],
    ['mock_outcome', 'SUCCESS', OUTCOMES],
    ['mock_outcome', '', OUTCOMES],
    ['mock_outcome', 17, OUTCOMES],
    ['mock_outcome', ['success'], OUTCOMES],
    ['mock_refund_outcome', 'fail', REFUND_OUTCOMES],
    ['mock_refund_outcome', true, REFUND_OUTCOMES],
    ['auto_success', 1, 'true, false'],
    ['auto_success', 'true', 'true, false'],
    ['auto_success', { is: true }, 'true, false'],
  ])('%s of %j is refused with 422 and the list, and no order is made', async (name, value, allowed) => {
    const customer = await newCustomer(paydesk);
    const shop = await paydesk.as('service', 'shop-backend');
    const order = { user_id: customer.id, description: 'Tea', amount: 1, metadata: { [name]: value } };
    const { status, body } = await shop.post<Problem>('/orders/', order);
    const message = `metadata.${name} must be one of the following values: ${allowed}`;
    expect([status, body.code, body.detail]).toEqual([422, 'invalid_metadata', message]);
    expect(body.errors).toEqual([{ field: `metadata.${name}`, message }]);
    expect((await customer.api.get('/orders/')).body.items).toEqual([]);
  });

  it('null directs nothing', async () => {
    const nothing = { mock_outcome: null, mock_refund_outcome: null, auto_success: null };
    const bought = await buyAndStart(paydesk, { metadata: nothing });
    expect((await bought.customer.api.post(`${bought.path}sync/`)).body.status).toBe('processing');
    expect((await bought.customer.api.post(`${bought.path}succeed/`)).body.status).toBe('succeeded');
  });

  describe('past its time', () => {
    it('a payment that was not paid expires, and its order is cancelled with it', async () => {
      const all = [await buy(paydesk), await buyAndStart(paydesk), await buyAndStart(paydesk, outcome('pending'))];
      paydesk.clock.advance(30 * MINUTE - 1);
      expect((await run('expired', 'expire_payments')).expired).toBe(0);
      paydesk.clock.advance(1);
      expect((await run('expired', 'expire_payments')).expired).toBeGreaterThanOrEqual(3);
      for (const bought of all) {
        expect(await statesOf(bought)).toBe('expired/cancelled');
        expect((await movesOf(paydesk, bought.orderId)).slice(-2)).toEqual([
          'payment expired by command',
          'order cancelled by command',
        ]);
        expect(await announcementsOf(paydesk, bought.paymentId)).toEqual(['payment.expired']);
      }
      expect((await run('expired', 'expire_payments')).expired).toBe(0);
    });

    it.each<[Outcome, string]>([
      ['success', 'succeeded/paid'],
      ['fail', 'failed/pending'],
      ['timeout', 'processing/pending'],
    ])('a payment of which the channel says %s becomes %s', async (how, states) => {
      const bought = await buy(paydesk, outcome(how));
      await bought.customer.api.post(`${bought.path}start/`);
      paydesk.clock.advance(31 * MINUTE);
      await run('expired', 'expire_payments');
      expect(await statesOf(bought)).toBe(states);
    });

    it('reconcile expires too', async () => {
      const bought = await buyAndStart(paydesk);
      paydesk.clock.advance(31 * MINUTE);
      await run('all');
      expect(await statesOf(bought)).toBe('expired/cancelled');
    });

    it('an order that nobody pays is cancelled, one with an open payment is not', async () => {
      const customer = await newCustomer(paydesk);
      const stale = { customer, orderId: await placeOrder(paydesk, customer), paymentId: '', path: '' };
      const closed = await buy(paydesk);
      await closed.customer.api.post(`${closed.path}cancel/`);
      const open = await buy(paydesk);
      const cancel = (dryRun = false): Promise<string[]> =>
        paydesk.app.get(StaleOrders).cancel({ cause: byCommand('expire_payments'), limit: 1000, dryRun });
      expect(await cancel()).not.toContain(stale.orderId);
      paydesk.clock.advance(30 * MINUTE);
      const would = await cancel(true);
      expect((await orderOf(stale)).status).toBe('pending');
      const done = await cancel();
      expect(done.sort()).toEqual(would.sort());
      expect(done).toEqual(expect.arrayContaining([stale.orderId, closed.orderId]));
      expect((await orderOf(open)).status).toBe('pending');
      expect((await movesOf(paydesk, stale.orderId)).at(-1)).toBe('order cancelled by command');
      expect((await customer.api.post('/payments/', { order_id: stale.orderId })).status).toBe(409);
    });
  });
});
