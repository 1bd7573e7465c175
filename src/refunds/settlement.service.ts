import { Injectable } from '@nestjs/common';
import type { Transaction } from '../database/transaction.js';
import type { Cause } from '../common/cause.js';
import { Clock } from '../common/clock.js';
import { DiscrepanciesService } from '../discrepancies/discrepancies.service.js';
import { NotificationsService } from '../notifications/notifications.service.js';
import { OrdersService } from '../orders/orders.service.js';
import { PaymentHistory } from '../payments/history.service.js';
import { PaymentRows } from '../payments/payments.repository.js';
import type { ChannelRefund } from '../provider/payment-provider.js';
import { RefundBatch } from './batch.js';
import { decideRefund } from './decide.js';
import type { Refund } from './refund.entity.js';
import { RefundRows } from './refunds.repository.js';

/** One thing the channel said of a refund, and how we came to hear it. */
export interface RefundSettling {
  seen: ChannelRefund;
  cause: Cause;
}

export interface RefundSettled {
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
    private readonly payments: PaymentRows,
    private readonly rows: RefundRows,
    private readonly history: PaymentHistory,
    private readonly notifications: NotificationsService,
    private readonly discrepancies: DiscrepanciesService,
    private readonly clock: Clock,
  ) {}

  /** Answers one result for each report, in their order. The caller commits. */
  async apply(tx: Transaction, reports: RefundSettling[]): Promise<RefundSettled[]> {
    const batch = await this.lockReported(tx, reports);
    const results = reports.map((report) => this.decide(report, batch));
    await this.write(tx, batch);
    return results;
  }

  /** Locks the orders that the reports are about in id order, then reads the rows that hang on them. */
  lockReported(tx: Transaction, reports: RefundSettling[]): Promise<RefundBatch> {
    return this.lock(
      tx,
      reports.map(({ seen }) => seen.outRefundNo),
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
  decide({ seen, cause }: RefundSettling, batch: RefundBatch): RefundSettled {
    const locked = batch.get(seen.outRefundNo);
    if (!locked) {
      if (seen.state !== 'not_found') batch.openUnknown(seen);
      return { outcome: 'unknown_refund', refund: null };
    }
    const { refund, payment } = locked;
    const change = { ...locked, cause, at: this.clock.now() };
    const decision = decideRefund(seen, refund, payment);
    switch (decision.kind) {
      case 'none':
        batch.learn(refund, seen);
        return { outcome: 'known', refund };
      case 'mismatch':
        batch.openMismatch(refund, decision);
        return { outcome: 'mismatch', refund, field: decision.field };
      case 'succeeded':
        batch.succeed(change, seen);
        break;
      case 'closed':
        batch.release(change, 'closed', { code: 'CLOSED', message: null });
        break;
      case 'abnormal':
        batch.abnormal(change, seen);
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
      this.discrepancies.resolveByItself(tx, batch.resolvedCases),
    ]);
  }
}
