import type { NewDiscrepancy } from '../discrepancies/discrepancies.service.js';
import type { Order } from '../orders/order.entity.js';
import type { Payment } from '../payments/payment.entity.js';
import type { ChannelRefund } from '../provider/payment-provider.js';
import type { Mismatch } from './decide.js';
import type { Refund } from './refund.entity.js';

/** The case that stands open while the merchant's account cannot pay a refund. */
export function heldRefundCaseKey(refundId: string): string {
  return `refund_held:${refundId}`;
}

/** The case of a refund whose number and payment are both unknown here. */
export function unknownCaseKey(outRefundNo: string): string {
  return `unknown_refund:${outRefundNo}`;
}

/** What the channel says does not fit our rows. `refundId`: ours, where the number is. */
export function mismatchCase(
  paymentId: string,
  outRefundNo: string,
  refundId: string | null,
  { field, expected, seen }: Mismatch,
): NewDiscrepancy {
  return {
    type: 'mismatch',
    caseKey: `mismatch:${refundId ?? outRefundNo}:${field}:${seen}`,
    ...{ paymentId, outTradeNo: paymentId, refundId, outRefundNo },
    detail: { field, expected, seen },
  };
}

/** Money going out under a number that we never gave. */
export function unknownCase({ outTradeNo, outRefundNo, ...reported }: ChannelRefund): NewDiscrepancy {
  return {
    type: 'unknown_refund',
    caseKey: unknownCaseKey(outRefundNo),
    ...{ paymentId: null, outTradeNo, outRefundNo },
    detail: { amount: reported.amountFen, refund_id: reported.refundId, state: reported.state },
  };
}

/** Late money whose refund the channel gave up. */
export function lateMoneyCase(
  { refund, payment, order }: { refund: Refund; payment: Payment; order: Order },
  code: string,
): NewDiscrepancy {
  return {
    type: 'late_payment',
    caseKey: `late_payment:${payment.id}`,
    ...{ paymentId: payment.id, outTradeNo: payment.id, refundId: refund.id, outRefundNo: refund.outRefundNo },
    detail: { order_id: order.id, order_status: order.status, amount: refund.amountFen, refund_failure: code },
    again: true,
  };
}
