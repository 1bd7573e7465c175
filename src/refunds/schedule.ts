import { after, MINUTE, SECOND } from '../common/clock.js';
import type { Payment } from '../payments/payment.entity.js';
import type { ProviderRules } from '../provider/provider-rules.js';
import type { Refund } from './refund.entity.js';

/** How long a refund belongs to the process that works on it; the claim of a process that died runs out. */
export const LEASE = 60 * SECOND;
/** A refund that is held is tried again after so long, in case the cause was removed. */
const HELD_RETRY = 30 * MINUTE;
/** An abnormal one waits for an operator. */
const ABNORMAL_QUERY = 30 * MINUTE;

/** When a refund under way is queried again. */
export function nextCheck(refund: Refund, now: Date, { refundQueryBackoff }: ProviderRules): Date {
  if (refund.status === 'abnormal') return after(now, ABNORMAL_QUERY);
  if (refund.failureCode !== null) return after(now, HELD_RETRY);
  const age = now.getTime() - (refund.sentAt ?? refund.createdAt).getTime();
  const step = refundQueryBackoff.find(({ youngerThan }) => age < youngerThan);
  return after(now, step?.wait ?? MINUTE);
}

/** Whether the provider would no longer take a refund of this payment. */
export function isTooOld(payment: Payment, now: Date, { refundableFor }: ProviderRules): boolean {
  return payment.paidAt !== null && now > after(payment.paidAt, refundableFor);
}
