import { DAY, MINUTE, SECOND } from '../../common/clock.js';
import type { ProviderRules } from '../provider-rules.js';

/** The rules of WeChat Pay's manual (JSAPI payment, refunds, bills). */
export const WECHAT_RULES: ProviderRules = {
  needsOpenid: true,
  knowsUnsentPayments: false,
  minSameNumberInterval: SECOND,
  // The official query plan of an order.
  paymentQueryBackoff: [5 * SECOND, 30 * SECOND, MINUTE, 3 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE],
  // Refunds: manual, page 4013071036. It takes 150 calls a second of a merchant, but only 6 that fail.
  refundableFor: 365 * DAY,
  maxRefundsPerPayment: 50,
  minRefundInterval: MINUTE,
  refundCallsPerSecond: 100,
  minFailedRefundInterval: 250,
  // Manual, page 4013071041: every minute, and after five minutes every 5, 10, 20, 30.
  refundQueryBackoff: [
    { youngerThan: 5 * MINUTE, wait: MINUTE },
    { youngerThan: 10 * MINUTE, wait: 5 * MINUTE },
    { youngerThan: 20 * MINUTE, wait: 10 * MINUTE },
    { youngerThan: 40 * MINUTE, wait: 20 * MINUTE },
    { youngerThan: Infinity, wait: 30 * MINUTE },
  ],
  // Manual, page 4013071227.
  billReadyAtHour: 10,
};
