import { Injectable } from '@nestjs/common';
import type { Cause } from '../common/cause.js';
import { Clock } from '../common/clock.js';
import type { Transaction } from '../database/transaction.js';
import { DiscrepanciesService } from '../discrepancies/discrepancies.service.js';
import { NotificationsService } from '../notifications/notifications.service.js';
import { OrdersService } from '../orders/orders.service.js';
import type { ChannelPayment } from '../provider/payment-provider.js';
import { Batch } from './batch.js';
import { decide, type Fact } from './decide.js';
import { LateMoney } from './late-money.js';
import { Payment } from './payment.entity.js';
import { PaymentHistory } from './payment-history.js';
import { PaymentsRepository } from './payments.repository.js';

/** One thing the channel said, and how we came to hear it. */
export interface PaymentReport {
  reported: ChannelPayment;
  cause: Cause;
  /** What a confirmed close is called; left out: `expired` past the payment's end of life, else `closed`. */
  closedAs?: 'closed' | 'expired';
  /** An operator's note: the payment is ended in place of its provider, and its order with it. */
  endedBecause?: string;
}

export type SettleOutcome = 'applied' | 'known' | 'mismatch' | 'unknown_payment';

export interface PaymentResult {
  outcome: SettleOutcome;
  /** Null when the number is not ours. */
  payment: Payment | null;
  /** What did not fit, for outcome `mismatch`. */
  field?: string;
}

/**
 * The one door for what the channel says of payments. A callback, a query, an expiry and a difference found in a bill
 * all end here. Takes a list: locks the orders in id order in one statement, decides each in plain code, writes all
 * with a few statements. Idempotent by itself.
 */
@Injectable()
export class PaymentSettlement {
  constructor(
    private readonly orders: OrdersService,
    private readonly rows: PaymentsRepository,
    private readonly history: PaymentHistory,
    private readonly notifications: NotificationsService,
    private readonly discrepancies: DiscrepanciesService,
    private readonly lateMoney: LateMoney,
    private readonly clock: Clock,
  ) {}

  /** Answers one result for each report, in their order. The caller commits. */
  async apply(tx: Transaction, reports: PaymentReport[]): Promise<PaymentResult[]> {
    const batch = await this.lockReported(tx, reports);
    const results = reports.map((report) => this.decide(report, batch));
    await this.write(tx, batch);
    return results;
  }

  /** Locks the orders that the reports are about in id order, then reads their payments. */
  async lockReported(tx: Transaction, reports: PaymentReport[]): Promise<Batch> {
    const ids = [...new Set(reports.map(({ reported }) => reported.outTradeNo))];
    const transactionIds = reports.flatMap(({ reported }) => reported.transactionId ?? []);
    // Issued together, they run in this order: what is read is read under the lock.
    const [orders, payments] = await Promise.all([
      this.orders.lockByPayments(tx, ids),
      this.rows.readWithOwners(tx, ids, transactionIds),
    ]);
    return new Batch(orders, payments);
  }

  /** Decides one report on the locked rows and notes in the batch what is to be written. */
  decide({ reported, cause, closedAs, endedBecause }: PaymentReport, batch: Batch): PaymentResult {
    const payment = batch.payment(reported.outTradeNo);
    const order = payment && batch.order(payment.orderId);
    if (!payment || !order) {
      if (reported.state === 'succeeded') batch.openUnknown(reported);
      return { outcome: 'unknown_payment', payment: null };
    }
    const fact: Fact = {
      ...{ reported, payment, order, cause },
      at: this.clock.now(),
      closedAs: closedAs ?? null,
      endedBecause: endedBecause ?? null,
      transactionOwner: batch.ownerOfTransaction(reported.transactionId, payment.id),
    };
    const decision = decide(fact);
    switch (decision.kind) {
      case 'none':
        return { outcome: 'known', payment };
      case 'mismatch':
        batch.openMismatch(fact, decision);
        return { outcome: 'mismatch', payment, field: decision.field };
      case 'second_transaction':
        batch.openSecondTransaction(fact);
        return { outcome: 'mismatch', payment, field: 'transaction_id' };
      case 'ends':
        batch.end(fact, decision.as);
        return { outcome: 'applied', payment };
      case 'pays_order':
      case 'late':
        batch.succeed(fact, decision.kind === 'late');
        return { outcome: 'applied', payment };
    }
  }

  /**
   * Writes what the batch noted. All its statements are issued at once and none is waited for in between, so that what
   * the caller issues next, the commit too, travels with them.
   */
  async write(tx: Transaction, batch: Batch): Promise<void> {
    await Promise.all([
      this.rows.save(tx, batch.changedPayments()),
      this.orders.save(tx, batch.changedOrders()),
      this.history.add(tx, batch.moves),
      this.notifications.add(tx, batch.notifications),
      this.discrepancies.open(tx, batch.discrepancies),
      this.lateMoney.handle(tx, batch.late),
    ]);
  }
}
