import { Column, Entity, PrimaryColumn } from 'typeorm';
import { assertMove, moves } from '../common/flow.js';

export type OrderStatus = 'pending' | 'paid' | 'partially_refunded' | 'refunded' | 'cancelled';

export const ORDER_MOVES = moves<OrderStatus>({
  pending: ['paid', 'cancelled'],
  paid: ['partially_refunded', 'refunded'],
  partially_refunded: ['refunded'],
  refunded: [],
  // Money that arrives for a cancelled order is late money: refunded or held, the order stays cancelled.
  cancelled: [],
});

/** What is bought. Its row is the one lock that guards the order, its payments and their refunds. */
@Entity('orders')
export class Order {
  @PrimaryColumn('text') id!: string;
  @Column('text', { name: 'user_id' }) userId!: string;
  @Column('text') status!: OrderStatus;
  @Column('integer', { name: 'amount_fen' }) amountFen!: number;
  @Column('text') currency!: string;
  @Column('integer', { name: 'refunded_fen' }) refundedFen!: number;
  @Column('text') description!: string;
  @Column('jsonb') metadata!: Record<string, unknown>;
  @Column('text', { name: 'product_id', nullable: true }) productId!: string | null;
  @Column('integer', { nullable: true }) quantity!: number | null;
  /** The payment that paid it; any other that succeeds is late money. */
  @Column('text', { name: 'paid_payment_id', nullable: true }) paidPaymentId!: string | null;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  /** The service that placed it; null: its user did. */
  @Column('text', { nullable: true }) service!: string | null;
  /** The service's own number of the order, unique for it. */
  @Column('text', { name: 'external_id', nullable: true }) externalId!: string | null;
  /** Seconds that it may be paid, where the service said so. */
  @Column('integer', { name: 'expires_in', nullable: true }) expiresIn!: number | null;
  @Column('timestamptz', { name: 'created_at' }) createdAt!: Date;
  @Column('timestamptz', { name: 'expires_at' }) expiresAt!: Date;
  @Column('timestamptz', { name: 'paid_at', nullable: true }) paidAt!: Date | null;

  /** @throws DomainError `illegal_transition` */
  moveTo(status: OrderStatus): void {
    assertMove(ORDER_MOVES, 'order', this.status, status);
    this.status = status;
  }

  markPaid(paymentId: string, at: Date): void {
    this.moveTo('paid');
    this.paidPaymentId = paymentId;
    this.paidAt = at;
  }

  /** `now` is past `expires_at`: no new payment is taken. */
  hasExpired(now: Date): boolean {
    return now >= this.expiresAt;
  }
}
