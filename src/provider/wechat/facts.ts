import { ChannelPayment, ChannelRefund } from '../payment-provider.js';
import { idField, JsonObject, objectField, optionalFen, optionalId, optionalTime, ProtocolError } from './json.js';

const PAYMENT_STATES: Readonly<Record<string, ChannelPayment['state']>> = {
  SUCCESS: 'succeeded',
  // "Paid, then at least partly refunded": taking only SUCCESS for paid drops such an order (page 4012791911).
  REFUND: 'succeeded',
  NOTPAY: 'open',
  USERPAYING: 'open',
  ACCEPT: 'open',
  CLOSED: 'closed',
  REVOKED: 'closed',
  PAYERROR: 'failed',
};

const REFUND_STATES: Readonly<Record<string, ChannelRefund['state']>> = {
  PROCESSING: 'processing',
  SUCCESS: 'succeeded',
  CLOSED: 'closed',
  ABNORMAL: 'abnormal',
};

/**
 * A payment as a query answers it and a notice says it. `amount.total` is compared with the order, never
 * `payer_total`, which is lower when a coupon was used.
 * @throws ProtocolError
 */
export function readPayment(json: JsonObject): ChannelPayment {
  const tradeState = idField(json, 'trade_state', 32);
  const state = stateOf(PAYMENT_STATES, tradeState, 'trade_state');
  const amount = objectField(json, 'amount');
  const paid = state === 'succeeded';
  return {
    outTradeNo: idField(json, 'out_trade_no', 32),
    state,
    transactionId: paid ? idField(json, 'transaction_id', 32) : optionalId(json, 'transaction_id', 32),
    amountFen: amount && optionalFen(amount, 'total'),
    currency: amount && optionalId(amount, 'currency', 16),
    paidAt: optionalTime(json, 'success_time'),
    account: { mchid: idField(json, 'mchid', 32), appid: idField(json, 'appid', 32) },
    ...(state === 'failed' && { failureCode: tradeState }),
  };
}

/**
 * A refund. Answers call its state `status`, notices `refund_status`, and only notices name the merchant.
 * @throws ProtocolError
 */
export function readRefund(json: JsonObject, statusField: 'status' | 'refund_status'): ChannelRefund {
  const state = stateOf(REFUND_STATES, idField(json, statusField, 32), statusField);
  const amount = objectField(json, 'amount');
  return {
    outRefundNo: idField(json, 'out_refund_no', 64),
    outTradeNo: optionalId(json, 'out_trade_no', 32),
    state,
    refundId: idField(json, 'refund_id', 32),
    amountFen: amount && optionalFen(amount, 'refund'),
    totalFen: amount && optionalFen(amount, 'total'),
    currency: amount && optionalId(amount, 'currency', 16),
    transactionId: optionalId(json, 'transaction_id', 32),
    createdAt: optionalTime(json, 'create_time'),
    // The field is there with SUCCESS only; samples print it beside other states, where it would mean nothing.
    succeededAt: state === 'succeeded' ? optionalTime(json, 'success_time') : null,
    mchid: optionalId(json, 'mchid', 32),
  };
}

function stateOf<S>(table: Readonly<Record<string, S>>, word: string, field: string): S {
  const state = Object.hasOwn(table, word) ? table[word] : undefined;
  if (state === undefined) throw new ProtocolError('wrong_field', `${field} has an unknown value`);
  return state;
}
