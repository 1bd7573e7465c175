import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { DomainError } from '../common/errors.js';
import { inTransaction } from '../database/in-transaction.js';
import { PaymentsService } from '../payments/payments.service.js';
import { type ChannelRefund, ProviderError } from '../provider/payment-provider.js';
import { isBound, ProviderRegistry } from '../provider/provider-registry.js';
import type { Refund } from './refund.entity.js';
import { RefundChannel } from './refund-channel.js';
import { NOTHING_LEFT, RefundSettlement } from './refund-settlement.js';

/** The most that are asked about at once. */
const PER_RUN = 100;

/**
 * Refunds that were made in the channel's merchant console, asked for by their number: where its notice was lost, where a bill
 * has a line of it, and where it waits for the end of one of ours. Taken over by {@link RefundSettlement} alone.
 */
@Injectable()
export class ConsoleRefunds {
  private readonly log = new Logger(ConsoleRefunds.name);

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly registry: ProviderRegistry,
    private readonly payments: PaymentsService,
    private readonly channel: RefundChannel,
    private readonly settlement: RefundSettlement,
  ) {}

  /**
   * Queries the channel about a refund of this payment by its number, and takes over what it says. A repeat has no second
   * effect.
   * @throws DomainError `not_found` when either is unknown, or the refund is of another payment; `other_provider`,
   * `payment_not_refundable`, `refund_mismatch`, `channel_unavailable`; `refund_exceeds_payment` while one of ours is in
   * the way, which is a case then
   */
  async takeOver(paymentId: string, outRefundNo: string, cause: Cause): Promise<Refund> {
    const reported = await this.query(paymentId, outRefundNo);
    if (reported.state === 'not_found') throw new DomainError('not_found', 'WeChat Pay knows no refund of this number');
    if (reported.outTradeNo !== paymentId)
      throw new DomainError('not_found', 'the refund of this number belongs to another payment');
    const [settled] = await inTransaction(this.db, 'refund.outcome', (tx) =>
      this.settlement.apply(tx, [{ reported, cause }]),
    );
    if (settled?.refund && settled.outcome !== 'mismatch') return settled.refund;
    if (settled?.field === NOTHING_LEFT)
      throw new DomainError('refund_exceeds_payment', 'another refund of the payment is under way: see the case');
    throw new DomainError('refund_mismatch', settled?.field && `${settled.field} mismatch`);
  }

  /** Takes over those that had to wait for the end of one of ours, as soon as they fit. Answers what it took over. */
  async takeOverWaiting(cause: Cause): Promise<Refund[]> {
    // What was never sent gives way.
    const waiting = await this.db.query<{ payment_id: string; out_refund_no: string }[]>(
      `SELECT d.payment_id, d.out_refund_no FROM discrepancies d JOIN payments p ON p.id = d.payment_id
       WHERE d.status = 'open' AND d.type = 'refund_conflict' AND d.refund_id IS NULL AND ${isBound('$1')}
         AND (d.detail ->> 'amount')::integer <= p.amount_fen - p.reserved_fen + (
           SELECT coalesce(sum(r.amount_fen), 0) FROM refunds r
           WHERE r.payment_id = p.id AND r.status IN ('requested', 'processing') AND r.sent_at IS NULL)
       ORDER BY d.id LIMIT $2`,
      [this.registry.accounts, PER_RUN],
    );
    const taken: Refund[] = [];
    for (const { payment_id: paymentId, out_refund_no: outRefundNo } of waiting) {
      try {
        taken.push(await this.takeOver(paymentId, outRefundNo, cause));
      } catch (error) {
        this.log.warn({ err: error, payment_id: paymentId, out_refund_no: outRefundNo }, 'refund not taken over');
      }
    }
    return taken;
  }

  private async query(paymentId: string, outRefundNo: string): Promise<ChannelRefund> {
    const payment = await this.payments.get(paymentId);
    const provider = this.registry.of(payment);
    const { transactionId, amountFen: totalFen, currency } = payment;
    if (payment.status !== 'succeeded')
      throw new DomainError('payment_not_refundable', `the payment is ${payment.status}`);
    const number = { outRefundNo, outTradeNo: paymentId, transactionId, totalFen, currency };
    try {
      const order = { ...number, amountFen: 0, reason: null, refundId: null, metadata: {} };
      return await this.channel.ask({ provider, order });
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      throw new DomainError('channel_unavailable', error.code);
    }
  }
}
