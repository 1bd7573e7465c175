import { after, MINUTE } from '../common/clock.js';
import type { NewDiscrepancy } from '../discrepancies/discrepancies.service.js';
import type { Payment } from '../payments/payment.entity.js';
import type { ChannelRefund } from '../provider/payment-provider.js';
import { findMismatch, type Mismatch, thatOf } from './decide.js';
import { Refund } from './refund.entity.js';

/** Why one of ours that was never sent ended: a refund made in the console left too little of the payment for it. */
export const REFUNDED_IN_CONSOLE = 'refunded_in_console';

/** A proven refund that is no row of ours yet. All that must be known of it is. */
export type ConsoleRefund = ChannelRefund & { refundId: string; amountFen: number };

export type ConsoleDecision =
  /** Not known to be of a payment that succeeded here. */
  | { kind: 'unknown' }
  | ({ kind: 'mismatch' } & Mismatch)
  /** It becomes a row; refunds of ours that were never sent are rejected to make room for it. */
  | { kind: 'take_over'; reported: ConsoleRefund; displaced: Refund[] }
  /** It becomes no row yet: these of ours are under way and do not fit beside it. */
  | { kind: 'wait'; reported: ConsoleRefund; underWay: Refund[] };

/**
 * What becomes of a proven refund whose number is not ours. Plain code over rows that the caller has locked.
 *
 * It is taken over if its payment succeeded here under the same transaction id, merchant, total and currency agree, and the
 * channel's number of it is no other refund's (`refundIdOwner`). The
 * sum of a payment's refunds that are neither rejected nor closed never exceeds its amount, and the channel keeps the
 * same rule: it accepted this refund, so whatever of ours does not fit beside it is not accepted there, and will be refused
 * or was closed. Therefore, where it exceeds what is left:
 *
 * 1. Refunds of ours that were never sent give way, the newest first, no more than are needed. They are rejected
 *    ({@link REFUNDED_IN_CONSOLE}), so that none of them is sent any more, and a case tells a person about both.
 * 2. If that is not enough, one that was sent is in the way, and only the channel can say which. Nothing is rejected by
 *    guessing: a case names both sides, those under way are queried at once, and the console refund becomes a row as soon
 *    as one of them has ended (`ConsoleRefunds.takeOverWaiting`, the next notice, the next bill). Until then what is left is
 *    as it was, so nothing more is promised.
 *
 * One that is closed takes nothing of what is left and always becomes a row.
 */
export function decideConsoleRefund(
  reported: ChannelRefund,
  payment: Payment,
  refunds: Refund[],
  refundIdOwner: string | null = null,
): ConsoleDecision {
  if (payment.status !== 'succeeded' || payment.transactionId !== reported.transactionId) return { kind: 'unknown' };
  if (!isComplete(reported)) return { kind: 'unknown' };
  const mismatch = findMismatch([
    ['mchid', payment.mchid, reported.mchid],
    ['total', payment.amountFen, reported.totalFen],
    ['currency', payment.currency, reported.currency],
    ['refund_id', 'one of its own', thatOf(refundIdOwner)],
  ]);
  if (mismatch) return { kind: 'mismatch', ...mismatch };
  const displaced: Refund[] = [];
  let missing = reported.state === 'closed' ? 0 : reported.amountFen - payment.refundableFen;
  for (const refund of refunds.filter((one) => one.isUnsent).sort((a, b) => (a.id < b.id ? 1 : -1))) {
    if (missing <= 0) break;
    displaced.push(refund);
    missing -= refund.amountFen;
  }
  if (missing <= 0) return { kind: 'take_over', reported, displaced };
  return { kind: 'wait', reported, underWay: refunds.filter((one) => one.isReserved && one.status !== 'succeeded') };
}

function isComplete(reported: ChannelRefund): reported is ConsoleRefund {
  return reported.refundId !== null && reported.amountFen !== null && reported.amountFen > 0;
}

/** The row of a console refund, as it is before its state is applied to it. */
export function newConsoleRefund(id: string, reported: ConsoleRefund, payment: Payment, now: Date): Refund {
  const acceptedAt = reported.createdAt ?? reported.succeededAt ?? now;
  return Object.assign(new Refund(), {
    id,
    paymentId: payment.id,
    orderId: payment.orderId,
    status: 'processing',
    origin: 'console',
    consoleRefundNo: reported.outRefundNo,
    amountFen: reported.amountFen,
    currency: payment.currency,
    reason: null,
    refundId: reported.refundId,
    requestedBy: 'console',
    service: null,
    externalId: null,
    whole: false,
    approvedBy: null,
    failureCode: null,
    failureMessage: null,
    createdAt: now,
    sentAt: acceptedAt,
    lastSentAt: acceptedAt,
    succeededAt: null,
    settledAt: null,
    nextCheckAt: after(now, MINUTE),
    checks: 0,
    checkedAt: null,
    leaseUntil: null,
  } satisfies Partial<Refund>);
}

/** The case that stands open while a console refund waits for the end of one of ours. */
export function waitingCaseKey(outRefundNo: string): string {
  return `refund_conflict:${outRefundNo}`;
}

/** A case about a console refund and those of ours beside it. It has no refund of its own while it is not taken over. */
export function conflictCase(
  reported: ConsoleRefund,
  payment: Payment,
  ours: Refund[],
  takenOver: Refund | null,
): NewDiscrepancy {
  const waiting = waitingCaseKey(reported.outRefundNo);
  return {
    type: 'refund_conflict',
    caseKey: takenOver ? `${waiting}:taken_over` : waiting,
    paymentId: payment.id,
    outTradeNo: payment.id,
    refundId: takenOver?.id ?? null,
    outRefundNo: reported.outRefundNo,
    detail: {
      amount: reported.amountFen,
      refund_id: reported.refundId,
      state: reported.state,
      payment_amount: payment.amountFen,
      ours: ours.map(({ id, status, amountFen }) => ({ out_refund_no: id, status, amount: amountFen })),
      taken_over: takenOver !== null,
    },
    again: true,
  };
}
