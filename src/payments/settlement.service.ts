import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { Clock } from '../common/clock.js';
import { DiscrepanciesService } from '../discrepancies/discrepancies.service.js';
import { NotificationsService } from '../notifications/notifications.service.js';
import { Order } from '../orders/order.entity.js';
import { OrdersService } from '../orders/orders.service.js';
import type { ChannelPayment } from '../provider/payment-provider.js';
import { Decision, decide } from './decide.js';
import { PaymentHistory } from './history.service.js';
import { LateMoney } from './late-money.js';
import { Payment } from './payment.entity.js';
import { PaymentRows } from './payments.repository.js';
import { Batch } from './batch.js';

/** One thing the channel said, and how we came to hear it. */
export interface Settling {
  seen: ChannelPayment;
  cause: Cause;
  /** What a confirmed close is called; left out: `expired` past the payment's end of life, else `closed`. */
  closedAs?: 'closed' | 'expired';
}

export type SettleOutcome = 'applied' | 'known' | 'mismatch' | 'unknown_payment';

export interface Settled {
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
    private readonly rows: PaymentRows,
    private readonly history: PaymentHistory,
    private readonly notifications: NotificationsService,
    private readonly discrepancies: DiscrepanciesService,
    private readonly lateMoney: LateMoney,
    private readonly clock: Clock,
  ) {}

  /**
   * Answers one result for each of the list, in its order. The caller commits; `last` is called once everything else was
   * issued, and what it issues travels with it.
   */
  async apply(
    tx: EntityManager,
    list: Settling[],
    last?: (settled: Settled[]) => Promise<unknown>,
  ): Promise<Settled[]> {
    const ids = [...new Set(list.map(({ seen }) => seen.outTradeNo))];
    const transactionIds = list.flatMap(({ seen }) => seen.transactionId ?? []);
    // Issued together, they run in this order: what is read is read under the lock.
    const [orders, payments] = await Promise.all([
      this.orders.lockByPayments(tx, ids),
      this.rows.readWithOwners(tx, ids, transactionIds),
    ]);
    const batch = new Batch(orders, payments);
    const settled = list.map((settling) => this.settle(settling, batch));

    const writes = [
      this.rows.save(tx, batch.changedPayments()),
      this.orders.save(tx, batch.changedOrders()),
      this.history.add(tx, batch.moves),
      this.notifications.add(tx, batch.notifications),
    ];
    if (batch.discrepancies.length > 0 || batch.late.length > 0) {
      await Promise.all(writes.splice(0));
      await this.discrepancies.open(tx, batch.discrepancies);
      await this.lateMoney.handle(tx, batch.late);
    }
    await Promise.all([...writes, last?.(settled)]);
    return settled;
  }

  private settle(settling: Settling, batch: Batch): Settled {
    const { seen, cause } = settling;
    const payment = batch.payment(seen.outTradeNo);
    const order = payment && batch.order(payment.orderId);
    if (!payment || !order) {
      if (seen.state === 'succeeded') batch.openUnknown(seen);
      return { outcome: 'unknown_payment', payment: null };
    }
    const now = this.clock.now();
    const decision = decide(seen, payment, order, {
      now,
      closedAs: settling.closedAs ?? null,
      transactionOwner: batch.ownerOfTransaction(seen.transactionId, payment.id),
    });
    return this.carryOut(decision, seen, payment, order, cause, batch, now);
  }

  private carryOut(
    decision: Decision,
    seen: ChannelPayment,
    payment: Payment,
    order: Order,
    cause: Cause,
    batch: Batch,
    now: Date,
  ): Settled {
    switch (decision.kind) {
      case 'none':
        return { outcome: 'known', payment };
      case 'mismatch':
        batch.openMismatch(payment, decision, seen);
        return { outcome: 'mismatch', payment, field: decision.field };
      case 'second_transaction':
        batch.openSecondTransaction(payment, seen);
        return { outcome: 'mismatch', payment, field: 'transaction_id' };
      case 'ends':
        batch.endPayment(payment, order, decision.as, seen.failureCode ?? null, cause, now);
        return { outcome: 'applied', payment };
      case 'pays_order':
      case 'late':
        batch.succeed(payment, order, seen, decision.kind === 'late', cause, now);
        return { outcome: 'applied', payment };
    }
  }
}
