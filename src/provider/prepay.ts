/**
 * What the channel gave for a payment that was placed there: one member for each scene in which it can be paid. Outside
 * of `src/provider` it is kept and handed back as it is; all that is looked at is `expiresAt`, which each member has.
 */
export type Prepay = JsapiPrepay;

/** Paid inside WeChat, in a mini-program. */
export interface JsapiPrepay {
  scene: 'jsapi';
  prepayId: string;
  /** The channel's own end of life of the prepay id: two hours after it was given. */
  expiresAt: Date;
}

/** What the client pays with: one member for each scene, like {@link Prepay}. */
export type ClientParams = PayParams;

/** The arguments of `wx.requestPayment` (WeChat Pay's manual, page 4012791898). Names are WeChat's. */
export interface PayParams {
  timeStamp: string;
  nonceStr: string;
  package: string;
  signType: string;
  paySign: string;
}

/** The columns in which the row of a payment keeps its prepay. */
export interface PrepayColumns {
  prepayId: string | null;
  prepayExpiresAt: Date | null;
}

/** The prepay that a row keeps, or null. */
export function prepayOf({ prepayId, prepayExpiresAt }: PrepayColumns): Prepay | null {
  return prepayId && prepayExpiresAt ? { scene: 'jsapi', prepayId, expiresAt: prepayExpiresAt } : null;
}

/** Writes a prepay into the columns of a row in memory. */
export function keepPrepay(row: PrepayColumns, prepay: Prepay): void {
  row.prepayId = prepay.prepayId;
  row.prepayExpiresAt = prepay.expiresAt;
}
