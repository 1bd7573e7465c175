import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { Clock } from '../common/clock.js';
import { DomainError, type ErrorCode } from '../common/errors.js';
import { isId } from '../common/ids.js';
import { inTransaction } from '../database/in-transaction.js';
import type { Transaction } from '../database/transaction.js';
import { type CaseAction, DiscrepanciesService } from '../discrepancies/discrepancies.service.js';
import { OrdersService } from '../orders/orders.service.js';
import { Batch } from '../payments/batch.js';
import { acceptRefusal } from '../payments/decide.js';
import type { LatePayment } from '../payments/late-money.js';
import { PaymentSettlement } from '../payments/payment-settlement.js';
import { PaymentsRepository } from '../payments/payments.repository.js';
import { PaymentsService } from '../payments/payments.service.js';
import { RefundsService } from './refunds.service.js';

/** What an operator decides about a case. */
export interface CaseDecision {
  /** What was found and done. */
  note: string;
  /** Left out: the note says it all. */
  action?: CaseAction;
  cause: Cause;
  /** Only answers what would be done, or refuses what would be refused. */
  dryRun?: boolean;
}

export interface ResolvedCase {
  action: CaseAction | null;
  paymentId: string | null;
  /** Made by the action `refund`. */
  refundId: string | null;
  /** Another open payment of the order, which has to be closed before late money can be accepted. */
  openPaymentId: string | null;
}

/** What `cancel` says of a payment that was settled meanwhile: the order's row then tells what became of it. */
const SETTLED_MEANWHILE: readonly ErrorCode[] = ['payment_expired', 'payment_not_open'];

/**
 * Operators resolve cases: by a note, or by what is done with late money. The order's lock is taken first, so that nothing
 * settles, expires or is refunded while it is decided; then the case's own, for those without an order.
 */
@Injectable()
export class CaseResolver {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly orders: OrdersService,
    private readonly rows: PaymentsRepository,
    private readonly payments: PaymentsService,
    private readonly settlement: PaymentSettlement,
    private readonly refunds: RefundsService,
    private readonly discrepancies: DiscrepanciesService,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves a case. The same action again answers the same, without a second effect; any other decision is refused.
   *
   * - `accept`: the order becomes paid by the late payment. Another open payment of the order is closed at the channel
   *   before: the payer could pay a second time. If that one turns out to be paid, it has paid the order.
   * - `refund`: what is left of the payment goes back, at once. The case is resolved as soon as the refund is made, since
   *   nothing is left to decide; the refund itself stays open in the books until it is paid, and if the channel gives it up,
   *   that is a new case.
   * - `booked`: no money moves; what was done outside stands in the note. For any type of case.
   *
   * @throws DomainError `not_found`, `discrepancy_resolved`, `case_not_late_money`, `order_not_payable`, `payment_refunded`,
   *   `order_has_open_payment`, and what `PaymentsService.cancel` and `RefundsService.refundHeld` throw
   */
  async resolve(id: string, decision: CaseDecision): Promise<ResolvedCase> {
    if (!isId('dis', id)) throw new DomainError('not_found');
    const resolved = await this.decide(id, decision);
    if (resolved.openPaymentId === null || decision.dryRun) return resolved;
    await this.close(resolved.openPaymentId, decision.cause);
    const again = await this.decide(id, decision);
    if (again.openPaymentId !== null) throw new DomainError('order_has_open_payment');
    return again;
  }

  /** Decides under the locks and writes it, unless another payment of the order is open. */
  private decide(id: string, { note, action, cause, dryRun = false }: CaseDecision): Promise<ResolvedCase> {
    return inTransaction(this.db, 'case.resolve', async (tx) => {
      const paymentId = await this.discrepancies.paymentOf(tx, id);
      const late = paymentId === null ? null : await this.lockPayment(tx, paymentId, cause);
      const found = await this.discrepancies.lock(tx, id);
      const resolved: ResolvedCase = { action: action ?? null, paymentId, refundId: null, openPaymentId: null };
      if (found.status !== 'open') {
        if (action === undefined || found.action !== action) throw new DomainError('discrepancy_resolved');
        return { ...resolved, refundId: found.actionRefundId };
      }
      if (action === 'accept' || action === 'refund') {
        if (found.type !== 'late_payment' || late === null) throw new DomainError('case_not_late_money');
        if (action === 'refund') {
          resolved.refundId = (await this.refunds.refundHeld(tx, { ...late, caseId: id, note, dryRun })).id;
        } else {
          resolved.openPaymentId = await this.accept(tx, late, note, dryRun);
        }
      }
      if (!dryRun && resolved.openPaymentId === null) {
        const { refundId } = resolved;
        await this.discrepancies.resolve(tx, id, { note, by: cause.actor, action: action ?? null, refundId });
      }
      return resolved;
    });
  }

  /** Locks the order, then reads the payment: what is read under the lock is what it is. */
  private async lockPayment(tx: Transaction, id: string, cause: Cause): Promise<LatePayment | null> {
    const [orders, [payment]] = await Promise.all([this.orders.lockByPayments(tx, [id]), this.rows.read(tx, [id])]);
    const order = payment && orders.get(payment.orderId);
    return payment && order ? { payment, order, cause } : null;
  }

  /** Pays the order with the late payment; answers the id of another open one in place of doing so. */
  private async accept(tx: Transaction, late: LatePayment, note: string, dryRun: boolean): Promise<string | null> {
    const { payment, order } = late;
    const refusal = acceptRefusal(payment, order);
    if (refusal === 'order_not_payable') throw new DomainError(refusal, `the order is ${order.status}`);
    if (refusal !== null) throw new DomainError(refusal);
    const open = await this.rows.readOpen(tx, order.id);
    if (open) return open.id;
    if (dryRun) return null;
    const batch = new Batch(new Map([[order.id, order]]), [payment]);
    batch.accept(late, this.clock.now(), note);
    await this.settlement.write(tx, batch);
    return null;
  }

  private async close(paymentId: string, cause: Cause): Promise<void> {
    try {
      await this.payments.cancel(paymentId, cause);
    } catch (error) {
      if (!(error instanceof DomainError) || !SETTLED_MEANWHILE.includes(error.code)) throw error;
    }
  }
}
