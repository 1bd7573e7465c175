import { type Order, payerFen, type Refund, settlementFen, type TradeState } from './books.js';
import { chinaTime } from './clock.js';
import { type JsonObject } from './fields.js';

const STATE_TEXT: Record<TradeState, string> = {
  NOTPAY: '订单未支付',
  SUCCESS: '支付成功',
  REFUND: '转入退款',
  CLOSED: '订单已关闭',
};

/**
 * The answer to an order query (2.4), with the fields of recorded answers. What is not paid has neither `currency` nor
 * `payer_total`, but the device, empty if none was named; what is paid has `attach`, empty if none was sent.
 */
export function transactionView(order: Order): JsonObject {
  const { form, paid } = order;
  const device = form.scene_info?.device_id;
  const common: JsonObject = {
    appid: form.appid,
    mchid: form.mchid,
    out_trade_no: order.outTradeNo,
    trade_state: order.state,
    trade_state_desc: STATE_TEXT[order.state],
    promotion_detail: promotions(order),
  };
  if (!paid) {
    return {
      ...common,
      ...(form.attach === undefined ? {} : { attach: form.attach }),
      amount: { total: form.amount.total, payer_currency: 'CNY' },
      scene_info: { device_id: device ?? '' },
    };
  }
  return {
    ...common,
    transaction_id: paid.transactionId,
    trade_type: 'JSAPI',
    bank_type: paid.bankType,
    attach: form.attach ?? '',
    success_time: chinaTime(paid.at),
    payer: { openid: paid.openid },
    amount: { total: form.amount.total, payer_total: payerFen(order), currency: 'CNY', payer_currency: 'CNY' },
    ...(device === undefined ? {} : { scene_info: { device_id: device } }),
  };
}

/** The coupons of a payment: one at most. */
export function promotions(order: Order): JsonObject[] {
  const coupon = order.paid?.coupon;
  if (!coupon) return [];
  return [
    {
      coupon_id: '109519',
      name: '模拟代金券',
      scope: 'GLOBAL',
      type: coupon.kind,
      amount: coupon.fen,
      stock_id: '931386',
      wechatpay_contribute: 0,
      merchant_contribute: coupon.fen,
      other_contribute: 0,
      currency: 'CNY',
    },
  ];
}

/** A coupon's kind as refunds call it: COUPON is settled with the merchant, DISCOUNT is not. */
const REFUNDED_COUPON = { CASH: 'COUPON', NOCASH: 'DISCOUNT' } as const;

/** The answer to a refund call and to its query (3.2), with the fields of recorded answers. */
export function refundView(refund: Refund): JsonObject {
  const { order } = refund;
  const coupon = order.paid?.coupon;
  const discount = refund.refundFen - refund.payerRefundFen;
  return {
    refund_id: refund.refundId,
    out_refund_no: refund.outRefundNo,
    transaction_id: refund.transactionId,
    out_trade_no: order.outTradeNo,
    channel: 'ORIGINAL',
    user_received_account: refund.receivedAccount,
    ...(refund.successAt === null ? {} : { success_time: chinaTime(refund.successAt) }),
    create_time: chinaTime(refund.createdAt),
    status: refund.status,
    funds_account: refund.form.funds_account ?? 'AVAILABLE',
    amount: {
      total: order.form.amount.total,
      refund: refund.refundFen,
      payer_total: payerFen(order),
      payer_refund: refund.payerRefundFen,
      settlement_total: settlementFen(order),
      settlement_refund: refund.settlementFen,
      discount_refund: discount,
      currency: 'CNY',
      refund_fee: refund.feeFen,
      from: refund.form.amount.from ?? [],
    },
    promotion_detail: coupon
      ? [
          {
            promotion_id: '109519',
            scope: 'GLOBAL',
            type: REFUNDED_COUPON[coupon.kind],
            amount: coupon.fen,
            refund_amount: discount,
          },
        ]
      : [],
  };
}
