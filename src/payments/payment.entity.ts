import { Column, Entity, PrimaryColumn } from 'typeorm';
import { assertMove, moves } from '../common/flow.js';
import type { ProviderName } from '../provider/payment-provider.js';

export type PaymentStatus = 'init' | 'processing' | 'succeeded' | 'failed' | 'expired' | 'closed';

export const PAYMENT_MOVES = moves<PaymentStatus>({
  init: ['processing', 'succeeded', 'failed', 'expired', 'closed'],
  processing: ['succeeded', 'failed', 'expired', 'closed'],
  succeeded: [],
  // Late money is still money: what the channel took is recorded, whatever we had decided before.
  failed: ['succeeded'],
  expired: ['succeeded'],
  closed: ['succeeded'],
});

/** One attempt to pay an order. Its id is its `out_trade_no`. "Refunded" is not a state but two numbers. */
@Entity('payments')
export class Payment {
  @PrimaryColumn('text') id!: string;
  @Column('text', { name: 'order_id' }) orderId!: string;
  @Column('text') provider!: ProviderName;
  @Column('text') mchid!: string;
  @Column('text') appid!: string;
  @Column('text') status!: PaymentStatus;
  @Column('integer', { name: 'amount_fen' }) amountFen!: number;
  @Column('text') currency!: string;
  /** Promised back: every refund that is neither rejected nor closed. */
  @Column('integer', { name: 'reserved_fen' }) reservedFen!: number;
  /** Really paid back. */
  @Column('integer', { name: 'refunded_fen' }) refundedFen!: number;
  @Column('text', { name: 'transaction_id', nullable: true }) transactionId!: string | null;
  /** Its money came when the order could no longer take it. */
  @Column('boolean') late!: boolean;
  @Column('text', { name: 'prepay_id', nullable: true }) prepayId!: string | null;
  @Column('timestamptz', { name: 'prepay_expires_at', nullable: true }) prepayExpiresAt!: Date | null;
  @Column('text', { name: 'failure_code', nullable: true }) failureCode!: string | null;
  @Column('timestamptz', { name: 'created_at' }) createdAt!: Date;
  @Column('timestamptz', { name: 'expires_at' }) expiresAt!: Date;
  @Column('timestamptz', { name: 'started_at', nullable: true }) startedAt!: Date | null;
  @Column('timestamptz', { name: 'paid_at', nullable: true }) paidAt!: Date | null;
  @Column('timestamptz', { name: 'settled_at', nullable: true }) settledAt!: Date | null;
  @Column('timestamptz', { name: 'next_check_at' }) nextCheckAt!: Date;
  @Column('integer') checks!: number;
  @Column('timestamptz', { name: 'checked_at', nullable: true }) checkedAt!: Date | null;
  @Column('timestamptz', { name: 'lease_until', nullable: true }) leaseUntil!: Date | null;

  get isOpen(): boolean {
    return this.status === 'init' || this.status === 'processing';
  }

  /** What may still be promised back, in fen. */
  get refundableFen(): number {
    return this.status === 'succeeded' ? this.amountFen - this.reservedFen : 0;
  }

  hasExpired(now: Date): boolean {
    return now >= this.expiresAt;
  }

  /** @throws DomainError `illegal_transition` */
  moveTo(status: PaymentStatus, at: Date): void {
    assertMove(PAYMENT_MOVES, 'payment', this.status, status);
    this.status = status;
    if (status !== 'init' && status !== 'processing') this.settledAt = at;
  }

  markSucceeded(transactionId: string, paidAt: Date, now: Date): void {
    this.moveTo('succeeded', now);
    this.transactionId = transactionId;
    this.paidAt = paidAt;
    this.failureCode = null;
  }
}
