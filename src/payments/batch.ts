import type { NewDiscrepancy } from '../discrepancies/discrepancies.service.js';
import type { EventType } from '../events/event-types.js';
import type { NewNotification } from '../notifications/notifications.service.js';
import type { Order } from '../orders/order.entity.js';
import { orderEventType } from '../orders/order-events.js';
import type { ChannelPayment } from '../provider/payment-provider.js';
import type { Fact } from './decide.js';
import type { LatePayment } from './late-money.js';
import type { Payment } from './payment.entity.js';
import { paymentEvents } from './payment-events.js';
import type { Move } from './payment-history.js';

/** The rows of one settlement in memory, and what it is about to write: each row at most once, each move with its event. */
export class Batch {
  readonly moves: Move[] = [];
  readonly notifications: NewNotification[] = [];
  readonly discrepancies: NewDiscrepancy[] = [];
  readonly late: LatePayment[] = [];
  private readonly payments: Map<string, Payment>;
  private readonly transactions = new Map<string, string>();
  private readonly dirtyPayments = new Set<Payment>();
  private readonly dirtyOrders = new Set<Order>();

  constructor(
    private readonly orders: Map<string, Order>,
    payments: Payment[],
  ) {
    this.payments = new Map(payments.map((payment) => [payment.id, payment]));
    for (const payment of payments) {
      if (payment.transactionId) this.transactions.set(payment.transactionId, payment.id);
    }
  }

  payment(id: string): Payment | undefined {
    return this.payments.get(id);
  }

  order(id: string): Order | undefined {
    return this.orders.get(id);
  }

  changedPayments(): Payment[] {
    return [...this.dirtyPayments];
  }

  changedOrders(): Order[] {
    return [...this.dirtyOrders];
  }

  /** The other payment that already carries this transaction id, or null. */
  ownerOfTransaction(transactionId: string | null, paymentId: string): string | null {
    const owner = transactionId === null ? undefined : this.transactions.get(transactionId);
    return owner === undefined || owner === paymentId ? null : owner;
  }

  /** `late`: the money is there, but the order could not take it any more. */
  succeed(fact: Fact, late: boolean): void {
    const { reported, payment, order, cause, at } = fact;
    const transactionId = reported.transactionId ?? '';
    this.change(fact, { paymentNote: late ? 'late' : null }, () => {
      payment.markSucceeded(transactionId, reported.paidAt ?? at, at);
      payment.late = late;
      if (!late) order.markPaid(payment.id, payment.paidAt ?? at);
    });
    this.transactions.set(transactionId, payment.id);
    this.notify('payment.succeeded', payment, order);
    if (!late) return;
    this.late.push({ payment, order, cause });
    this.notify('payment.late', payment, order);
    this.notify('payment.late', payment, order, 'operators');
  }

  /** An operator accepts late money for its order, which still waits: from now on it is the payment of the order. */
  accept(late: LatePayment, at: Date, note: string): void {
    const { payment, order } = late;
    this.change(late, { orderNote: note, tell: ['payment.accepted'] }, () => {
      payment.late = false;
      order.markPaid(payment.id, payment.paidAt ?? at);
    });
    // `payment.succeeded` was announced when the money came, and is announced once.
    this.notify('payment.accepted', payment, order);
  }

  end(fact: Fact, as: 'failed' | 'closed' | 'expired'): void {
    const { reported, payment, order, at, endedBecause } = fact;
    const failureCode = reported.failureCode ?? null;
    this.change(fact, { paymentNote: endedBecause ?? failureCode }, () => {
      payment.moveTo(as, at);
      payment.failureCode = failureCode;
      if ((as === 'expired' || endedBecause !== null) && order.status === 'pending') order.moveTo('cancelled');
    });
    this.notify(`payment.${as}`, payment, order);
  }

  openMismatch({ payment, reported }: Fact, found: { field: string; expected: string; seen: string }): void {
    this.discrepancies.push({
      type: 'mismatch',
      caseKey: `mismatch:${payment.id}:${found.field}:${found.seen}`,
      paymentId: payment.id,
      outTradeNo: payment.id,
      detail: {
        field: found.field,
        expected: found.expected,
        seen: found.seen,
        transaction_id: reported.transactionId,
      },
    });
  }

  openSecondTransaction({ payment, reported }: Fact): void {
    this.discrepancies.push({
      type: 'double_transaction',
      caseKey: `double_transaction:${payment.id}:${reported.transactionId}`,
      paymentId: payment.id,
      outTradeNo: payment.id,
      detail: { known: payment.transactionId, seen: reported.transactionId, amount: reported.amountFen },
    });
  }

  /** Money under a number that we never gave. */
  openUnknown(reported: ChannelPayment): void {
    this.discrepancies.push({
      type: 'unknown_payment',
      caseKey: `unknown_payment:${reported.outTradeNo}`,
      paymentId: null,
      outTradeNo: reported.outTradeNo,
      detail: { amount: reported.amountFen, currency: reported.currency, transaction_id: reported.transactionId },
    });
  }

  /**
   * Changes a payment and what follows for its order, and notes which of them moved. What a service is told shows both as
   * the change leaves them: what nobody could see in between, it is not told. `tell` comes before the move of the order.
   */
  private change(
    { payment, order, cause }: LatePayment,
    { paymentNote, orderNote, tell = [] }: { paymentNote?: string | null; orderNote?: string; tell?: EventType[] },
    apply: () => void,
  ): void {
    const [paymentFrom, orderFrom] = [payment.status, order.status];
    apply();
    this.dirtyPayments.add(payment);
    const of = { orderId: order.id, paymentId: payment.id, cause };
    const { status: paymentTo } = payment;
    if (paymentTo !== paymentFrom) {
      const events = paymentEvents(order, payment);
      this.moves.push({ entity: 'payment', ...of, from: paymentFrom, to: paymentTo, note: paymentNote, events });
    }
    if (order.status === orderFrom) return;
    this.dirtyOrders.add(order);
    const events = paymentEvents(order, payment, [...tell, orderEventType(order)]);
    this.moves.push({ entity: 'order', ...of, from: orderFrom, to: order.status, note: orderNote, events });
  }

  private notify(
    type: NewNotification['type'],
    payment: Payment,
    order: Order,
    to: 'owner' | 'operators' = 'owner',
  ): void {
    const data = { payment_id: payment.id, order_id: order.id, amount: payment.amountFen, currency: payment.currency };
    const forOwner = to === 'owner';
    const subjectId = forOwner ? payment.id : `${payment.id}:operators`;
    this.notifications.push({ type, userId: forOwner ? order.userId : null, subjectId, data });
  }
}
