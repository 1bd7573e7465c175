import type { Cause } from '../common/cause.js';
import type { NewDiscrepancy } from '../discrepancies/discrepancies.service.js';
import type { NewNotification, NotificationType } from '../notifications/notifications.service.js';
import type { Order, OrderStatus } from '../orders/order.entity.js';
import { orderEventType } from '../orders/order-events.js';
import type { Payment } from '../payments/payment.entity.js';
import type { Move } from '../payments/payment-history.js';
import type { ChannelRefund } from '../provider/payment-provider.js';
import { conflictCase, type ConsoleRefund, newConsoleRefund, waitingCaseKey } from './console-refund.js';
import type { Mismatch } from './decide.js';
import type { Refund, RefundStatus } from './refund.entity.js';
import { heldRefundCaseKey, lateMoneyCase, mismatchCase, unknownCase, unknownCaseKey } from './refund-cases.js';
import { refundEvents } from './refund-events.js';

/** The code of a refund that an operator refused. */
export const REJECTED_BY_OPERATOR = 'rejected_by_operator';

/** Why a refund is held or ended: a code, and what the channel or an operator says of it to people. */
export interface RefundFailure {
  code: string;
  message: string | null;
}

/** A payment, locked by its order. */
export interface LockedPayment {
  payment: Payment;
  order: Order;
}

/** Rows that a refund stands on, locked by their order. */
export interface LockedRefund extends LockedPayment {
  refund: Refund;
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
  /** Rows that are to be inserted. */
  readonly newRefunds: Refund[] = [];
  /** Payments of which the refunds under way are to be queried at once. */
  readonly toQuery = new Set<string>();
  private readonly refunds = new Map<string, Refund>();
  private readonly byNumber = new Map<string, Refund>();
  private readonly payments: Map<string, Payment>;
  private readonly dirtyRefunds = new Set<Refund>();
  private readonly dirtyPayments = new Set<Payment>();
  private readonly dirtyOrders = new Set<Order>();

  constructor(
    private readonly orders: Map<string, Order>,
    payments: Payment[],
    refunds: Refund[],
    /** The channel's numbers of refunds → ours that have them, of those that are reported. */
    private readonly refundIdOwners = new Map<string, string>(),
  ) {
    this.payments = new Map(payments.map((payment) => [payment.id, payment]));
    this.add(refunds);
  }

  /** Adds rows that were read later; those that are here stay as they are. */
  add(refunds: Refund[]): void {
    for (const refund of refunds) {
      if (this.refunds.has(refund.id)) continue;
      this.refunds.set(refund.id, refund);
      this.byNumber.set(refund.outRefundNo, refund);
    }
  }

  get(refundId: string): LockedRefund | null {
    return this.locked(this.refunds.get(refundId));
  }

  /** The refund that has this number at the channel. */
  getByNumber(outRefundNo: string): LockedRefund | null {
    return this.locked(this.byNumber.get(outRefundNo));
  }

  /** Our refund that has this number of the channel, or null. */
  ownerOf(refundId: string | null): string | null {
    return refundId === null ? null : (this.refundIdOwners.get(refundId) ?? null);
  }

  getPayment(paymentId: string): LockedPayment | null {
    const payment = this.payments.get(paymentId);
    const order = payment && this.orders.get(payment.orderId);
    return payment && order ? { payment, order } : null;
  }

  refundsOf(paymentId: string): Refund[] {
    return [...this.refunds.values()].filter((refund) => refund.paymentId === paymentId);
  }

  changedRefunds(): Refund[] {
    return [...this.dirtyRefunds].filter((refund) => !this.newRefunds.includes(refund));
  }

  changedPayments(): Payment[] {
    return [...this.dirtyPayments];
  }

  changedOrders(): Order[] {
    return [...this.dirtyOrders];
  }

  /** A refund that was made in the console becomes a row: it counts against what is left of the payment from now on. */
  takeOver(
    id: string,
    reported: ConsoleRefund,
    { payment, order, cause, at }: LockedPayment & Omit<RefundChange, 'refund'>,
  ): Refund {
    const refund = newConsoleRefund(id, reported, payment, at);
    this.add([refund]);
    this.newRefunds.push(refund);
    this.refundIdOwners.set(reported.refundId, id);
    payment.reservedFen += refund.amountFen;
    this.dirtyPayments.add(payment);
    const { orderId, paymentId, status: to } = refund;
    const note = `made in the console as ${refund.outRefundNo}`;
    const events = refundEvents({ order, payment, refund });
    this.moves.push({ entity: 'refund', orderId, paymentId, refundId: id, from: null, to, cause, note, events });
    for (const caseKey of [waitingCaseKey(refund.outRefundNo), unknownCaseKey(refund.outRefundNo)]) {
      this.resolvedCases.push({ caseKey, note: `the refund was taken over as ${id}` });
    }
    return refund;
  }

  /** The money reached the payer. */
  succeed(change: RefundChange, reported: ChannelRefund): void {
    const { refund, payment, order, at } = change;
    this.learn(refund, reported);
    refund.succeededAt = reported.succeededAt ?? at;
    refund.failureCode = null;
    refund.failureMessage = null;
    payment.refundedFen += refund.amountFen;
    this.dirtyPayments.add(payment);
    const orderFrom = order.status;
    // What comes back of late money does not make its order refunded: it was paid by another payment, or never.
    if (order.paidPaymentId === payment.id) this.noteOnOrder(order, payment);
    this.move(change, 'succeeded', null);
    if (order.status !== orderFrom) this.noteOrderMove(change, orderFrom);
    this.notify('refund.succeeded', change);
    this.resolvedCases.push({ caseKey: heldRefundCaseKey(refund.id), note: 'the refund was paid' });
  }

  /** Nothing will be paid under this number: the promise is taken back. */
  release(change: RefundChange, as: 'rejected' | 'closed', failure: RefundFailure): void {
    const { refund, payment } = change;
    refund.failureCode = failure.code;
    refund.failureMessage = failure.message;
    payment.reservedFen -= refund.amountFen;
    this.dirtyPayments.add(payment);
    this.move(change, as, failure.code);
    this.notify(`refund.${as}`, change);
    this.resolvedCases.push({ caseKey: heldRefundCaseKey(refund.id), note: `the refund was ${as}` });
    // A person's no is a decision. After the channel's, late money would not be looked for again: its refund has but one
    // number, and that one is used up.
    const isGoingBack = payment.refundableFen === 0;
    const byPerson = change.note !== undefined || failure.code === REJECTED_BY_OPERATOR;
    if (payment.late && !isGoingBack && !byPerson) this.discrepancies.push(lateMoneyCase(change, failure.code));
  }

  /** The payer's account does not take it: it stays reserved, and operators say where it shall go. */
  abnormal(change: RefundChange, reported: ChannelRefund): void {
    const { refund, at } = change;
    this.learn(refund, reported);
    refund.failureCode = 'ABNORMAL';
    this.move(change, 'abnormal', 'ABNORMAL');
    refund.nextCheckAt ??= at;
    this.notify('refund.abnormal', change);
    this.notify('refund.abnormal', change, 'operators');
  }

  /**
   * Moves a refund, with its event. What else changes is set before it: what a service is told shows the rows as they are
   * here.
   */
  move(change: RefundChange, to: RefundStatus, note: string | null): void {
    const { refund, cause, at } = change;
    const { orderId, paymentId, id: refundId, status: from } = refund;
    refund.moveTo(to, at);
    refund.leaseUntil = null;
    this.dirtyRefunds.add(refund);
    const events = refundEvents(change);
    this.moves.push({
      entity: 'refund',
      orderId,
      paymentId,
      refundId,
      from,
      to,
      cause,
      note: change.note ?? note,
      events,
    });
  }

  touch(refund: Refund): void {
    this.dirtyRefunds.add(refund);
  }

  /** Keeps the channel's number of the refund, once it is known. */
  learn(refund: Refund, reported: ChannelRefund): void {
    if (refund.refundId !== null || reported.refundId === null) return;
    refund.refundId = reported.refundId;
    this.refundIdOwners.set(reported.refundId, refund.id);
    this.dirtyRefunds.add(refund);
  }

  openMismatch(refund: Refund, found: Mismatch): void {
    this.discrepancies.push(mismatchCase(refund.paymentId, refund.outRefundNo, refund.id, found));
  }

  /** A refund that is not ours names one of our payments, and says of it what is not so. */
  openConsoleMismatch(reported: ChannelRefund, { payment }: LockedPayment, found: Mismatch): void {
    this.discrepancies.push(mismatchCase(payment.id, reported.outRefundNo, null, found));
  }

  /** Money going out under a number that we never gave. */
  openUnknown(reported: ChannelRefund): void {
    this.discrepancies.push(unknownCase(reported));
  }

  /** Refunds of ours, `ours`, do not fit beside one that was made in the console. */
  openConflict(reported: ConsoleRefund, payment: Payment, ours: Refund[], takenOver: Refund | null): void {
    this.discrepancies.push(conflictCase(reported, payment, ours, takenOver));
    if (takenOver === null) this.toQuery.add(payment.id);
  }

  notify(type: NotificationType, { refund, order }: LockedRefund, to: 'owner' | 'operators' = 'owner'): void {
    const { id, paymentId, amountFen, currency } = refund;
    const data = { refund_id: id, payment_id: paymentId, order_id: order.id, amount: amountFen, currency };
    const forOwner = to === 'owner';
    const subjectId = forOwner ? id : `${id}:operators`;
    this.notifications.push({ type, userId: forOwner ? order.userId : null, subjectId, data });
  }

  private locked(refund: Refund | undefined): LockedRefund | null {
    const locked = refund && this.getPayment(refund.paymentId);
    return locked ? { refund, ...locked } : null;
  }

  private noteOnOrder(order: Order, payment: Payment): void {
    order.refundedFen = payment.refundedFen;
    const to: OrderStatus = order.refundedFen === order.amountFen ? 'refunded' : 'partially_refunded';
    this.dirtyOrders.add(order);
    if (order.status !== to) order.moveTo(to);
  }

  private noteOrderMove(change: RefundChange, from: OrderStatus): void {
    const { order, payment, refund, cause } = change;
    const move = { entity: 'order', orderId: order.id, paymentId: payment.id, refundId: refund.id } as const;
    const events = refundEvents(change, orderEventType(order));
    this.moves.push({ ...move, from, to: order.status, cause, events });
  }
}
