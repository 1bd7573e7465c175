import type { Cause } from '../common/cause.js';
import type { NewDiscrepancy } from '../discrepancies/discrepancies.service.js';
import type { NewNotification, NotificationType } from '../notifications/notifications.service.js';
import type { Order, OrderStatus } from '../orders/order.entity.js';
import type { Payment } from '../payments/payment.entity.js';
import type { Move } from '../payments/payment-history.js';
import type { ChannelRefund } from '../provider/payment-provider.js';
import type { Refund, RefundStatus } from './refund.entity.js';

/** The case that stands open while the merchant's account cannot pay a refund. */
export function heldRefundCaseKey(refundId: string): string {
  return `refund_held:${refundId}`;
}

/** The code of a refund that an operator refused. */
export const REJECTED_BY_OPERATOR = 'rejected_by_operator';

/** Why a refund is held or ended: a code, and what the channel or an operator says of it to people. */
export interface RefundFailure {
  code: string;
  message: string | null;
}

/** Rows that a refund stands on, locked by their order. */
export interface LockedRefund {
  refund: Refund;
  payment: Payment;
  order: Order;
}

/** What moves a refund: its rows, by whom or what, and when. */
export interface RefundChange extends LockedRefund {
  cause: Cause;
  at: Date;
  /** What an operator noted; in the history it stands in place of the reason. */
  note?: string;
}

/** The rows of one settlement in memory, and what it is about to write. */
export class RefundBatch {
  readonly moves: Move[] = [];
  readonly notifications: NewNotification[] = [];
  readonly discrepancies: NewDiscrepancy[] = [];
  /** Keys of cases that the settlement itself puts an end to. */
  readonly resolvedCases: { caseKey: string; note: string }[] = [];
  private readonly refunds: Map<string, Refund>;
  private readonly payments: Map<string, Payment>;
  private readonly dirtyRefunds = new Set<Refund>();
  private readonly dirtyPayments = new Set<Payment>();
  private readonly dirtyOrders = new Set<Order>();

  constructor(
    private readonly orders: Map<string, Order>,
    payments: Payment[],
    refunds: Refund[],
  ) {
    this.payments = new Map(payments.map((payment) => [payment.id, payment]));
    this.refunds = new Map(refunds.map((refund) => [refund.id, refund]));
  }

  get(refundId: string): LockedRefund | null {
    const refund = this.refunds.get(refundId);
    const payment = refund && this.payments.get(refund.paymentId);
    const order = refund && this.orders.get(refund.orderId);
    return refund && payment && order ? { refund, payment, order } : null;
  }

  changedRefunds(): Refund[] {
    return [...this.dirtyRefunds];
  }

  changedPayments(): Payment[] {
    return [...this.dirtyPayments];
  }

  changedOrders(): Order[] {
    return [...this.dirtyOrders];
  }

  /** The money reached the payer. */
  succeed(change: RefundChange, reported: ChannelRefund): void {
    const { refund, payment, order, cause, at } = change;
    this.learn(refund, reported);
    this.move(change, 'succeeded', null);
    refund.succeededAt = reported.succeededAt ?? at;
    refund.failureCode = null;
    refund.failureMessage = null;
    payment.refundedFen += refund.amountFen;
    this.dirtyPayments.add(payment);
    // What comes back of late money does not make its order refunded: it was paid by another payment, or never.
    if (order.paidPaymentId === payment.id) this.noteOnOrder(order, payment, refund, cause);
    this.notify('refund.succeeded', change);
    this.resolvedCases.push({ caseKey: heldRefundCaseKey(refund.id), note: 'the refund was paid' });
  }

  /** Nothing will be paid under this number: the promise is taken back. */
  release(change: RefundChange, as: 'rejected' | 'closed', failure: RefundFailure): void {
    const { refund, payment } = change;
    this.move(change, as, failure.code);
    refund.failureCode = failure.code;
    refund.failureMessage = failure.message;
    payment.reservedFen -= refund.amountFen;
    this.dirtyPayments.add(payment);
    this.notify(`refund.${as}`, change);
    this.resolvedCases.push({ caseKey: heldRefundCaseKey(refund.id), note: `the refund was ${as}` });
    // A person's no is a decision. After the channel's, late money would not be looked for again: its refund has but one
    // number, and that one is used up.
    if (payment.late && change.note === undefined && failure.code !== REJECTED_BY_OPERATOR)
      this.openLateMoney(change, failure.code);
  }

  /** The payer's account does not take it: it stays reserved, and operators say where it shall go. */
  abnormal(change: RefundChange, reported: ChannelRefund): void {
    const { refund, at } = change;
    this.learn(refund, reported);
    this.move(change, 'abnormal', 'ABNORMAL');
    refund.failureCode = 'ABNORMAL';
    refund.nextCheckAt ??= at;
    this.notify('refund.abnormal', change);
    this.notify('refund.abnormal', change, 'operators');
  }

  /** Moves a refund with its event; the caller sets what else changes. */
  move(change: RefundChange, to: RefundStatus, note: string | null): void {
    const { refund, cause, at } = change;
    const { orderId, paymentId, id: refundId, status: from } = refund;
    refund.moveTo(to, at);
    refund.leaseUntil = null;
    this.dirtyRefunds.add(refund);
    this.moves.push({ noun: 'refund', orderId, paymentId, refundId, from, to, cause, note: change.note ?? note });
  }

  touch(refund: Refund): void {
    this.dirtyRefunds.add(refund);
  }

  /** Keeps the channel's number of the refund, once it is known. */
  learn(refund: Refund, reported: ChannelRefund): void {
    if (refund.refundId !== null || reported.refundId === null) return;
    refund.refundId = reported.refundId;
    this.dirtyRefunds.add(refund);
  }

  openMismatch(refund: Refund, found: { field: string; expected: string; seen: string }): void {
    this.discrepancies.push({
      type: 'mismatch',
      caseKey: `mismatch:${refund.id}:${found.field}:${found.seen}`,
      paymentId: refund.paymentId,
      outTradeNo: refund.paymentId,
      refundId: refund.id,
      outRefundNo: refund.id,
      detail: found,
    });
  }

  /** Money going out under a number that we never gave. */
  openUnknown(reported: ChannelRefund): void {
    this.discrepancies.push({
      type: 'unknown_refund',
      caseKey: `unknown_refund:${reported.outRefundNo}`,
      paymentId: null,
      outTradeNo: reported.outTradeNo,
      outRefundNo: reported.outRefundNo,
      detail: { amount: reported.amountFen, refund_id: reported.refundId, state: reported.state },
    });
  }

  notify(type: NotificationType, { refund, order }: LockedRefund, to: 'owner' | 'operators' = 'owner'): void {
    const { id, paymentId, amountFen, currency } = refund;
    const data = { refund_id: id, payment_id: paymentId, order_id: order.id, amount: amountFen, currency };
    const forOwner = to === 'owner';
    const subjectId = forOwner ? id : `${id}:operators`;
    this.notifications.push({ type, userId: forOwner ? order.userId : null, subjectId, data });
  }

  private openLateMoney({ refund, payment, order }: LockedRefund, code: string): void {
    this.discrepancies.push({
      type: 'late_payment',
      caseKey: `late_payment:${payment.id}`,
      paymentId: payment.id,
      outTradeNo: payment.id,
      refundId: refund.id,
      outRefundNo: refund.id,
      detail: { order_id: order.id, order_status: order.status, amount: refund.amountFen, refund_failure: code },
      again: true,
    });
  }

  private noteOnOrder(order: Order, payment: Payment, refund: Refund, cause: Cause): void {
    order.refundedFen = payment.refundedFen;
    const to: OrderStatus = order.refundedFen === order.amountFen ? 'refunded' : 'partially_refunded';
    this.dirtyOrders.add(order);
    if (order.status === to) return;
    const move = { noun: 'order', orderId: order.id, paymentId: payment.id, refundId: refund.id } as const;
    this.moves.push({ ...move, from: order.status, to, cause });
    order.moveTo(to);
  }
}
