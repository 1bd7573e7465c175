import type { Cause } from '../../src/common/cause.js';
import { Order } from '../../src/orders/order.entity.js';
import { Payment } from '../../src/payments/payment.entity.js';
import type { ChannelPayment, ChannelRefund } from '../../src/provider/payment-provider.js';
import { Refund } from '../../src/refunds/refund.entity.js';

/** The moment at which the rows below are looked at. */
export const NOW = new Date('2026-11-23T08:00:00.000Z');
export const CREATED = new Date('2026-11-23T07:50:00.000Z');
export const EXPIRES = new Date('2026-11-23T08:20:00.000Z');
export const PAID_AT = new Date('2026-11-23T07:55:00.000Z');

export const CAUSE: Cause = { kind: 'callback', actor: 'wechat', requestId: 'req_1' };

/** A pending order, a row in memory. */
export function orderRow(changes: Partial<Order> = {}): Order {
  return Object.assign(new Order(), {
    id: 'ord_1',
    userId: 'usr_1',
    status: 'pending',
    amountFen: 1800,
    currency: 'CNY',
    refundedFen: 0,
    description: 'Two cups of tea',
    metadata: {},
    productId: null,
    quantity: null,
    paidPaymentId: null,
    createdBy: 'usr_1',
    service: null,
    externalId: null,
    expiresIn: null,
    createdAt: CREATED,
    expiresAt: EXPIRES,
    paidAt: null,
    ...changes,
  } satisfies Partial<Order>);
}

/** A payment of that order that was handed to the channel. */
export function paymentRow(changes: Partial<Payment> = {}): Payment {
  return Object.assign(new Payment(), {
    id: 'pay_1',
    orderId: 'ord_1',
    provider: 'wechat',
    mchid: '1900007291',
    appid: 'wx2421b1c4370ec43b',
    status: 'processing',
    amountFen: 1800,
    currency: 'CNY',
    reservedFen: 0,
    refundedFen: 0,
    transactionId: null,
    late: false,
    prepayId: null,
    prepayExpiresAt: null,
    failureCode: null,
    createdAt: CREATED,
    expiresAt: EXPIRES,
    startedAt: CREATED,
    paidAt: null,
    settledAt: null,
    nextCheckAt: NOW,
    checks: 0,
    checkedAt: null,
    leaseUntil: null,
    ...changes,
  } as Partial<Payment>);
}

/** The same, paid. */
export function paidRow(changes: Partial<Payment> = {}): Payment {
  return paymentRow({ status: 'succeeded', transactionId: 'T1', paidAt: PAID_AT, settledAt: PAID_AT, ...changes });
}

/** A refund of 500 fen of that payment, under way. */
export function refundRow(changes: Partial<Refund> = {}): Refund {
  return Object.assign(new Refund(), {
    id: 'ref_1',
    paymentId: 'pay_1',
    orderId: 'ord_1',
    status: 'processing',
    origin: 'api',
    consoleRefundNo: null,
    service: null,
    externalId: null,
    whole: false,
    amountFen: 500,
    currency: 'CNY',
    reason: null,
    refundId: null,
    requestedBy: 'usr_1',
    approvedBy: 'usr_2',
    failureCode: null,
    failureMessage: null,
    createdAt: CREATED,
    sentAt: CREATED,
    lastSentAt: CREATED,
    succeededAt: null,
    settledAt: null,
    nextCheckAt: NOW,
    checks: 0,
    checkedAt: null,
    leaseUntil: null,
    ...changes,
  } as Partial<Refund>);
}

/** The channel says that {@link paymentRow} was paid. */
export function paidWord(changes: Partial<ChannelPayment> = {}): ChannelPayment {
  return {
    outTradeNo: 'pay_1',
    state: 'succeeded',
    transactionId: 'T1',
    amountFen: 1800,
    currency: 'CNY',
    paidAt: PAID_AT,
    account: { mchid: '1900007291', appid: 'wx2421b1c4370ec43b' },
    ...changes,
  };
}

/** The channel says of a payment that no money came. */
export function unpaidWord(outTradeNo: string, state: 'open' | 'closed' | 'failed'): ChannelPayment {
  const nothing = { transactionId: null, amountFen: null, currency: null, paidAt: null, account: null };
  return { outTradeNo, state, ...nothing };
}

/** The channel says that {@link refundRow} reached the payer. */
export function refundWord(changes: Partial<ChannelRefund> = {}): ChannelRefund {
  return {
    outRefundNo: 'ref_1',
    outTradeNo: 'pay_1',
    state: 'succeeded',
    refundId: 'R1',
    amountFen: 500,
    totalFen: 1800,
    currency: 'CNY',
    transactionId: 'T1',
    createdAt: null,
    succeededAt: PAID_AT,
    mchid: '1900007291',
    ...changes,
  };
}
