import { canMove } from '../common/flow.js';
import type { Payment } from '../payments/payment.entity.js';
import type { ChannelRefund } from '../provider/payment-provider.js';
import { type Refund, REFUND_MOVES } from './refund.entity.js';

/** What of the channel's word does not fit our row. */
export interface Mismatch {
  field: string;
  expected: string;
  seen: string;
}

/** What the channel's word does to a refund. Plain code over rows that the caller has locked; nothing is written here. */
export type RefundDecision =
  /** Nothing new: known before, or still under way. */
  | { kind: 'none' }
  | { kind: 'succeeded' | 'closed' | 'abnormal' }
  /** It does not fit our row: nothing moves, a person looks. */
  | ({ kind: 'mismatch' } & Mismatch);

/**
 * The rules of settlement, in the order in which they apply. ABNORMAL is not final: a success may follow it.
 * @param refundIdOwner our refund that has the channel's number of the reported one, if any
 */
export function decideRefund(
  reported: ChannelRefund,
  refund: Refund,
  payment: Payment,
  refundIdOwner: string | null = null,
): RefundDecision {
  if (reported.state === 'not_found') return { kind: 'none' };
  const mismatch = findMismatch([
    ['mchid', payment.mchid, reported.mchid],
    ['out_trade_no', payment.id, reported.outTradeNo],
    ['amount', refund.amountFen, reported.amountFen],
    ['total', payment.amountFen, reported.totalFen],
    ['currency', payment.currency, reported.currency],
    ['refund_id', refund.refundId, refund.refundId === null ? null : reported.refundId],
    ['refund_id', 'one of its own', refundIdOwner === refund.id ? null : thatOf(refundIdOwner)],
  ]);
  if (mismatch) return { kind: 'mismatch', ...mismatch };
  if (reported.state === 'processing' || reported.state === refund.status) return { kind: 'none' };
  if (canMove(REFUND_MOVES, refund.status, reported.state)) return { kind: reported.state };
  // A notice that came late: what it says was true before what we know.
  if (reported.state === 'abnormal' && refund.status !== 'rejected') return { kind: 'none' };
  return { kind: 'mismatch', field: 'status', expected: refund.status, seen: reported.state };
}

/** The first pair that differs. What the channel leaves out says nothing; a notice, unlike an answer, names no currency. */
export function findMismatch(
  pairs: [field: string, expected: string | number | null, found: string | number | null][],
): Mismatch | null {
  for (const [field, expected, found] of pairs) {
    if (found !== null && found !== expected) return { field, expected: String(expected), seen: String(found) };
  }
  return null;
}

/** How a case names the channel's number of another refund. */
export function thatOf(refundIdOwner: string | null): string | null {
  return refundIdOwner === null ? null : `that of ${refundIdOwner}`;
}
