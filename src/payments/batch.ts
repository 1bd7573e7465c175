import type { Cause } from '../common/cause.js';
import type { NewDiscrepancy } from '../discrepancies/discrepancies.service.js';
import type { NewNotification } from '../notifications/notifications.service.js';
import type { Order, OrderStatus } from '../orders/order.entity.js';
import type { ChannelPayment } from '../provider/payment-provider.js';
import type { Fact } from './decide.js';
import type { LatePayment } from './late-money.js';
import type { Payment, PaymentStatus } from './payment.entity.js';
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
  succeed({ reported, payment, order, cause, at }: Fact, late: boolean): void {
    const transactionId = reported.transactionId ?? '';
    this.movePayment(payment, 'succeeded', cause, late ? 'late' : null, () => {
      payment.markSucceeded(transactionId, reported.paidAt ?? at, at);
      payment.late = late;
    });
    this.transactions.set(transactionId, payment.id);
    this.notify('payment.succeeded', payment, order);
    if (!late) {
      this.moveOrder(order, 'paid', cause, payment.id, () => order.markPaid(payment.id, payment.paidAt ?? at));
      return;
    }
    this.late.push({ payment, order, cause });
    this.notify('payment.late', payment, order);
    this.notify('payment.late', payment, order, 'operators');
  }

  /** An operator accepts late money for its order, which still waits: from now on it is the payment of the order. */
  accept({ payment, order, cause }: LatePayment, at: Date, note: string): void {
    payment.late = false;
    this.dirtyPayments.add(payment);
    this.moveOrder(order, 'paid', cause, payment.id, () => order.markPaid(payment.id, payment.paidAt ?? at), note);
    // `payment.succeeded` was announced when the money came, and is announced once.
    this.notify('payment.accepted', payment, order);
  }

  end({ reported, payment, order, cause, at, endedBecause }: Fact, as: 'failed' | 'closed' | 'expired'): void {
    const failureCode = reported.failureCode ?? null;
    this.movePayment(payment, as, cause, endedBecause ?? failureCode, () => {
      payment.moveTo(as, at);
      payment.failureCode = failureCode;
    });
    this.notify(`payment.${as}`, payment, order);
    if ((as === 'expired' || endedBecause !== null) && order.status === 'pending') {
      this.moveOrder(order, 'cancelled', cause, payment.id, () => order.moveTo('cancelled'));
    }
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

  private movePayment(
    payment: Payment,
    to: PaymentStatus,
    cause: Cause,
    note: string | null,
    change: () => void,
  ): void {
    const from = payment.status;
    change();
    this.dirtyPayments.add(payment);
    this.moves.push({ entity: 'payment', orderId: payment.orderId, paymentId: payment.id, from, to, cause, note });
  }

  private moveOrder(
    order: Order,
    to: OrderStatus,
    cause: Cause,
    paymentId: string,
    change: () => void,
    note?: string,
  ): void {
    const from = order.status;
    change();
    this.dirtyOrders.add(order);
    this.moves.push({ entity: 'order', orderId: order.id, paymentId, from, to, cause, note });
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
