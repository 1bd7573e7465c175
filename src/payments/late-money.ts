import { Injectable } from '@nestjs/common';
import type { Cause } from '../common/cause.js';
import { Settings } from '../config/settings.js';
import type { Transaction } from '../database/transaction.js';
import { DiscrepanciesService } from '../discrepancies/discrepancies.service.js';
import type { Order } from '../orders/order.entity.js';
import type { Payment } from './payment.entity.js';

export interface LatePayment {
  payment: Payment;
  order: Order;
  cause: Cause;
}

/** Asks for the refund of late money, inside the transaction that records it. */
export type RefundLate = (tx: Transaction, late: LatePayment) => Promise<void>;

/**
 * What becomes of money that came when its order could no longer take it, in the same transaction that records it.
 * Refunds stand above payments in the import order, so the refunds module hands its method in at start-up
 * (`refundWith`); until it has, or by policy `hold`, the money becomes a case for a person. It is never forgotten.
 */
@Injectable()
export class LateMoney {
  private refund: RefundLate | null = null;

  constructor(
    private readonly settings: Settings,
    private readonly discrepancies: DiscrepanciesService,
  ) {}

  refundWith(refund: RefundLate): void {
    this.refund = refund;
  }

  async handle(tx: Transaction, list: LatePayment[]): Promise<void> {
    const { refund } = this;
    const refunds = this.settings.latePaymentPolicy === 'refund' && refund !== null;
    await Promise.all(list.map((late) => (refunds ? refund(tx, late) : this.hold(tx, late))));
  }

  private async hold(tx: Transaction, { payment, order }: LatePayment): Promise<void> {
    await this.discrepancies.open(tx, [
      {
        type: 'late_payment',
        caseKey: `late_payment:${payment.id}`,
        paymentId: payment.id,
        outTradeNo: payment.id,
        detail: {
          order_id: order.id,
          order_status: order.status,
          amount: payment.amountFen,
          transaction_id: payment.transactionId,
          paid_by: order.paidPaymentId,
        },
      },
    ]);
  }
}
