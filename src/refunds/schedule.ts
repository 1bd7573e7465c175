import { after, DAY, MINUTE, SECOND } from '../common/clock.js';
import type { Payment } from '../payments/payment.entity.js';
import type { Refund } from './refund.entity.js';

/** WeChat Pay refunds for 365 days after the payment (manual, page 4013071036). */
export const REFUNDABLE_FOR = 365 * DAY;
/** WeChat wants at least so long between two partial refunds of one payment (manual, page 4013071036). */
export const BETWEEN_PARTS = MINUTE;
/** How long whoever works on a refund has it in hand; a dead one's claim runs out. */
export const LEASE = 60 * SECOND;
/** A refund that is held waits so long for somebody to mend its cause before it is tried again. */
const HELD_RETRY = 30 * MINUTE;

/**
 * When a refund under way is asked about again: every minute, and after five minutes every 5, 10, 20, 30 (manual, page
 * 4013071041). An abnormal one is in no hurry.
 */
export function nextCheck(refund: Refund, now: Date): Date {
  if (refund.status === 'abnormal') return after(now, 30 * MINUTE);
  if (refund.failureCode !== null) return after(now, HELD_RETRY);
  const age = now.getTime() - (refund.sentAt ?? refund.createdAt).getTime();
  if (age < 5 * MINUTE) return after(now, MINUTE);
  if (age < 10 * MINUTE) return after(now, 5 * MINUTE);
  if (age < 20 * MINUTE) return after(now, 10 * MINUTE);
  return after(now, age < 40 * MINUTE ? 20 * MINUTE : 30 * MINUTE);
}

/** Whether WeChat would no longer take a refund of this payment. */
export function isTooOld(payment: Payment, now: Date): boolean {
  return payment.paidAt !== null && now > after(payment.paidAt, REFUNDABLE_FOR);
}
