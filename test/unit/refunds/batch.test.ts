import type { Order } from '../../../src/orders/order.entity.js';
import type { Payment } from '../../../src/payments/payment.entity.js';
import { RefundBatch, type RefundChange, REJECTED_BY_OPERATOR } from '../../../src/refunds/batch.js';
import type { Refund } from '../../../src/refunds/refund.entity.js';
import { heldRefundCaseKey, mismatchCase } from '../../../src/refunds/refund-cases.js';
import { CAUSE, NOW, orderRow, PAID_AT, paidRow, refundRow, refundWord } from '../../support/rows.js';

function locked(
  of: { order?: Partial<Order>; payment?: Partial<Payment>; refund?: Partial<Refund> } = {},
): RefundChange & { batch: RefundBatch } {
  const order = orderRow({ status: 'paid', paidPaymentId: 'pay_1', ...of.order });
  const payment = paidRow({ reservedFen: 500, ...of.payment });
  const refund = refundRow(of.refund);
  const batch = new RefundBatch(new Map([[order.id, order]]), [payment], [refund]);
  return { order, payment, refund, cause: CAUSE, at: NOW, batch };
}

const DATA = { refund_id: 'ref_1', payment_id: 'pay_1', order_id: 'ord_1', amount: 500, currency: 'CNY' };
const OF = { orderId: 'ord_1', paymentId: 'pay_1', refundId: 'ref_1', cause: CAUSE };

describe('a refund that reached the payer', () => {
  it('counts on payment and order, each move with its event, and tells the owner', () => {
    const held = { failureCode: 'NOT_ENOUGH', failureMessage: 'no money', leaseUntil: NOW };
    const { batch, ...rows } = locked({ refund: held });
    const { refund, payment, order } = rows;
    batch.succeed(rows, refundWord());

    expect(refund).toMatchObject({ status: 'succeeded', refundId: 'R1', failureCode: null, failureMessage: null });
    expect([refund.succeededAt, refund.settledAt, refund.leaseUntil]).toEqual([PAID_AT, NOW, null]);
    expect(payment).toMatchObject({ refundedFen: 500, reservedFen: 500 });
    expect(order).toMatchObject({ refundedFen: 500, status: 'partially_refunded' });
    expect([batch.changedRefunds(), batch.changedPayments(), batch.changedOrders()]).toEqual([
      [refund],
      [payment],
      [order],
    ]);
    expect(batch.moves).toEqual([
      { entity: 'refund', ...OF, from: 'processing', to: 'succeeded', note: null, events: [] },
      { entity: 'order', ...OF, from: 'paid', to: 'partially_refunded', events: [] },
    ]);
    expect(batch.notifications).toEqual([
      { type: 'refund.succeeded', userId: 'usr_1', subjectId: 'ref_1', data: DATA },
    ]);
    expect(batch.resolvedCases).toEqual([{ caseKey: 'refund_held:ref_1', note: 'the refund was paid' }]);
  });

  it('without a time takes ours', () => {
    const { batch, ...rows } = locked();
    batch.succeed(rows, refundWord({ succeededAt: null }));
    expect(rows.refund.succeededAt).toEqual(NOW);
  });

  it('makes the order refunded when nothing is left of it', () => {
    const { batch, ...rows } = locked({ payment: { refundedFen: 1300 }, order: { status: 'partially_refunded' } });
    batch.succeed(rows, refundWord());
    expect(rows.order).toMatchObject({ refundedFen: 1800, status: 'refunded' });
    expect(batch.moves).toMatchObject([
      { entity: 'refund' },
      { entity: 'order', from: 'partially_refunded', to: 'refunded' },
    ]);
  });

  it('moves the order once only while parts follow each other', () => {
    const { batch, ...rows } = locked({ payment: { refundedFen: 300 }, order: { status: 'partially_refunded' } });
    batch.succeed(rows, refundWord());
    expect(rows.order).toMatchObject({ refundedFen: 800, status: 'partially_refunded' });
    expect(batch.moves).toHaveLength(1);
    expect(batch.changedOrders()).toEqual([rows.order]);
  });

  it('of late money is none of the order’s', () => {
    const { batch, ...rows } = locked({ order: { status: 'paid', paidPaymentId: 'pay_2' } });
    batch.succeed(rows, refundWord());
    expect(rows.order).toMatchObject({ refundedFen: 0, status: 'paid' });
    expect(rows.payment.refundedFen).toBe(500);
    expect(batch.changedOrders()).toEqual([]);
  });
});

describe('what a service is told', () => {
  it('of two parts that are paid together shows the order as each of them left it', () => {
    const { batch, ...first } = locked({ order: { service: 'shop' }, payment: { reservedFen: 1800 } });
    const second = { ...first, refund: refundRow({ id: 'ref_2', amountFen: 1300 }) };
    batch.succeed(first, refundWord());
    batch.succeed(second, refundWord({ outRefundNo: 'ref_2', refundId: 'R2', amountFen: 1300 }));

    const told = batch.moves.flatMap(({ events }) => events);
    const [half, all] = [
      { order: { refunded_amount: 500, status: 'partially_refunded' }, payment: { refunded_amount: 500 } },
      { order: { refunded_amount: 1800, status: 'refunded' }, payment: { refunded_amount: 1800 } },
    ];
    expect(told).toMatchObject([
      { type: 'refund.succeeded', data: { ...half, refund: { id: 'ref_1', status: 'succeeded' } } },
      { type: 'order.partially_refunded', data: { ...half, refund: { id: 'ref_1' } } },
      { type: 'refund.succeeded', data: { ...all, refund: { id: 'ref_2', status: 'succeeded' } } },
      { type: 'order.refunded', data: { ...all, refund: { id: 'ref_2' } } },
    ]);
  });

  it.each(['rejected', 'closed'] as const)('of a refund that was %s says why', (as) => {
    const { batch, ...rows } = locked({ order: { service: 'shop' } });
    batch.release(rows, as, { code: 'NO_AUTH', message: 'not allowed' });
    const failure = { code: 'NO_AUTH', message: 'not allowed' };
    expect(batch.moves[0]?.events).toMatchObject([{ type: `refund.${as}`, data: { refund: { status: as, failure } } }]);
  });

  it('of one that the payer’s account does not take says so', () => {
    const { batch, ...rows } = locked({ order: { service: 'shop' } });
    batch.abnormal(rows, refundWord({ state: 'abnormal' }));
    expect(batch.moves[0]?.events).toMatchObject([
      { type: 'refund.abnormal', data: { refund: { status: 'abnormal', failure: { code: 'ABNORMAL' } } } },
    ]);
  });
});

describe('a refund under whose number nothing will be paid', () => {
  it.each(['rejected', 'closed'] as const)('gives its promise back when it is %s', (as) => {
    const { batch, ...rows } = locked();
    batch.release(rows, as, { code: 'NO_AUTH', message: 'not allowed' });

    const { refund, payment, order } = rows;
    expect(refund).toMatchObject({ status: as, failureCode: 'NO_AUTH', failureMessage: 'not allowed', settledAt: NOW });
    expect(payment).toMatchObject({ reservedFen: 0, refundedFen: 0 });
    expect([batch.changedRefunds(), batch.changedPayments(), batch.changedOrders()]).toEqual([[refund], [payment], []]);
    expect(batch.moves).toEqual([{ entity: 'refund', ...OF, from: 'processing', to: as, note: 'NO_AUTH', events: [] }]);
    expect(batch.notifications).toEqual([{ type: `refund.${as}`, userId: 'usr_1', subjectId: 'ref_1', data: DATA }]);
    expect(batch.resolvedCases).toEqual([{ caseKey: heldRefundCaseKey('ref_1'), note: `the refund was ${as}` }]);
    expect(order.status).toBe('paid');
  });
});

describe('late money whose refund came to nothing', () => {
  const released = (late: boolean, code: string): RefundBatch => {
    const { batch, ...rows } = locked({ payment: { late }, order: { status: 'cancelled', paidPaymentId: null } });
    batch.release(rows, 'rejected', { code, message: null });
    return batch;
  };

  it('is a case again, for a person', () => {
    expect(released(true, 'NO_AUTH').discrepancies).toEqual([
      {
        type: 'late_payment',
        caseKey: 'late_payment:pay_1',
        paymentId: 'pay_1',
        outTradeNo: 'pay_1',
        refundId: 'ref_1',
        outRefundNo: 'ref_1',
        detail: { order_id: 'ord_1', order_status: 'cancelled', amount: 500, refund_failure: 'NO_AUTH' },
        again: true,
      },
    ]);
  });

  it('is none where a person said no, nor is money that was in time', () => {
    expect(released(true, REJECTED_BY_OPERATOR).discrepancies).toEqual([]);
    expect(released(false, 'NO_AUTH').discrepancies).toEqual([]);
  });
});

describe('a refund that the payer’s account does not take', () => {
  it('stays reserved, is looked at again, and is told to owner and operators', () => {
    const { batch, ...rows } = locked({ refund: { nextCheckAt: null } });
    batch.abnormal(rows, refundWord({ state: 'abnormal' }));

    expect(rows.refund).toMatchObject({ status: 'abnormal', failureCode: 'ABNORMAL', refundId: 'R1', settledAt: null });
    expect(rows.refund.nextCheckAt).toEqual(NOW);
    expect(rows.payment.reservedFen).toBe(500);
    expect(batch.moves).toMatchObject([{ to: 'abnormal', note: 'ABNORMAL' }]);
    expect(batch.notifications).toEqual([
      { type: 'refund.abnormal', userId: 'usr_1', subjectId: 'ref_1', data: DATA },
      { type: 'refund.abnormal', userId: null, subjectId: 'ref_1:operators', data: DATA },
    ]);
  });

  it('keeps the time at which it was to be looked at', () => {
    const { batch, ...rows } = locked({ refund: { nextCheckAt: PAID_AT } });
    batch.abnormal(rows, refundWord({ state: 'abnormal' }));
    expect(rows.refund.nextCheckAt).toEqual(PAID_AT);
  });
});

describe('the rows of a settlement', () => {
  it('are found by the refund’s number, all three or none', () => {
    const { batch, order, payment, refund } = locked();
    expect(batch.get('ref_1')).toEqual({ refund, payment, order });
    expect(batch.get('ref_2')).toBeNull();
    expect(new RefundBatch(new Map(), [payment], [refund]).get('ref_1')).toBeNull();
    expect(new RefundBatch(new Map([[order.id, order]]), [], [refund]).get('ref_1')).toBeNull();
    expect([batch.changedRefunds(), batch.changedPayments(), batch.changedOrders()]).toEqual([[], [], []]);
    batch.touch(refund);
    expect(batch.changedRefunds()).toEqual([refund]);
  });

  it('learn the channel’s number of a refund once', () => {
    const { batch, refund } = locked();
    batch.learn(refund, refundWord({ refundId: null }));
    expect([refund.refundId, batch.changedRefunds()]).toEqual([null, []]);
    batch.learn(refund, refundWord());
    expect([refund.refundId, batch.changedRefunds()]).toEqual(['R1', [refund]]);
    batch.learn(refund, refundWord({ refundId: 'R2' }));
    expect(refund.refundId).toBe('R1');
  });

  it('become cases when the channel’s word does not fit', () => {
    const { batch, refund } = locked();
    const found = { field: 'amount', expected: '500', seen: '1' };
    batch.openMismatch(refund, found);
    batch.openUnknown(refundWord({ outRefundNo: 'ref_x' }));
    expect(batch.discrepancies).toEqual([
      {
        type: 'mismatch',
        caseKey: 'mismatch:ref_1:amount:1',
        paymentId: 'pay_1',
        outTradeNo: 'pay_1',
        refundId: 'ref_1',
        outRefundNo: 'ref_1',
        detail: found,
      },
      {
        type: 'unknown_refund',
        caseKey: 'unknown_refund:ref_x',
        paymentId: null,
        outTradeNo: 'pay_1',
        outRefundNo: 'ref_x',
        detail: { amount: 500, refund_id: 'R1', state: 'succeeded' },
      },
    ]);
  });

  it('knows whose a number of the channel is, from before and from what it has learned itself', () => {
    const refund = refundRow({ status: 'processing' });
    const batch = new RefundBatch(new Map(), [], [refund], new Map([['R_OF_2', 'ref_2']]));
    expect([batch.ownerOf('R_OF_2'), batch.ownerOf('R1'), batch.ownerOf(null)]).toEqual(['ref_2', null, null]);
    batch.learn(refund, refundWord({ refundId: 'R1' }));
    expect(batch.ownerOf('R1')).toBe('ref_1');
  });

  it('opens a case for what does not fit: of ours by its id, of the console by its number', () => {
    const found = { field: 'amount', expected: '500', seen: '501' };
    const keys = [mismatchCase('pay_1', 'ref_1', 'ref_1', found), mismatchCase('pay_1', 'console_7', null, found)];
    expect(keys.map(({ caseKey, refundId, outRefundNo }) => [caseKey, refundId, outRefundNo])).toEqual([
      ['mismatch:ref_1:amount:501', 'ref_1', 'ref_1'],
      ['mismatch:console_7:amount:501', null, 'console_7'],
    ]);
  });
});
