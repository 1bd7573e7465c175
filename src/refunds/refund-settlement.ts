import { Injectable } from '@nestjs/common';
import type { Cause } from '../common/cause.js';
import { Clock } from '../common/clock.js';
import type { Transaction } from '../database/transaction.js';
import { DiscrepanciesService } from '../discrepancies/discrepancies.service.js';
import { NotificationsService } from '../notifications/notifications.service.js';
import { OrdersService } from '../orders/orders.service.js';
import { PaymentHistory } from '../payments/payment-history.js';
import { PaymentsRepository } from '../payments/payments.repository.js';
import type { ChannelRefund } from '../provider/payment-provider.js';
import { RefundBatch } from './batch.js';
import { decideRefund } from './decide.js';
import type { Refund } from './refund.entity.js';
import { RefundsRepository } from './refunds.repository.js';

/** One thing the channel said of a refund, and how we came to hear it. */
export interface RefundReport {
  reported: ChannelRefund;
  cause: Cause;
}

export interface RefundResult {
  outcome: 'applied' | 'known' | 'mismatch' | 'unknown_refund';
  /** Null when the number is not ours. */
  refund: Refund | null;
  /** What did not fit, for outcome `mismatch`. */
  field?: string;
}

/**
 * The one door for what the channel says of refunds: the only place where one settles. Takes a list, locks the orders
 * in id order, decides each in plain code, writes all with a few statements. Idempotent by itself.
 */
@Injectable()
export class RefundSettlement {
  constructor(
    private readonly orders: OrdersService,
    private readonly payments: PaymentsRepository,
    private readonly rows: RefundsRepository,
    private readonly history: PaymentHistory,
    private readonly notifications: NotificationsService,
    private readonly discrepancies: DiscrepanciesService,
    private readonly clock: Clock,
  ) {}

  /** Answers one result for each report, in their order. The caller commits. */
  async apply(tx: Transaction, reports: RefundReport[]): Promise<RefundResult[]> {
    const batch = await this.lockReported(tx, reports);
    const results = reports.map((report) => this.decide(report, batch));
    await this.write(tx, batch);
    return results;
  }

  /** Locks the orders that the reports are about in id order, then reads the rows that hang on them. */
  lockReported(tx: Transaction, reports: RefundReport[]): Promise<RefundBatch> {
    return this.lock(
      tx,
      reports.map(({ reported }) => reported.outRefundNo),
    );
  }

  /** Locks the orders of these refunds, then reads the rows that hang on them. */
  async lock(tx: Transaction, refundIds: string[]): Promise<RefundBatch> {
    const ids = [...new Set(refundIds)];
    // Issued together, they run in this order: what is read is read under the lock.
    const [orders, payments, refunds] = await Promise.all([
      this.orders.lockByRefunds(tx, ids),
      this.payments.readByRefunds(tx, ids),
      this.rows.read(tx, ids),
    ]);
    return new RefundBatch(orders, payments, refunds);
  }

  /** Decides one report on the locked rows and notes in the batch what is to be written. */
  decide({ reported, cause }: RefundReport, batch: RefundBatch): RefundResult {
    const locked = batch.get(reported.outRefundNo);
    if (!locked) {
      if (reported.state !== 'not_found') batch.openUnknown(reported);
      return { outcome: 'unknown_refund', refund: null };
    }
    const { refund, payment } = locked;
    const change = { ...locked, cause, at: this.clock.now() };
    const decision = decideRefund(reported, refund, payment);
    switch (decision.kind) {
      case 'none':
        batch.learn(refund, reported);
        return { outcome: 'known', refund };
      case 'mismatch':
        batch.openMismatch(refund, decision);
        return { outcome: 'mismatch', refund, field: decision.field };
      case 'succeeded':
        batch.succeed(change, reported);
        break;
      case 'closed':
        batch.release(change, 'closed', { code: 'CLOSED', message: null });
        break;
      case 'abnormal':
        batch.abnormal(change, reported);
        break;
    }
    return { outcome: 'applied', refund };
  }

  /**
   * Writes what the batch noted, each move with its event and its notification. All its statements are issued at once
   * and none is waited for in between, so that what the caller issues next, the commit too, travels with them.
   */
  async write(tx: Transaction, batch: RefundBatch): Promise<void> {
    await Promise.all([
      this.rows.save(tx, batch.changedRefunds()),
      this.payments.save(tx, batch.changedPayments()),
      this.orders.save(tx, batch.changedOrders()),
      this.history.add(tx, batch.moves),
      this.notifications.add(tx, batch.notifications),
      this.discrepancies.open(tx, batch.discrepancies),
      this.discrepancies.autoResolve(tx, batch.resolvedCases),
    ]);
  }
}
