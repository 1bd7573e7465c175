import type { Cause } from '../common/cause.js';
import type { ErrorCode } from '../common/errors.js';
import type { Order } from '../orders/order.entity.js';
import type { ChannelPayment } from '../provider/payment-provider.js';
import type { Payment } from './payment.entity.js';

/** What the channel's word does to a payment. Plain code over rows that the caller has locked; nothing is written here. */
export type Decision =
  /** Nothing new: known before, or still open. */
  | { kind: 'none' }
  | { kind: 'pays_order' }
  /** The money is there, but the order could not take it any more. */
  | { kind: 'late' }
  | { kind: 'ends'; as: 'failed' | 'closed' | 'expired' }
  /** It does not fit our row: nothing moves, a person looks. */
  | { kind: 'mismatch'; field: string; expected: string; seen: string }
  | { kind: 'second_transaction' };

/** What the channel said of a payment, the rows it is about, and how and when we came to hear it. */
export interface Fact {
  reported: ChannelPayment;
  payment: Payment;
  order: Order;
  cause: Cause;
  at: Date;
  /** What a confirmed close is called: asked for by the owner, or by the end of its time. */
  closedAs: 'closed' | 'expired' | null;
  /** Why an operator ended it in place of its provider; its order ends with it. */
  endedBecause: string | null;
  /** Another payment that carries the same transaction id. */
  transactionOwner: string | null;
}

/** The rules of settlement, in the order in which they apply. */
export function decide({
  reported,
  payment,
  order,
  at,
  closedAs,
  transactionOwner,
}: Omit<Fact, 'cause' | 'endedBecause'>): Decision {
  switch (reported.state) {
    case 'succeeded':
      return decideSuccess(reported, payment, order, transactionOwner);
    case 'closed':
      if (!payment.isOpen) return { kind: 'none' };
      return { kind: 'ends', as: closedAs ?? (payment.hasExpired(at) ? 'expired' : 'closed') };
    case 'failed':
      return payment.isOpen ? { kind: 'ends', as: 'failed' } : { kind: 'none' };
    case 'open':
    case 'not_found':
      return { kind: 'none' };
  }
}

function decideSuccess(
  reported: ChannelPayment,
  payment: Payment,
  order: Order,
  transactionOwner: string | null,
): Decision {
  const mismatch = findMismatch(reported, payment);
  if (mismatch) return { kind: 'mismatch', ...mismatch };
  if (payment.status === 'succeeded') {
    return reported.transactionId === payment.transactionId ? { kind: 'none' } : { kind: 'second_transaction' };
  }
  if (transactionOwner !== null) {
    return {
      kind: 'mismatch',
      field: 'transaction_id',
      expected: 'one of its own',
      seen: `that of ${transactionOwner}`,
    };
  }
  return payment.isOpen && order.status === 'pending' ? { kind: 'pays_order' } : { kind: 'late' };
}

/**
 * Why late money cannot pay its order, or null where it can. Its status counts and not its time, as for money that comes in time:
 * a pending order is payable, a cancelled one never is again. What is promised back cannot pay.
 */
export function acceptRefusal(payment: Payment, order: Order): ErrorCode | null {
  const fits = payment.amountFen === order.amountFen && payment.currency === order.currency;
  if (order.status !== 'pending' || !fits) return 'order_not_payable';
  return payment.reservedFen > 0 ? 'payment_refunded' : null;
}

/** The first thing in which the channel's word and our row differ. `amount.total` counts, coupons included. */
function findMismatch(
  reported: ChannelPayment,
  payment: Payment,
): { field: string; expected: string; seen: string } | null {
  const pairs: [field: string, expected: string | number, seen: string | number | null | undefined][] = [
    ['mchid', payment.mchid, reported.account?.mchid],
    ['appid', payment.appid, reported.account?.appid],
    ['amount', payment.amountFen, reported.amountFen],
    ['currency', payment.currency, reported.currency],
  ];
  for (const [field, expected, found] of pairs) {
    if (reported.restAsOrdered && found === null) continue;
    if (found !== expected) return { field, expected: String(expected), seen: String(found ?? 'missing') };
  }
  if (!reported.transactionId) return { field: 'transaction_id', expected: 'present', seen: 'missing' };
  return null;
}
