import { DAY, MINUTE, SECOND } from '../../common/clock.js';
import { DEFAULT_RULES, type ProviderRules } from '../provider-rules.js';

/** The rules of WeChat Pay's manual. The plans of queries are those that it publishes for orders and refunds. */
export const WECHAT_RULES: ProviderRules = {
  ...DEFAULT_RULES,
  needsOpenid: true,
  minSameNumberInterval: SECOND,
  // Refunds: manual, page 4013071036. It takes 150 calls a second of a merchant, but only 6 that fail.
  refundableFor: 365 * DAY,
  maxRefundsPerPayment: 50,
  minRefundInterval: MINUTE,
  refundCallsPerSecond: 100,
  minFailedRefundInterval: 250,
  // Manual, page 4013071227.
  billReadyAtHour: 10,
};
