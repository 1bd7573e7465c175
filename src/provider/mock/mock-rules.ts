import type { ProviderRules } from '../provider-rules.js';
import { WECHAT_RULES } from '../wechat/wechat-rules.js';

/**
 * What a shop meets with WeChat Pay it meets here too: which refunds are possible and when queries are made. Pauses and
 * limits that protect WeChat Pay are left out, and there are no bills.
 */
export const MOCK_RULES: ProviderRules = {
  ...WECHAT_RULES,
  needsOpenid: false,
  // Its scenario may say that a payment succeeds without a start.
  knowsUnsentPayments: true,
  minSameNumberInterval: 0,
  minRefundInterval: 0,
  minFailedRefundInterval: 0,
  billReadyAtHour: null,
};
