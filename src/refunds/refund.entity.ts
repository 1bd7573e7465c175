import { Column, Entity, PrimaryColumn } from 'typeorm';
import { assertMove, moves } from '../common/flow.js';

export type RefundStatus = 'requested' | 'processing' | 'succeeded' | 'rejected' | 'closed' | 'abnormal';

export const REFUND_MOVES = moves<RefundStatus>({
  requested: ['processing', 'succeeded', 'rejected'],
  // `rejected`: the channel refused for good, so nothing is under way under this number.
  processing: ['succeeded', 'closed', 'abnormal', 'rejected'],
  // The money has left us but not reached the payer: it stays reserved until it does.
  abnormal: ['succeeded', 'closed'],
  succeeded: [],
  rejected: [],
  // To refund again takes a new refund with a new number.
  closed: [],
});

/** Where a refund was made: by a request to Paydesk, or in the channel's merchant console. */
export const REFUND_ORIGINS = ['api', 'console'] as const;
export type RefundOrigin = (typeof REFUND_ORIGINS)[number];

/**
 * Where a refund stands, more exactly than its status: `processing` is `queued` before its first call, then `sent`, or
 * `held` after a refusal whose cause can be removed. `ended`: nothing was paid under its number.
 */
export type RefundPhase = 'requested' | 'queued' | 'sent' | 'held' | 'abnormal' | 'succeeded' | 'ended';

/** Why a refund is worked on. `resend`: the provider was asked and does not know its number. */
export type RefundTrigger = 'approve' | 'timer' | 'sync' | 'resend';

export type RefundStep = 'send' | 'query' | 'none' | 'refuse';

/** What is to be done in a phase, by what triggered it. */
export const REFUND_STEPS: Readonly<Record<RefundPhase, Readonly<Record<RefundTrigger, RefundStep>>>> = {
  requested: { approve: 'send', timer: 'none', sync: 'none', resend: 'none' },
  queued: { approve: 'send', timer: 'send', sync: 'send', resend: 'send' },
  // A second approval must have no second effect; a query shows what became of the first.
  sent: { approve: 'none', timer: 'query', sync: 'query', resend: 'send' },
  // Reading it must not repeat a call that will be refused again.
  held: { approve: 'send', timer: 'send', sync: 'none', resend: 'send' },
  abnormal: { approve: 'query', timer: 'query', sync: 'query', resend: 'query' },
  succeeded: { approve: 'none', timer: 'none', sync: 'none', resend: 'none' },
  ended: { approve: 'refuse', timer: 'none', sync: 'none', resend: 'none' },
};

/** Money on its way back. The id of one that we make is its `out_refund_no`, chosen before any call. */
@Entity('refunds')
export class Refund {
  @PrimaryColumn('text') id!: string;
  @Column('text', { name: 'payment_id' }) paymentId!: string;
  @Column('text', { name: 'order_id' }) orderId!: string;
  @Column('text') status!: RefundStatus;
  @Column('text') origin!: RefundOrigin;
  /** The number that the console gave; null for ours. */
  @Column('text', { name: 'console_refund_no', nullable: true }) consoleRefundNo!: string | null;
  @Column('integer', { name: 'amount_fen' }) amountFen!: number;
  @Column('text') currency!: string;
  @Column('text', { nullable: true }) reason!: string | null;
  /** The channel's own number. */
  @Column('text', { name: 'refund_id', nullable: true }) refundId!: string | null;
  @Column('text', { name: 'requested_by' }) requestedBy!: string;
  /** The service that asked for it; null: the user or an operator did. */
  @Column('text', { nullable: true }) service!: string | null;
  /** The service's own number of the refund, unique for it. */
  @Column('text', { name: 'external_id', nullable: true }) externalId!: string | null;
  /** Asked for without an amount: all that was left. */
  @Column('boolean') whole!: boolean;
  @Column('text', { name: 'approved_by', nullable: true }) approvedBy!: string | null;
  @Column('text', { name: 'failure_code', nullable: true }) failureCode!: string | null;
  @Column('text', { name: 'failure_message', nullable: true }) failureMessage!: string | null;
  @Column('timestamptz', { name: 'created_at' }) createdAt!: Date;
  /** First and last call to the channel under this number; when the channel accepted it, if the console made it. */
  @Column('timestamptz', { name: 'sent_at', nullable: true }) sentAt!: Date | null;
  @Column('timestamptz', { name: 'last_sent_at', nullable: true }) lastSentAt!: Date | null;
  @Column('timestamptz', { name: 'succeeded_at', nullable: true }) succeededAt!: Date | null;
  @Column('timestamptz', { name: 'settled_at', nullable: true }) settledAt!: Date | null;
  @Column('timestamptz', { name: 'next_check_at', nullable: true }) nextCheckAt!: Date | null;
  @Column('integer') checks!: number;
  @Column('timestamptz', { name: 'checked_at', nullable: true }) checkedAt!: Date | null;
  @Column('timestamptz', { name: 'lease_until', nullable: true }) leaseUntil!: Date | null;

  /** @throws DomainError `illegal_transition` */
  moveTo(status: RefundStatus, at: Date): void {
    assertMove(REFUND_MOVES, 'refund', this.status, status);
    this.status = status;
    if (status === 'succeeded' || status === 'rejected' || status === 'closed') this.settledAt = at;
  }

  get phase(): RefundPhase {
    if (this.status === 'rejected' || this.status === 'closed') return 'ended';
    if (this.status !== 'processing') return this.status;
    if (this.failureCode !== null) return 'held';
    return this.sentAt === null ? 'queued' : 'sent';
  }

  /** Its number at the channel. */
  get outRefundNo(): string {
    return this.consoleRefundNo ?? this.id;
  }

  /** It was never sent to the channel: nothing can be paid under its number. */
  get isUnsent(): boolean {
    return this.phase === 'requested' || this.phase === 'queued';
  }

  /** Its amount is promised: it counts against what is left of the payment. */
  get isReserved(): boolean {
    return this.status !== 'rejected' && this.status !== 'closed';
  }
}
