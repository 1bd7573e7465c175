import { byTimer } from '../../src/common/cause.js';
import { HOUR } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { startTestApp, type TestApp, times } from '../support/app.js';
import {
  announcementsOf,
  type Bought,
  buyAndStart,
  casesOf,
  orderOf,
  paymentOf,
  placePayment,
  statesOf,
} from '../support/flows.js';
import { movesOfRefund, refundOf, tick } from '../support/refunds.js';

const refundIdOf = ({ paymentId }: Bought): string => paymentId.replace('pay_', 'ref_');

describe('money that comes too late', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp();
  });
  afterAll(() => paydesk.close());

  const arrives = ({ paymentId }: Bought) => paydesk.callback({ payment_id: paymentId, status: 'SUCCESS' });

  async function expired(): Promise<Bought> {
    const bought = await buyAndStart(paydesk, { metadata: { mock_outcome: 'pending' } });
    paydesk.clock.advance(HOUR);
    await paydesk.app.get(DuePayments).run({ scope: 'expired', cause: byTimer('expire_payments'), limit: 100 });
    expect(await statesOf(bought)).toBe('expired/cancelled');
    return bought;
  }

  async function closed(): Promise<Bought> {
    const bought = await buyAndStart(paydesk, { metadata: { mock_outcome: 'pending' } });
    await bought.customer.api.post(`${bought.path}cancel/`);
    expect((await paymentOf(bought)).status).toBe('closed');
    return bought;
  }

  async function failed(): Promise<Bought> {
    const bought = await buyAndStart(paydesk);
    await paydesk.callback({ payment_id: bought.paymentId, status: 'FAIL' });
    expect((await paymentOf(bought)).status).toBe('failed');
    return bought;
  }

  async function paidTwice(): Promise<Bought> {
    const first = await failed();
    const paymentId = await placePayment(first.customer, first.orderId);
    const path = `/payments/${paymentId}/`;
    await first.customer.api.post(`${path}start/`);
    await first.customer.api.post(`${path}succeed/`);
    expect((await orderOf(first)).status).toBe('paid');
    return first;
  }

  it.each([
    ['for an expired payment', expired, 'cancelled'],
    ['for a closed payment', closed, 'pending'],
    ['for a failed payment', failed, 'pending'],
    ['for an order that was paid by another payment', paidTwice, 'paid'],
  ])('%s is promised back as it is recorded, and paid by the timer alone, once', async (_name, given, orderStatus) => {
    const bought = await given();
    const answers = await times(10, () => arrives(bought));
    expect(answers.map((answer) => answer.status)).toEqual(Array(10).fill(200));
    const id = refundIdOf(bought);
    expect(await refundOf(paydesk, id)).toMatchObject({ status: 'processing', amount: 1800, out_refund_no: id });
    expect(await statesOf(bought)).toBe(`succeeded/${orderStatus}`);

    await times(5, () => tick(paydesk));
    expect(await refundOf(paydesk, id)).toMatchObject({ status: 'succeeded', failure: null });
    expect(await paymentOf(bought)).toMatchObject({ status: 'succeeded', refunded_amount: 1800 });
    // The order was never paid by this money, so its giving back does not make the order refunded.
    expect(await orderOf(bought)).toMatchObject({ status: orderStatus, refunded_amount: 0 });
    expect(await movesOfRefund(paydesk, id)).toEqual([
      'requested by callback mock',
      'processing by callback mock',
      'succeeded by timer send_and_check_refunds',
    ]);
    await arrives(bought);
    await tick(paydesk);
    const rows = await paydesk.db.query<{ id: string }[]>('SELECT id FROM refunds WHERE payment_id = $1', [
      bought.paymentId,
    ]);
    expect(rows).toEqual([{ id }]);
    expect(await announcementsOf(paydesk, bought.paymentId)).toContain('payment.late');
    expect(await casesOf(paydesk, bought.paymentId)).toEqual([]);
  });

  it('is a case for a person once the channel has given its refund up', async () => {
    const bought = await buyAndStart(paydesk, { metadata: { mock_outcome: 'pending', mock_refund_outcome: 'closed' } });
    await bought.customer.api.post(`${bought.path}cancel/`);
    await arrives(bought);
    expect(await casesOf(paydesk, bought.paymentId)).toEqual([]);
    await tick(paydesk);
    await tick(paydesk);
    expect((await refundOf(paydesk, refundIdOf(bought))).status).toBe('closed');
    expect(await casesOf(paydesk, bought.paymentId)).toEqual(['late_payment']);

    // A payer's wish that an operator refuses opens no other one.
    const operator = await paydesk.as('operator');
    const asked = await bought.customer.api.post('/refunds/', { payment_id: bought.paymentId });
    expect(asked.status).toBe(201);
    await operator.post(`/refunds/${String(asked.body.id)}/reject/`, { reason: 'paid in cash' });
    expect(await casesOf(paydesk, bought.paymentId)).toEqual(['late_payment']);
  });

  it('is not promised a second time to a payer who asks for it', async () => {
    const bought = await expired();
    await arrives(bought);
    const asked = await bought.customer.api.post('/refunds/', { payment_id: bought.paymentId });
    expect(asked).toMatchObject({ status: 409, body: { code: 'refund_exceeds_payment' } });
  });
});

describe('money that comes too late, under LATE_PAYMENT_POLICY=hold', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp({ env: { LATE_PAYMENT_POLICY: 'hold' } });
  });
  afterAll(() => paydesk.close());

  it('is kept with one case, until a person gives it back', async () => {
    const bought = await buyAndStart(paydesk, { metadata: { mock_outcome: 'pending' } });
    await bought.customer.api.post(`${bought.path}cancel/`);
    await times(5, () => paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' }));
    await tick(paydesk);
    expect(await paymentOf(bought)).toMatchObject({ status: 'succeeded', refunded_amount: 0 });
    expect(await casesOf(paydesk, bought.paymentId)).toEqual(['late_payment']);
    expect(await paydesk.db.query<unknown[]>('SELECT id FROM refunds')).toEqual([]);

    const operator = await paydesk.as('operator');
    const asked = await operator.post('/refunds/', { payment_id: bought.paymentId, reason: 'paid too late' });
    expect(asked.status).toBe(201);
    const done = await operator.post(`/refunds/${String(asked.body.id)}/succeed/`);
    expect(done).toMatchObject({ status: 200, body: { status: 'succeeded', amount: 1800 } });
    expect((await orderOf(bought)).refunded_amount).toBe(0);
  });
});
