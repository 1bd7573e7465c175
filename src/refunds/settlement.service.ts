import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
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

  /**
   * Answers one result for each of the list, in its order. The caller commits; `last` is called once everything else was
   * issued, and what it issues travels with it.
   */
  async apply(
    tx: EntityManager,
    list: RefundSettling[],
    last?: (settled: RefundSettled[]) => Promise<unknown>,
  ): Promise<RefundSettled[]> {
    const batch = await this.lock(
      tx,
      list.map(({ seen }) => seen.outRefundNo),
    );
    const settled = list.map((settling) => this.settle(settling, batch));
    await this.write(tx, batch, () => last?.(settled));
    return settled;
  }

  /** Locks the orders of these refunds, then reads the rows that hang on them. */
  async lock(tx: EntityManager, refundIds: string[]): Promise<RefundBatch> {
    const ids = [...new Set(refundIds)];
    // Issued together, they run in this order: what is read is read under the lock.
    const [orders, payments, refunds] = await Promise.all([
      this.orders.lockByRefunds(tx, ids),
      this.payments.readByRefunds(tx, ids),
      this.rows.read(tx, ids),
    ]);
    return new RefundBatch(orders, payments, refunds);
  }

  /** Writes whatever the batch changed, each move with its event and its notification. */
  async write(tx: EntityManager, batch: RefundBatch, last?: () => Promise<unknown> | undefined): Promise<void> {
    const writes = [
      this.rows.save(tx, batch.changedRefunds()),
      this.payments.save(tx, batch.changedPayments()),
      this.orders.save(tx, batch.changedOrders()),
      this.history.add(tx, batch.moves),
      this.notifications.add(tx, batch.notifications),
    ];
    if (batch.discrepancies.length > 0 || batch.resolvedCases.length > 0) {
      await Promise.all(writes.splice(0));
      await this.discrepancies.open(tx, batch.discrepancies);
      await this.discrepancies.resolveByItself(tx, batch.resolvedCases);
    }
    await Promise.all([...writes, last?.()]);
  }

  private settle({ seen, cause }: RefundSettling, batch: RefundBatch): RefundSettled {
    const locked = batch.get(seen.outRefundNo);
    if (!locked) {
      if (seen.state !== 'not_found') batch.openUnknown(seen);
      return { outcome: 'unknown_refund', refund: null };
    }
    const decision = decideRefund(seen, locked.refund, locked.payment);
    switch (decision.kind) {
      case 'none':
        batch.learn(locked.refund, seen);
        return { outcome: 'known', refund: locked.refund };
      case 'mismatch':
        batch.openMismatch(locked.refund, decision);
        return { outcome: 'mismatch', refund: locked.refund, field: decision.field };
      case 'succeeded':
        batch.succeed(locked, seen, cause, this.clock.now());
        break;
      case 'closed':
        batch.release(locked, 'closed', { code: 'CLOSED', message: null }, cause, this.clock.now());
        break;
      case 'abnormal':
        batch.abnormal(locked, seen, cause, this.clock.now());
        break;
    }
    return { outcome: 'applied', refund: locked.refund };
  }
}
