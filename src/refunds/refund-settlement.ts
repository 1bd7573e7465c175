import { Injectable } from '@nestjs/common';
import type { Cause } from '../common/cause.js';
import { Clock } from '../common/clock.js';
import { newId } from '../common/ids.js';
import type { Transaction } from '../database/transaction.js';
import { DiscrepanciesService } from '../discrepancies/discrepancies.service.js';
import { NotificationsService } from '../notifications/notifications.service.js';
import { OrdersService } from '../orders/orders.service.js';
import { PaymentHistory } from '../payments/payment-history.js';
import { PaymentsRepository } from '../payments/payments.repository.js';
import type { ChannelRefund } from '../provider/payment-provider.js';
import { RefundBatch, type RefundChange } from './batch.js';
import { decideConsoleRefund, REFUNDED_IN_CONSOLE } from './console-refund.js';
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
  /** Null when there is no row of this number, and none was made. */
  refund: Refund | null;
  /** What did not fit, for outcome `mismatch`. */
  field?: string;
}

/** What does not fit of a console refund that waits: what is left of the payment. */
export const NOTHING_LEFT = 'refundable_amount';

function unknown(reported: ChannelRefund, batch: RefundBatch): RefundResult {
  batch.openUnknown(reported);
  return { outcome: 'unknown_refund', refund: null };
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

  /**
   * Locks the orders that the reports are about, in id order, then reads the rows that hang on them; of a payment that has
   * a refund with an unknown number, in a further round trip, all refunds.
   */
  async lockReported(tx: Transaction, reports: RefundReport[]): Promise<RefundBatch> {
    const numbers = [...new Set(reports.map(({ reported }) => reported.outRefundNo))];
    const paymentIds = [...new Set(reports.flatMap(({ reported }) => reported.outTradeNo ?? []))];
    // Issued together, they run in this order: what is read is read under the lock.
    const [orders, payments, refunds, refundIdOwners] = await Promise.all([
      this.orders.lockByReports(tx, numbers, paymentIds),
      this.payments.readByReports(tx, numbers, paymentIds),
      this.rows.readByNumbers(tx, numbers),
      this.rows.readOwners(
        tx,
        reports.flatMap(({ reported }) => reported.refundId ?? []),
      ),
    ]);
    const batch = new RefundBatch(orders, payments, refunds, refundIdOwners);
    const unknown = reports.filter(({ reported }) => !batch.getByNumber(reported.outRefundNo));
    const owners = unknown.flatMap(({ reported: { outTradeNo: id } }) => (id && batch.getPayment(id) ? id : []));
    if (owners.length > 0) batch.add(await this.rows.readByPayments(tx, owners));
    return batch;
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
    const locked = batch.getByNumber(reported.outRefundNo);
    return locked
      ? this.decideKnown(reported, { ...locked, cause, at: this.clock.now() }, batch)
      : this.decideUnknown({ reported, cause }, batch);
  }

  private decideKnown(reported: ChannelRefund, change: RefundChange, batch: RefundBatch): RefundResult {
    const { refund, payment } = change;
    const decision = decideRefund(reported, refund, payment, batch.ownerOf(reported.refundId));
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

  /** A number that is not ours: of a payment of ours it was refunded in the console. See {@link decideConsoleRefund}. */
  private decideUnknown({ reported, cause }: RefundReport, batch: RefundBatch): RefundResult {
    if (reported.state === 'not_found') return { outcome: 'unknown_refund', refund: null };
    const owner = reported.outTradeNo === null ? null : batch.getPayment(reported.outTradeNo);
    if (!owner) return unknown(reported, batch);
    const { payment } = owner;
    const decision = decideConsoleRefund(
      reported,
      payment,
      batch.refundsOf(payment.id),
      batch.ownerOf(reported.refundId),
    );
    switch (decision.kind) {
      case 'unknown':
        return unknown(reported, batch);
      case 'mismatch':
        batch.openConsoleMismatch(reported, owner, decision);
        return { outcome: 'mismatch', refund: null, field: decision.field };
      case 'wait':
        batch.openConflict(decision.reported, payment, decision.underWay, null);
        return { outcome: 'mismatch', refund: null, field: NOTHING_LEFT };
      case 'take_over': {
        const change = { ...owner, cause, at: this.clock.now() };
        const { displaced } = decision;
        const refund = batch.takeOver(newId('ref', this.clock), decision.reported, change);
        this.decideKnown(reported, { ...change, refund }, batch);
        if (displaced.length > 0) batch.openConflict(decision.reported, payment, displaced, refund);
        for (const one of displaced) {
          batch.release({ ...change, refund: one }, 'rejected', { code: REFUNDED_IN_CONSOLE, message: null });
        }
        return { outcome: 'applied', refund };
      }
    }
  }

  /**
   * Writes what the batch noted, each move with its event and its notification. All its statements are issued at once
   * and none is waited for in between, so that what the caller issues next, the commit too, travels with them.
   */
  async write(tx: Transaction, batch: RefundBatch): Promise<void> {
    await Promise.all([
      ...batch.newRefunds.map((refund) => this.rows.insert(tx, refund)),
      this.rows.save(tx, batch.changedRefunds()),
      this.rows.queryAtOnce(tx, [...batch.toQuery], this.clock.now()),
      this.payments.save(tx, batch.changedPayments()),
      this.orders.save(tx, batch.changedOrders()),
      this.history.add(tx, batch.moves),
      this.notifications.add(tx, batch.notifications),
      this.discrepancies.open(tx, batch.discrepancies),
      this.discrepancies.autoResolve(tx, batch.resolvedCases),
    ]);
  }
}
