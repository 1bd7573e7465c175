import type { OrderStatus } from '../../../src/orders/order.entity.js';
import { acceptRefusal, decide, type Decision, type Fact } from '../../../src/payments/decide.js';
import type { Payment, PaymentStatus } from '../../../src/payments/payment.entity.js';
import type { ChannelPayment } from '../../../src/provider/payment-provider.js';
import { EXPIRES, NOW, orderRow, paidRow, paidWord, paymentRow } from '../../support/rows.js';

const AT = { at: NOW, closedAs: null, transactionOwner: null };

function decided(reported: ChannelPayment, payment = paymentRow(), order = orderRow(), at: Partial<Fact> = {}) {
  return decide({ reported, payment, order, ...AT, ...at });
}

function word(state: ChannelPayment['state']): ChannelPayment {
  return paidWord({ state, transactionId: null, amountFen: null, currency: null, paidAt: null, account: null });
}

const OPEN: PaymentStatus[] = ['init', 'processing'];
const GIVEN_UP: PaymentStatus[] = ['failed', 'expired', 'closed'];

describe('money that came', () => {
  it.each(OPEN)('pays a pending order, the payment being %s', (status) => {
    expect(decided(paidWord(), paymentRow({ status }))).toEqual({ kind: 'pays_order' });
  });

  it.each<OrderStatus>(['paid', 'partially_refunded', 'refunded', 'cancelled'])(
    'is late for an order that is %s',
    (status) => {
      expect(decided(paidWord(), paymentRow(), orderRow({ status }))).toEqual({ kind: 'late' });
    },
  );

  it.each(GIVEN_UP)('is late for a payment that is %s, though its order is pending', (status) => {
    expect(decided(paidWord(), paymentRow({ status }))).toEqual({ kind: 'late' });
  });

  it('is nothing new the second time, and a second transaction when it carries another number', () => {
    expect(decided(paidWord(), paidRow(), orderRow({ status: 'paid' }))).toEqual({ kind: 'none' });
    const other = paidWord({ transactionId: 'T2' });
    expect(decided(other, paidRow(), orderRow({ status: 'paid' }))).toEqual({ kind: 'second_transaction' });
  });

  it('counts once: a transaction that another payment carries settles nothing', () => {
    expect(decided(paidWord(), paymentRow(), orderRow(), { transactionOwner: 'pay_2' })).toEqual({
      kind: 'mismatch',
      field: 'transaction_id',
      expected: 'one of its own',
      seen: 'that of pay_2',
    });
  });

  const account = { mchid: '1900007291', appid: 'wx2421b1c4370ec43b' };
  it.each<[field: string, seen: Partial<ChannelPayment>, expected: string, found: string]>([
    ['mchid', { account: { ...account, mchid: '1900000001' } }, account.mchid, '1900000001'],
    ['mchid', { account: null }, account.mchid, 'missing'],
    ['appid', { account: { ...account, appid: 'wx0' } }, account.appid, 'wx0'],
    ['amount', { amountFen: 1799 }, '1800', '1799'],
    ['amount', { amountFen: null }, '1800', 'missing'],
    ['currency', { currency: 'USD' }, 'CNY', 'USD'],
    ['currency', { currency: null }, 'CNY', 'missing'],
    ['transaction_id', { transactionId: null }, 'present', 'missing'],
    ['transaction_id', { transactionId: '' }, 'present', 'missing'],
  ])('moves nothing when its %s is not the one of our row (%j)', (field, reported, expected, found) => {
    const mismatch = { kind: 'mismatch', field, expected, seen: found };
    expect(decided(paidWord(reported))).toEqual(mismatch);
    // Neither does it once the payment is paid: the same words mean the same.
    expect(decided(paidWord(reported), paidRow(), orderRow({ status: 'paid' }))).toEqual(mismatch);
  });

  it('may leave its amount out where the provider says that the rest is as ordered, but not have another one', () => {
    const payment = paymentRow();
    const pays: Decision = { kind: 'pays_order' };
    const said = (changes: Partial<ChannelPayment>) => decided(paidWord({ restAsOrdered: true, ...changes }), payment);
    expect(said({ amountFen: null, currency: null })).toEqual(pays);
    expect(said({ amountFen: 1 })).toMatchObject({ kind: 'mismatch', field: 'amount' });
    expect(said({ account: null })).toMatchObject({ kind: 'mismatch', field: 'mchid' });
    expect(decided(paidWord({ amountFen: null }), payment)).toMatchObject({ kind: 'mismatch', field: 'amount' });
  });
});

describe('the end of a payment', () => {
  const settled: PaymentStatus[] = ['succeeded', ...GIVEN_UP];
  const row = (status: PaymentStatus): Payment => (status === 'succeeded' ? paidRow() : paymentRow({ status }));

  it.each(OPEN)('is told by the channel while it is %s', (status) => {
    expect(decided(word('failed'), row(status))).toEqual({ kind: 'ends', as: 'failed' });
    expect(decided(word('closed'), row(status))).toEqual({ kind: 'ends', as: 'closed' });
  });

  it.each(settled)('is not told again once it is %s', (status) => {
    for (const state of ['failed', 'closed'] as const)
      expect(decided(word(state), row(status))).toEqual({ kind: 'none' });
  });

  it('is called by whoever asked for it, else by the clock', () => {
    const closed = (at: Date, closedAs: Fact['closedAs']): Decision =>
      decided(word('closed'), paymentRow(), orderRow(), { at, closedAs });
    const justBefore = new Date(EXPIRES.getTime() - 1);
    expect(closed(justBefore, null)).toEqual({ kind: 'ends', as: 'closed' });
    expect(closed(EXPIRES, null)).toEqual({ kind: 'ends', as: 'expired' });
    expect(closed(EXPIRES, 'closed')).toEqual({ kind: 'ends', as: 'closed' });
    expect(closed(justBefore, 'expired')).toEqual({ kind: 'ends', as: 'expired' });
  });

  it.each(['open', 'not_found'] as const)('does not follow from the word %s', (state) => {
    for (const status of [...OPEN, ...settled]) expect(decided(word(state), row(status))).toEqual({ kind: 'none' });
  });
});

describe('late money', () => {
  const late = { late: true, transactionId: 'T1' };

  it('can be accepted by a pending order, past its time too, unless part of it is promised back', () => {
    expect(acceptRefusal(paidRow(late), orderRow({ expiresAt: NOW }))).toBeNull();
    expect(acceptRefusal(paidRow({ ...late, reservedFen: 1 }), orderRow())).toBe('payment_refunded');
  });

  it.each([
    ...(['paid', 'partially_refunded', 'refunded', 'cancelled'] as const).map((status) => ({ status })),
    { amountFen: 1799 },
    { currency: 'USD' },
  ])('never by an order that is or costs otherwise: %j', (changes) => {
    expect(acceptRefusal(paidRow(late), orderRow(changes))).toBe('order_not_payable');
  });
});
