import { after, MINUTE } from '../../../src/common/clock.js';
import type { Order } from '../../../src/orders/order.entity.js';
import type { Payment } from '../../../src/payments/payment.entity.js';
import type { ChannelRefund } from '../../../src/provider/payment-provider.js';
import { RefundBatch } from '../../../src/refunds/batch.js';
import { conflictCase, type ConsoleRefund, decideConsoleRefund } from '../../../src/refunds/console-refund.js';
import { Refund } from '../../../src/refunds/refund.entity.js';
import { CAUSE, NOW, orderRow, PAID_AT, paidRow, paymentRow, refundRow, refundWord } from '../../support/rows.js';

const NUMBER = '50300008062025113012345678901234';
const word = (changes: Partial<ChannelRefund> = {}): ConsoleRefund =>
  refundWord({ outRefundNo: NUMBER, refundId: 'R9', ...changes }) as ConsoleRefund;
const requested = (id: string, amountFen: number): Refund =>
  refundRow({ id, amountFen, status: 'requested', sentAt: null, lastSentAt: null });
const queued = (id: string, amountFen: number): Refund => refundRow({ id, amountFen, sentAt: null, lastSentAt: null });
const sent = (id: string, amountFen: number): Refund => refundRow({ id, amountFen });

/** Of a payment of 1800 fen, with these refunds of ours. */
function decided(reported: Partial<ChannelRefund>, ...ours: Refund[]) {
  const reservedFen = ours.filter((one) => one.isReserved).reduce((sum, one) => sum + one.amountFen, 0);
  return decideConsoleRefund(word(reported), paidRow({ reservedFen }), ours);
}
const displaced = (...parameters: Parameters<typeof decided>): string[] | string => {
  const decision = decided(...parameters);
  if (decision.kind === 'wait') return `wait for ${decision.underWay.map(({ id }) => id).join(', ')}`;
  return decision.kind === 'take_over' ? decision.displaced.map(({ id }) => id) : decision.kind;
};

describe('a proven refund whose number is not ours', () => {
  it('is taken over where its payment succeeded under the same transaction, and fits', () => {
    expect(decided({})).toEqual({ kind: 'take_over', reported: word(), displaced: [] });
    expect(displaced({ amountFen: 1800 })).toEqual([]);
    expect(displaced({ amountFen: 1300, mchid: null, currency: null }, sent('ref_1', 500))).toEqual([]);
  });

  it.each<[string, Partial<ChannelRefund>, Payment]>([
    ['of a payment that is not paid here', {}, paymentRow()],
    ['of another transaction', { transactionId: 'T2' }, paidRow()],
    ['that names no transaction', { transactionId: null }, paidRow()],
    ['without a number of the channel', { refundId: null }, paidRow()],
    ['without an amount', { amountFen: null }, paidRow()],
    ['of nothing', { amountFen: 0 }, paidRow()],
  ])('%s stays unknown', (_name, changes, payment) => {
    expect(decideConsoleRefund(word(changes), payment, [])).toEqual({ kind: 'unknown' });
  });

  it.each<[string, Partial<ChannelRefund>, string, string]>([
    ['mchid', { mchid: '1900000001' }, '1900007291', '1900000001'],
    ['total', { totalFen: 1801 }, '1800', '1801'],
    ['currency', { currency: 'USD' }, 'CNY', 'USD'],
  ])('with another %s is for a person', (field, changes, expected, seen) => {
    expect(decided(changes)).toEqual({ kind: 'mismatch', field, expected, seen });
  });

  it('makes those of ours give way that were never sent: the newest first, no more than are needed', () => {
    const ours = [requested('ref_1', 300), queued('ref_2', 300), requested('ref_3', 300)];
    expect(displaced({ amountFen: 900 }, ...ours)).toEqual([]);
    expect(displaced({ amountFen: 901 }, ...ours)).toEqual(['ref_3']);
    expect(displaced({ amountFen: 1200 }, ...ours)).toEqual(['ref_3']);
    expect(displaced({ amountFen: 1201 }, ...ours)).toEqual(['ref_3', 'ref_2']);
    expect(displaced({ amountFen: 1800 }, ...ours)).toEqual(['ref_3', 'ref_2', 'ref_1']);
  });

  it('waits where one that was sent is in the way, and then nothing gives way', () => {
    const ours = [requested('ref_1', 300), sent('ref_2', 800)];
    expect(displaced({ amountFen: 1000 }, ...ours)).toEqual(['ref_1']);
    expect(displaced({ amountFen: 1001 }, ...ours)).toBe('wait for ref_1, ref_2');
    const held = refundRow({ id: 'ref_1', amountFen: 1000, failureCode: 'NOT_ENOUGH' });
    expect(displaced({ amountFen: 801 }, held)).toBe('wait for ref_1');
    const done = refundRow({ id: 'ref_1', amountFen: 1000, status: 'succeeded' });
    expect(displaced({ amountFen: 801 }, done)).toBe('wait for ');
  });

  it('takes nothing when it is closed', () => {
    expect(displaced({ state: 'closed', amountFen: 1800 }, sent('ref_1', 1800))).toEqual([]);
  });

  it('is a case about both sides, of its own for what was taken over', () => {
    const waiting = conflictCase(word(), paidRow(), [sent('ref_1', 1800)], null);
    expect(waiting).toMatchObject({ type: 'refund_conflict', caseKey: `refund_conflict:${NUMBER}`, refundId: null });
    expect(waiting).toMatchObject({ paymentId: 'pay_1', outRefundNo: NUMBER, again: true });
    expect(waiting.detail).toEqual({
      ...{ amount: 500, refund_id: 'R9', state: 'succeeded', payment_amount: 1800, taken_over: false },
      ours: [{ out_refund_no: 'ref_1', status: 'processing', amount: 1800 }],
    });
    const taken = conflictCase(word(), paidRow(), [], refundRow({ id: 'ref_9' }));
    expect(taken).toMatchObject({ caseKey: `refund_conflict:${NUMBER}:taken_over`, refundId: 'ref_9' });
    expect(taken.detail).toMatchObject({ taken_over: true });
  });
});

describe('a proven refund of a payment of ours that says what is not so', () => {
  it.each<[field: string, changes: Partial<ChannelRefund>, owner: string | null, expected: string, seen: string]>([
    ['mchid', { mchid: '1900000001' }, null, '1900007291', '1900000001'],
    ['total', { totalFen: 1801 }, null, '1800', '1801'],
    ['currency', { currency: 'USD' }, null, 'CNY', 'USD'],
    ['refund_id', {}, 'ref_2', 'one of its own', 'that of ref_2'],
  ])('about its %s moves nothing', (field, changes, owner, expected, seen) => {
    const decision = decideConsoleRefund(word(changes), paidRow(), [requested('ref_1', 500)], owner);
    expect(decision).toEqual({ kind: 'mismatch', field, expected, seen });
  });
});

describe('a refund that is taken over', () => {
  const rows = (payment: Partial<Payment> = {}, order: Partial<Order> = {}) => {
    const locked = { order: orderRow({ status: 'paid', paidPaymentId: 'pay_1', ...order }), payment: paidRow(payment) };
    return {
      ...locked,
      cause: CAUSE,
      at: NOW,
      batch: new RefundBatch(new Map([['ord_1', locked.order]]), [locked.payment], []),
    };
  };

  it('is a row that was accepted before we heard of it, so that it is queried and never sent', () => {
    const { batch, ...change } = rows();
    const refund = batch.takeOver('ref_9', word({ createdAt: PAID_AT }), change);
    expect(refund).toMatchObject({
      id: 'ref_9',
      origin: 'console',
      outRefundNo: NUMBER,
      refundId: 'R9',
      phase: 'sent',
    });
    expect([refund.sentAt, refund.lastSentAt, refund.nextCheckAt]).toEqual([PAID_AT, PAID_AT, after(NOW, MINUTE)]);
    expect(batch.takeOver('ref_8', word({ outRefundNo: 'x', succeededAt: null }), change).sentAt).toEqual(NOW);
    expect(change.payment.reservedFen).toBe(1000);
    expect(batch.moves[0]).toMatchObject({ refundId: 'ref_9', from: null, to: 'processing' });
    expect(batch.resolvedCases.slice(0, 2).map(({ caseKey }) => caseKey)).toEqual([
      `refund_conflict:${NUMBER}`,
      `unknown_refund:${NUMBER}`,
    ]);
  });

  it('is found by its number, inserted once and not saved beside', () => {
    const { batch, ...change } = rows();
    const refund = batch.takeOver('ref_9', word(), change);
    batch.succeed({ ...change, refund }, word());
    expect(batch.getByNumber(NUMBER)?.refund).toBe(refund);
    expect([batch.newRefunds, batch.changedRefunds()]).toEqual([[refund], []]);
    batch.add([refundRow({ id: 'ref_9', amountFen: 1 })]);
    expect(batch.get('ref_9')?.refund).toBe(refund);
    expect(batch.refundsOf('pay_1')).toEqual([refund]);
    expect([batch.getPayment('pay_2'), batch.refundsOf('pay_2')]).toEqual([null, []]);
  });

  it('of late money leaves it to a person only where something of it is not going back any more', () => {
    const ends = (consoleFen: number): string[] => {
      const { batch, ...change } = rows(
        { late: true, reservedFen: 1800 },
        { status: 'cancelled', paidPaymentId: null },
      );
      batch.takeOver('ref_9', word({ amountFen: consoleFen }), change);
      const refund = refundRow({ amountFen: 1800 });
      batch.release({ ...change, refund }, 'rejected', { code: 'refunded_in_console', message: null });
      return batch.discrepancies.map(({ type }) => type);
    };
    expect([ends(1800), ends(1799)]).toEqual([[], ['late_payment']]);
  });
});
