import type { ErrorCode } from './errors.js';

/** The languages of {@link USER_MESSAGES}; the first one for whoever asks for none. */
export const LANGUAGES = ['zh', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

/** No codes, no terms of ours, and nothing about money that is not known. */
type UserMessage = Readonly<Record<Language, string>>;

const FAULT_OF_SHOP: UserMessage = {
  zh: '操作未能完成，请联系商家。',
  en: 'This could not be completed. Please contact the shop.',
};
const LOG_IN: UserMessage = { zh: '登录已失效，请重新登录。', en: 'Please log in again.' };
const NOT_THERE: UserMessage = { zh: '没有找到相关内容。', en: 'This was not found.' };
const NOT_ALLOWED: UserMessage = { zh: '您没有权限进行此操作。', en: 'You are not permitted to do this.' };
const SLOWER: UserMessage = {
  zh: '操作过于频繁，请稍后再试。',
  en: 'Too many attempts. Please try again in a little while.',
};
const IN_PROGRESS: UserMessage = {
  zh: '正在处理中，请勿重复提交。',
  en: 'This is being processed. Please do not submit it again.',
};
/** It may be that something has happened. */
const UNSURE: UserMessage = {
  zh: '服务暂时不可用，请稍后再试。如已付款，请勿重复支付。',
  en: 'The service is not available at the moment. Please try again later. If you have already paid, please do not pay again.',
};
const CHANNEL_DOWN: UserMessage = {
  zh: '微信支付暂时没有响应，请稍后再试。如已付款，请勿重复支付。',
  en: 'WeChat Pay is not answering at the moment. Please try again later. If you have already paid, please do not pay again.',
};
const NO_PAYMENTS: UserMessage = {
  zh: '商家暂时无法收款，请联系商家。',
  en: 'The shop cannot take payments at the moment. Please contact the shop.',
};
const CHANGED: UserMessage = {
  zh: '状态已发生变化，请刷新后查看。',
  en: 'The status has changed. Please refresh the page.',
};
const ORDER_AGAIN: UserMessage = {
  zh: '订单已超时，请重新下单。',
  en: 'The order has expired. Please place it again.',
};
const LOG_IN_WITH_WECHAT: UserMessage = {
  zh: '请先用微信登录，再进行支付。',
  en: 'Please log in with WeChat first, then pay.',
};
const REFUND_CHANGED: UserMessage = {
  zh: '退款状态已发生变化，请刷新后查看。',
  en: 'The status of the refund has changed. Please refresh the page.',
};
const NO_MORE_REFUNDS: UserMessage = {
  zh: '该订单无法再通过微信支付退款，请联系商家。',
  en: 'This order can no longer be refunded through WeChat Pay. Please contact the shop.',
};

/** What may be shown to a payer or a shop's customer: polite and plain. A code without both languages does not compile. */
export const USER_MESSAGES: Readonly<Record<ErrorCode, UserMessage>> = {
  invalid_request: {
    zh: '提交的内容有误，请检查后重试。',
    en: 'Something in what was sent is not right. Please check it and try again.',
  },
  malformed_json: FAULT_OF_SHOP,
  invalid_cursor: { zh: '列表已过期，请刷新。', en: 'The list is out of date. Please refresh it.' },
  unauthenticated: LOG_IN,
  login_failed: { zh: '微信登录失败，请重试。', en: 'The WeChat login failed. Please try again.' },
  forbidden: NOT_ALLOWED,
  not_found: NOT_THERE,
  method_not_allowed: FAULT_OF_SHOP,
  request_timeout: {
    zh: '网络较慢，请求超时，请重试。',
    en: 'The connection was too slow. Please try again.',
  },
  idempotency_in_progress: IN_PROGRESS,
  order_not_payable: {
    zh: '订单当前无法支付，请查看订单状态。',
    en: 'The order cannot be paid now. Please look at its status.',
  },
  order_expired: ORDER_AGAIN,
  order_not_cancellable: {
    zh: '订单当前无法取消，请查看订单状态。',
    en: 'The order cannot be cancelled now. Please look at its status.',
  },
  external_id_conflict: FAULT_OF_SHOP,
  payment_expired: {
    zh: '支付已超时，请重新发起支付。',
    en: 'The time for this payment is over. Please start the payment again.',
  },
  payment_not_open: {
    zh: '该笔支付已结束，请查看订单状态。',
    en: 'This payment has ended. Please look at the status of the order.',
  },
  other_provider: FAULT_OF_SHOP,
  provider_bound: {
    zh: '请先查询该笔交易在支付渠道的状态。',
    en: 'Please query the payment provider for the status first.',
  },
  refund_outcome_required: {
    zh: '请说明付款人是否已收到退款。',
    en: 'Please say whether the payer has received the refund.',
  },
  payer_unknown: LOG_IN_WITH_WECHAT,
  payment_not_refundable: {
    zh: '该笔支付尚未成功，无法退款。',
    en: 'This payment has not succeeded, so it cannot be refunded.',
  },
  refund_exceeds_payment: {
    zh: '退款金额超过可退金额。',
    en: 'The amount is more than what can still be refunded.',
  },
  refund_mismatch: FAULT_OF_SHOP,
  refund_not_open: REFUND_CHANGED,
  refund_too_old: NO_MORE_REFUNDS,
  refund_too_many: NO_MORE_REFUNDS,
  day_not_over: { zh: '当天账单尚未生成，请次日再试。', en: 'The bill of this day is made on the next day.' },
  discrepancy_resolved: { zh: '该差异已经处理。', en: 'This case is already resolved.' },
  case_not_late_money: {
    zh: '该差异不能用此方式处理。',
    en: 'This case cannot be resolved in this way.',
  },
  order_has_open_payment: IN_PROGRESS,
  payment_refunded: {
    zh: '该笔支付已退款或正在退款。',
    en: 'This payment was refunded, or is being refunded.',
  },
  too_many_api_keys: FAULT_OF_SHOP,
  illegal_transition: CHANGED,
  payload_too_large: {
    zh: '提交的内容过多，请减少后重试。',
    en: 'Too much was sent at once. Please send less and try again.',
  },
  unsupported_media_type: FAULT_OF_SHOP,
  invalid_metadata: FAULT_OF_SHOP,
  payer_openid_required: LOG_IN_WITH_WECHAT,
  idempotency_key_reused: FAULT_OF_SHOP,
  too_many_requests: SLOWER,
  headers_too_large: FAULT_OF_SHOP,
  internal_error: UNSURE,
  session_needed: FAULT_OF_SHOP,
  login_not_configured: {
    zh: '暂时无法用微信登录，请联系商家。',
    en: 'Logging in with WeChat is not possible here. Please contact the shop.',
  },
  channel_rejected: {
    zh: '微信支付未能处理该请求，请联系商家。',
    en: 'WeChat Pay could not process this. Please contact the shop.',
  },
  channel_unavailable: CHANNEL_DOWN,
  provider_disabled: NO_PAYMENTS,
  service_unavailable: UNSURE,
};
