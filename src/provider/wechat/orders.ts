import { ChannelOrder, ChannelPayment } from '../payment-provider.js';
import { WechatCallError } from './call-error.js';
import { Call, WechatClient } from './client.js';
import { readPayment } from './facts.js';
import { idField, JsonObject, ProtocolError } from './json.js';
import { prepayBody, target } from './requests.js';
import { WechatSettings } from './settings.js';

const TRANSACTIONS = ['pay', 'transactions'];

/** Calls and translates; an answer that is proven but not as documented leaves the outcome unknown. */
export async function callAndRead<T>(client: WechatClient, call: Call, read: (json: JsonObject) => T): Promise<T> {
  const { json } = await client.call(call);
  try {
    return read(json);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new WechatCallError('unknown', 'unreadable_answer', `${call.operation}: ${error.message}`);
  }
}

/** Places an order and answers its prepay id (manual, page 4012791897). @throws WechatCallError */
export function placeOrder(
  client: WechatClient,
  settings: WechatSettings,
  order: ChannelOrder,
  openid: string,
): Promise<string> {
  return callAndRead(
    client,
    {
      operation: 'prepay',
      method: 'POST',
      target: target([...TRANSACTIONS, 'jsapi']),
      body: prepayBody(settings, order, openid),
      retryLimited: true,
    },
    (json) => idField(json, 'prepay_id', 64),
  );
}

/** What the channel says of a number (manual, page 4012791900). @throws WechatCallError */
export async function queryOrder(
  client: WechatClient,
  settings: WechatSettings,
  outTradeNo: string,
): Promise<ChannelPayment> {
  try {
    return await callAndRead(
      client,
      {
        operation: 'query_payment',
        method: 'GET',
        target: target([...TRANSACTIONS, 'out-trade-no', outTradeNo], { mchid: settings.mchid }),
      },
      (json) => answered(outTradeNo, readPayment(json)),
    );
  } catch (error) {
    if (!isUnknownNumber(error)) throw error;
    return withoutDetails(outTradeNo, 'not_found');
  }
}

/**
 * Closes an unpaid number, and answers what it is now (manual, page 4012791901). A number that the channel never saw
 * is closed too: it cannot be paid. Any other refusal is settled by asking.
 * @throws WechatCallError
 */
export async function closeOrder(
  client: WechatClient,
  settings: WechatSettings,
  outTradeNo: string,
): Promise<ChannelPayment> {
  const closed = withoutDetails(outTradeNo, 'closed', settings);
  try {
    await client.call({
      operation: 'close_payment',
      method: 'POST',
      target: target([...TRANSACTIONS, 'out-trade-no', outTradeNo, 'close']),
      body: { mchid: settings.mchid },
    });
    return closed;
  } catch (error) {
    if (isUnknownNumber(error)) return closed;
    if (!(error instanceof WechatCallError) || error.outcome !== 'rejected' || NOT_OF_THE_ORDER.has(error.code))
      throw error;
    // Most likely it was paid a moment ago, which arrives as ORDERPAID, INVALID_REQUEST or TRADE_ERROR.
    const now = await queryOrder(client, settings, outTradeNo);
    if (now.state === 'open') throw error;
    return now.state === 'not_found' ? closed : now;
  }
}

/** Refusals that say nothing of the order, so that asking about it would not help. */
const NOT_OF_THE_ORDER = new Set(['SIGN_ERROR', 'PARAM_ERROR', 'NO_AUTH', 'MCH_NOT_EXISTS']);

function isUnknownNumber(error: unknown): boolean {
  return error instanceof WechatCallError && error.outcome === 'rejected' && error.code === 'ORDER_NOT_EXIST';
}

function answered(outTradeNo: string, payment: ChannelPayment): ChannelPayment {
  if (payment.outTradeNo !== outTradeNo)
    throw new ProtocolError('wrong_field', 'out_trade_no differs from the request');
  return payment;
}

function withoutDetails(outTradeNo: string, state: ChannelPayment['state'], account?: WechatSettings): ChannelPayment {
  return {
    outTradeNo,
    state,
    transactionId: null,
    amountFen: null,
    currency: null,
    paidAt: null,
    account: account ? { mchid: account.mchid, appid: account.appid } : null,
  };
}
