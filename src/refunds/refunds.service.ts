import { Injectable, OnModuleInit } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { Clock } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { derivedId } from '../common/ids.js';
import { inTransaction } from '../database/in-transaction.js';
import { Page, pageById, PageQuery } from '../database/page.js';
import type { Transaction } from '../database/transaction.js';
import { NotificationsService } from '../notifications/notifications.service.js';
import { externalIdConflict } from '../orders/new-order.js';
import { OrdersService } from '../orders/orders.service.js';
import { LateMoney, type LatePayment } from '../payments/late-money.js';
import type { Payment } from '../payments/payment.entity.js';
import { type Move, PaymentHistory } from '../payments/payment-history.js';
import { PaymentsRepository } from '../payments/payments.repository.js';
import { ProviderRegistry } from '../provider/provider-registry.js';
import { type LockedRefund, REJECTED_BY_OPERATOR } from './batch.js';
import { Refund, type RefundStatus } from './refund.entity.js';
import { refundEvents } from './refund-events.js';
import { RefundSettlement } from './refund-settlement.js';
import { RefundsRepository } from './refunds.repository.js';
import { isTooOld } from './schedule.js';

export interface RefundRequest {
  id: string;
  paymentId: string;
  /** In fen; left out: all that is left. */
  amountFen?: number;
  reason: string | null;
  requestedBy: string;
  /** The service that asks, and its own number of the refund. */
  service?: string;
  externalId?: string;
}

/** Late money that an operator gives back, and the case about it. */
export interface HeldMoney extends LatePayment {
  caseId: string;
  note: string;
  /** Only answers the refund that would be made. */
  dryRun: boolean;
}

/** Asking for refunds and refusing them. What is asked for is reserved on the payment under the order's lock. */
@Injectable()
export class RefundsService implements OnModuleInit {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly orders: OrdersService,
    private readonly payments: PaymentsRepository,
    private readonly rows: RefundsRepository,
    private readonly settlement: RefundSettlement,
    private readonly registry: ProviderRegistry,
    private readonly history: PaymentHistory,
    private readonly notifications: NotificationsService,
    private readonly lateMoney: LateMoney,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.lateMoney.refundWith((tx, late) => this.requestForLate(tx, late));
  }

  /** @throws DomainError `not_found` */
  async get(id: string): Promise<Refund> {
    const refund = await this.db.manager.findOneBy(Refund, { id });
    if (!refund) throw new DomainError('not_found');
    return refund;
  }

  /** A payment's refunds, oldest first. */
  async list(paymentId: string, query: PageQuery): Promise<Page<Refund>> {
    return this.listBy('paymentId', paymentId, query);
  }

  private async listBy(of: 'paymentId' | 'orderId', id: string, query: PageQuery): Promise<Page<Refund>> {
    return pageById(this.db.manager.createQueryBuilder(Refund, 'r').where(`r.${of} = :id`, { id }), 'ASC', query);
  }

  /** The refund that a service gave this number, as a list of at most one. */
  async listByExternalId(service: string, externalId: string): Promise<Page<Refund>> {
    return { items: await this.db.manager.findBy(Refund, { service, externalId }), next_cursor: null };
  }

  /** An order's refunds, oldest first. */
  async listOfOrder(orderId: string, query: PageQuery): Promise<Page<Refund>> {
    return this.listBy('orderId', orderId, query);
  }

  /** The payment that paid an order, for its refund. @throws DomainError `not_found`, `payment_not_refundable` */
  async paidPaymentOf(orderId: string): Promise<string> {
    const { status, paidPaymentId } = await this.orders.get(orderId);
    if (paidPaymentId === null) throw new DomainError('payment_not_refundable', `the order is ${status}`);
    return paidPaymentId;
  }

  /**
   * Asks for money back. The same id again answers the refund that is there, and so does the same number of the same
   * service; a new one has the id that was given.
   * @throws DomainError `external_id_conflict`, `payment_not_refundable`, `refund_exceeds_payment`, `refund_too_old`, `refund_too_many`,
   *   `other_provider`, `provider_disabled`
   */
  async request(request: RefundRequest, cause: Cause): Promise<Refund> {
    return inTransaction(this.db, 'refund.request', async (tx) => {
      const same = await this.sameNumber(tx, request);
      if (same) return same;
      const orders = await this.orders.lockByPayments(tx, [request.paymentId]);
      const [payment] = await this.payments.read(tx, [request.paymentId]);
      const order = payment && orders.get(payment.orderId);
      if (!payment || !order) throw new DomainError('not_found');
      const [known] = await this.rows.read(tx, [request.id]);
      if (known) return known;

      await this.assertRefundable(tx, payment);
      const amountFen = request.amountFen ?? payment.refundableFen;
      if (amountFen < 1 || amountFen > payment.refundableFen) {
        throw exceeds(payment);
      }
      const refund = this.newRefund(request, payment, amountFen);
      await this.insert(tx, refund, payment, [this.moved({ refund, payment, order }, null, cause)]);
      const data = { refund_id: refund.id, payment_id: payment.id, order_id: order.id, amount: amountFen };
      await this.notifications.add(tx, [
        { type: 'refund.requested', userId: order.userId, subjectId: refund.id, data },
        { type: 'refund.requested', userId: null, subjectId: `${refund.id}:operators`, data },
      ]);
      return refund;
    });
  }

  private async sameNumber(tx: Transaction, request: RefundRequest): Promise<Refund | undefined> {
    const { service, externalId } = request;
    if (service === undefined || externalId === undefined) return undefined;
    const known = await this.rows.lockByExternalId(tx, service, externalId);
    if (known) assertSameRefund(request, known);
    return known;
  }

  private async assertRefundable(tx: Transaction, payment: Payment): Promise<void> {
    if (payment.status !== 'succeeded' || !payment.paidAt) {
      throw new DomainError('payment_not_refundable', `the payment is ${payment.status}`);
    }
    const { rules } = this.registry.of(payment);
    if (isTooOld(payment, this.clock.now(), rules)) throw new DomainError('refund_too_old');
    if ((await this.rows.countParts(tx, payment.id)) >= rules.maxRefundsPerPayment)
      throw new DomainError('refund_too_many');
  }

  private newRefund(request: RefundRequest, payment: Payment, amountFen: number): Refund {
    return Object.assign(new Refund(), {
      id: request.id,
      paymentId: payment.id,
      orderId: payment.orderId,
      status: 'requested' as const,
      origin: 'api' as const,
      consoleRefundNo: null,
      amountFen,
      currency: payment.currency,
      reason: request.reason,
      refundId: null,
      requestedBy: request.requestedBy,
      service: request.service ?? null,
      externalId: request.externalId ?? null,
      whole: request.amountFen === undefined,
      approvedBy: null,
      failureCode: null,
      failureMessage: null,
      createdAt: this.clock.now(),
      sentAt: null,
      lastSentAt: null,
      succeededAt: null,
      settledAt: null,
      nextCheckAt: null,
      checks: 0,
      checkedAt: null,
      leaseUntil: null,
    });
  }

  /** The row and the reserve on its payment, together, with its events. A CHECK on the payment is the second net. */
  private async insert(tx: Transaction, refund: Refund, payment: Payment, moves: Move[]): Promise<void> {
    payment.reservedFen += refund.amountFen;
    await Promise.all([this.rows.insert(tx, refund), this.payments.save(tx, [payment]), this.history.add(tx, moves)]);
  }

  /** The move of a refund to the status that it has now. */
  private moved(rows: LockedRefund, from: RefundStatus | null, cause: Cause, note?: string): Move {
    const { orderId, paymentId, id: refundId, status: to } = rows.refund;
    return { entity: 'refund', orderId, paymentId, refundId, from, to, cause, note, events: refundEvents(rows) };
  }

  /**
   * The refund of late money, in the transaction that records the money. Its number is derived from the payment, so
   * that it can be asked for once only, and it needs no approval: it is due at once.
   */
  private requestForLate(tx: Transaction, late: LatePayment): Promise<void> {
    const { payment } = late;
    return this.insertApproved(
      tx,
      this.newLateRefund(derivedId('ref', payment.id), payment, 'paydesk'),
      late,
      'late money',
    );
  }

  /**
   * An operator gives back what is left of late money that is held, in the transaction that resolves its case; the caller
   * has locked the order. Due at once, by the number that the policy `refund` would have taken. Where that one is used up, as
   * the channel gave its refund up, the number is derived from the case that was opened for it.
   * @throws DomainError `payment_not_refundable`, `refund_exceeds_payment`, `refund_too_old`, `refund_too_many`,
   *   `other_provider`, `provider_disabled`
   */
  async refundHeld(tx: Transaction, held: HeldMoney): Promise<Refund> {
    const { payment, caseId, cause, note, dryRun } = held;
    await this.assertRefundable(tx, payment);
    if (payment.refundableFen === 0) throw exceeds(payment);
    const first = derivedId('ref', payment.id);
    const [used] = await this.rows.read(tx, [first]);
    const refund = this.newLateRefund(used ? derivedId('ref', caseId) : first, payment, cause.actor);
    if (!dryRun) await this.insertApproved(tx, refund, held, note);
    return refund;
  }

  private newLateRefund(id: string, payment: Payment, by: string): Refund {
    const request = { id, paymentId: payment.id, reason: '订单已关闭，款项退回', requestedBy: by };
    return this.newRefund(request, payment, payment.refundableFen);
  }

  private insertApproved(
    tx: Transaction,
    refund: Refund,
    { payment, order, cause }: LatePayment,
    note: string,
  ): Promise<void> {
    const rows = { refund, payment, order };
    const requested = this.moved(rows, null, cause);
    const now = this.clock.now();
    refund.moveTo('processing', now);
    refund.approvedBy = refund.requestedBy;
    refund.nextCheckAt = now;
    return this.insert(tx, refund, payment, [requested, this.moved(rows, 'requested', cause, note)]);
  }

  /** An operator says no. @throws DomainError `refund_not_open` once it is carried out */
  async reject(id: string, reason: string, cause: Cause): Promise<Refund> {
    return inTransaction(this.db, 'refund.reject', async (tx) => {
      const batch = await this.settlement.lock(tx, [id]);
      const locked = batch.get(id);
      if (!locked) throw new DomainError('not_found');
      const { refund } = locked;
      if (refund.status === 'rejected') return refund;
      if (refund.status !== 'requested') throw new DomainError('refund_not_open', `the refund is ${refund.status}`);
      const at = this.clock.now();
      batch.release({ ...locked, cause, at }, 'rejected', { code: REJECTED_BY_OPERATOR, message: reason });
      await this.settlement.write(tx, batch);
      return refund;
    });
  }
}

function exceeds({ refundableFen }: Payment): DomainError {
  return new DomainError('refund_exceeds_payment', `${refundableFen} fen of the payment can still be refunded`);
}

/** @throws DomainError `external_id_conflict` that names each field in which the request and the refund differ */
function assertSameRefund({ paymentId, amountFen, reason }: RefundRequest, known: Refund): void {
  const different = [
    ...(paymentId === known.paymentId ? [] : ['payment_id']),
    // Asked for the whole rest, it is the same again only where it was that: how much is left has changed since.
    ...((amountFen === undefined ? known.whole : amountFen === known.amountFen) ? [] : ['amount']),
    ...(reason === known.reason ? [] : ['reason']),
  ];
  if (different.length > 0) throw externalIdConflict('refund', known.id, different);
}
