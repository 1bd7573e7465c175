import type { Order } from '../../../src/orders/order.entity.js';
import { Batch } from '../../../src/payments/batch.js';
import type { Fact } from '../../../src/payments/decide.js';
import type { Payment } from '../../../src/payments/payment.entity.js';
import type { ChannelPayment } from '../../../src/provider/payment-provider.js';
import { CAUSE, EXPIRES, NOW, orderRow, PAID_AT, paidRow, paidWord, paymentRow } from '../../support/rows.js';

function fact(payment: Payment, order: Order, reported: ChannelPayment, at = NOW): Fact {
  return { reported, payment, order, cause: CAUSE, at, closedAs: null, endedBecause: null, transactionOwner: null };
}

function batchOf(order = orderRow(), payment = paymentRow()) {
  return { order, payment, batch: new Batch(new Map([[order.id, order]]), [payment]) };
}

const DATA = { payment_id: 'pay_1', order_id: 'ord_1', amount: 1800, currency: 'CNY' };

describe('a settlement', () => {
  it('that pays an order moves payment and order, each with its event, and tells the owner', () => {
    const { batch, order, payment } = batchOf(orderRow(), paymentRow({ failureCode: 'USERPAYING' }));
    batch.succeed(fact(payment, order, paidWord()), false);

    expect(payment).toMatchObject({ status: 'succeeded', transactionId: 'T1', late: false, failureCode: null });
    expect([payment.paidAt, payment.settledAt]).toEqual([PAID_AT, NOW]);
    expect(order).toMatchObject({ status: 'paid', paidPaymentId: 'pay_1', paidAt: PAID_AT });
    expect(batch.changedPayments()).toEqual([payment]);
    expect(batch.changedOrders()).toEqual([order]);
    expect(batch.moves).toEqual([
      {
        entity: 'payment',
        orderId: 'ord_1',
        paymentId: 'pay_1',
        from: 'processing',
        to: 'succeeded',
        cause: CAUSE,
        note: null,
        events: [],
      },
      { entity: 'order', orderId: 'ord_1', paymentId: 'pay_1', from: 'pending', to: 'paid', cause: CAUSE, events: [] },
    ]);
    expect(batch.notifications).toEqual([
      { type: 'payment.succeeded', userId: 'usr_1', subjectId: 'pay_1', data: DATA },
    ]);
    expect([batch.late, batch.discrepancies]).toEqual([[], []]);
  });

  it('without a time of payment takes its own', () => {
    const { batch, order, payment } = batchOf();
    batch.succeed(fact(payment, order, paidWord({ paidAt: null })), false);
    expect([payment.paidAt, order.paidAt]).toEqual([NOW, NOW]);
  });

  it('of late money leaves the order alone, and tells owner and operators', () => {
    const { batch, order, payment } = batchOf(orderRow({ status: 'cancelled' }), paymentRow({ status: 'expired' }));
    batch.succeed(fact(payment, order, paidWord()), true);

    expect(payment).toMatchObject({ status: 'succeeded', late: true });
    expect(order).toMatchObject({ status: 'cancelled', paidPaymentId: null });
    expect(batch.changedOrders()).toEqual([]);
    expect(batch.moves).toMatchObject([{ entity: 'payment', from: 'expired', to: 'succeeded', note: 'late' }]);
    expect(batch.late).toEqual([{ payment, order, cause: CAUSE }]);
    expect(batch.notifications).toEqual([
      { type: 'payment.succeeded', userId: 'usr_1', subjectId: 'pay_1', data: DATA },
      { type: 'payment.late', userId: 'usr_1', subjectId: 'pay_1', data: DATA },
      { type: 'payment.late', userId: null, subjectId: 'pay_1:operators', data: DATA },
    ]);
  });

  it.each(['failed', 'closed'] as const)('that ends a payment as %s keeps its order open', (as) => {
    const { batch, order, payment } = batchOf();
    batch.end(fact(payment, order, paidWord({ failureCode: 'PAYERROR' })), as);
    expect(payment).toMatchObject({ status: as, failureCode: 'PAYERROR', settledAt: NOW });
    expect(order.status).toBe('pending');
    expect(batch.moves).toMatchObject([{ entity: 'payment', from: 'processing', to: as, note: 'PAYERROR' }]);
    expect(batch.notifications).toEqual([{ type: `payment.${as}`, userId: 'usr_1', subjectId: 'pay_1', data: DATA }]);
    expect(batch.changedOrders()).toEqual([]);
  });

  it('that ends a payment by its time cancels the pending order', () => {
    const { batch, order, payment } = batchOf();
    batch.end(fact(payment, order, paidWord(), EXPIRES), 'expired');
    expect(order.status).toBe('cancelled');
    expect(batch.moves).toMatchObject([
      { entity: 'payment', to: 'expired', note: null },
      { entity: 'order', orderId: 'ord_1', paymentId: 'pay_1', from: 'pending', to: 'cancelled', cause: CAUSE },
    ]);
    expect(batch.changedOrders()).toEqual([order]);
  });

  it.each([
    ['is paid', 'pending', false, ['payment.succeeded', 'order.paid'], 'paid'],
    ['comes late', 'cancelled', true, ['payment.late'], 'cancelled'],
  ] as const)('tells a service whose order %s, with both rows as it left them', (_, before, late, types, after) => {
    const { batch, order, payment } = batchOf(orderRow({ service: 'shop', status: before }));
    batch.succeed(fact(payment, order, paidWord()), late);
    const data = { order: { id: 'ord_1', status: after }, payment: { id: 'pay_1', status: 'succeeded' } };
    expect(batch.moves.flatMap(({ events }) => events)).toMatchObject(
      types.map((type) => ({ service: 'shop', type, data })),
    );
  });

  it('tells a service that late money was accepted before its order is called paid', () => {
    const { batch, order, payment } = batchOf(orderRow({ service: 'shop' }), paidRow({ late: true }));
    batch.accept({ payment, order, cause: CAUSE }, NOW, 'the goods are there');
    expect(batch.moves).toMatchObject([{ entity: 'order', to: 'paid', note: 'the goods are there' }]);
    expect(batch.moves.flatMap(({ events }) => events)).toMatchObject([
      { type: 'payment.accepted', data: { order: { status: 'paid' } } },
      { type: 'order.paid', data: { order: { status: 'paid' } } },
    ]);
  });

  it('that ends a payment by its time does not touch an order that another payment paid', () => {
    const { batch, order, payment } = batchOf(orderRow({ status: 'paid', paidPaymentId: 'pay_2' }));
    batch.end(fact(payment, order, paidWord(), EXPIRES), 'expired');
    expect(order.status).toBe('paid');
    expect([batch.changedOrders(), batch.moves.length]).toEqual([[], 1]);
  });
});

describe('what a settlement knows', () => {
  it('finds rows by their number, and nothing under another one', () => {
    const { batch, order, payment } = batchOf();
    expect([batch.payment('pay_1'), batch.order('ord_1')]).toEqual([payment, order]);
    expect([batch.payment('pay_2'), batch.order('ord_2')]).toEqual([undefined, undefined]);
    expect([batch.changedPayments(), batch.changedOrders()]).toEqual([[], []]);
  });

  it('names the other payment that carries a transaction, those settled a moment ago included', () => {
    const order = orderRow();
    const [known, fresh] = [paidRow({ id: 'pay_0' }), paymentRow()];
    const batch = new Batch(new Map([[order.id, order]]), [known, fresh]);
    expect(batch.ownerOfTransaction('T1', 'pay_1')).toBe('pay_0');
    expect(batch.ownerOfTransaction('T1', 'pay_0')).toBeNull();
    expect(batch.ownerOfTransaction('T2', 'pay_0')).toBeNull();
    expect(batch.ownerOfTransaction(null, 'pay_1')).toBeNull();

    batch.succeed(fact(fresh, order, paidWord({ transactionId: 'T2' })), false);
    expect(batch.ownerOfTransaction('T2', 'pay_0')).toBe('pay_1');
  });

  it('opens a case for what does not fit, one for each thing seen', () => {
    const { batch, payment } = batchOf();
    batch.openMismatch(fact(payment, orderRow(), paidWord()), { field: 'amount', expected: '1800', seen: '1' });
    batch.openSecondTransaction(fact(paidRow(), orderRow(), paidWord({ transactionId: 'T2' })));
    batch.openUnknown(paidWord({ outTradeNo: 'pay_x' }));
    expect(batch.discrepancies).toEqual([
      {
        type: 'mismatch',
        caseKey: 'mismatch:pay_1:amount:1',
        paymentId: 'pay_1',
        outTradeNo: 'pay_1',
        detail: { field: 'amount', expected: '1800', seen: '1', transaction_id: 'T1' },
      },
      {
        type: 'double_transaction',
        caseKey: 'double_transaction:pay_1:T2',
        paymentId: 'pay_1',
        outTradeNo: 'pay_1',
        detail: { known: 'T1', seen: 'T2', amount: 1800 },
      },
      {
        type: 'unknown_payment',
        caseKey: 'unknown_payment:pay_x',
        paymentId: null,
        outTradeNo: 'pay_x',
        detail: { amount: 1800, currency: 'CNY', transaction_id: 'T1' },
      },
    ]);
    expect([batch.changedPayments(), batch.moves]).toEqual([[], []]);
  });
});
