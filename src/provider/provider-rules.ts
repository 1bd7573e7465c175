import { MINUTE, SECOND } from '../common/clock.js';

/** How long to wait before the next query, by how long ago the refund was sent. */
export interface BackoffStep {
  /** Applies while the refund is younger than this, in milliseconds. */
  youngerThan: number;
  wait: number;
}

/**
 * What a provider asks of its callers, as data: the services outside of `provider` ask for a rule, never which provider it
 * is. All times are in milliseconds.
 */
export interface ProviderRules {
  /** A payment can be started only for a payer whose openid is known. */
  needsOpenid: boolean;
  /** A query about a payment that was never sent has an answer of its own. */
  knowsUnsentPayments: boolean;
  /** Shortest time between the beginnings of two calls of one kind about one number; `SharedCalls` keeps it. */
  minSameNumberInterval: number;
  /** Waits between two queries about an open payment; the last one repeats until its `expires_at`. */
  paymentQueryBackoff: readonly number[];
  /** How long after the payment it can be refunded. */
  refundableFor: number;
  /** Number of refunds that one payment can have, closed ones included. */
  maxRefundsPerPayment: number;
  /** Shortest time between two refunds of one payment. */
  minRefundInterval: number;
  refundCallsPerSecond: number;
  /** Shortest time between two refund calls that fail. */
  minFailedRefundInterval: number;
  refundQueryBackoff: readonly BackoffStep[];
  /** The hour of the next day, in China's time, from which the bill of a day can be fetched; null: there are no bills. */
  billReadyAtHour: number | null;
}

/** No limits, and a plan of queries that suits any provider: what one of them asks beyond that it states itself. */
export const DEFAULT_RULES: ProviderRules = {
  needsOpenid: false,
  knowsUnsentPayments: false,
  minSameNumberInterval: 0,
  paymentQueryBackoff: [5 * SECOND, 30 * SECOND, MINUTE, 3 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE],
  refundableFor: Infinity,
  maxRefundsPerPayment: Infinity,
  minRefundInterval: 0,
  refundCallsPerSecond: 100,
  minFailedRefundInterval: 0,
  refundQueryBackoff: [
    { youngerThan: 5 * MINUTE, wait: MINUTE },
    { youngerThan: 10 * MINUTE, wait: 5 * MINUTE },
    { youngerThan: 20 * MINUTE, wait: 10 * MINUTE },
    { youngerThan: 40 * MINUTE, wait: 20 * MINUTE },
    { youngerThan: Infinity, wait: 30 * MINUTE },
  ],
  billReadyAtHour: null,
};
