import { DAY } from '../../common/clock.js';
import { DEFAULT_RULES, type ProviderRules } from '../provider-rules.js';

/** Without pauses and bills; which refunds are possible is as with WeChat Pay, so that a shop meets it in development. */
export const MOCK_RULES: ProviderRules = {
  ...DEFAULT_RULES,
  // An order's metadata may say that its payment succeeds without a start.
  knowsUnsentPayments: true,
  refundableFor: 365 * DAY,
  maxRefundsPerPayment: 50,
};
