import { AbnormalRefundTarget, ChannelRefund, ChannelRefundOrder } from '../payment-provider.js';
import { FEE_MISMATCH, WechatCallError } from './call-error.js';
import { WechatClient } from './client.js';
import { encryptField } from './encryption.js';
import { readRefund } from './facts.js';
import { JsonObject, ProtocolError } from './json.js';
import { KeyRing } from './key-ring.js';
import { callAndRead } from './orders.js';
import { refundBody, target } from './requests.js';
import { WechatSettings } from './settings.js';

const REFUNDS = ['refund', 'domestic', 'refunds'];

/**
 * Asks for a refund (manual, page 4013071036). The number makes it repeatable: the same number is paid once. Before a
 * refusal is believed that may stem from an earlier call of this number, the channel is asked about the number.
 * @throws WechatCallError
 */
export async function applyForRefund(
  client: WechatClient,
  settings: WechatSettings,
  refund: ChannelRefundOrder,
): Promise<ChannelRefund> {
  try {
    return await callAndRead(
      client,
      {
        operation: 'refund',
        method: 'POST',
        target: target(REFUNDS),
        body: refundBody(settings, refund),
        // Failing calls are limited to six a second for the whole merchant.
        attempts: 2,
      },
      reader(refund),
    );
  } catch (error) {
    if (!(error instanceof WechatCallError) || error.outcome !== 'rejected') throw error;
    if (error.code !== 'INVALID_REQUEST' && !error.afterUnknown) throw error;
    return existingRefund(client, refund, error);
  }
}

/** The refund that a refused call met, if there is one; else the refusal stands. */
async function existingRefund(
  client: WechatClient,
  refund: ChannelRefundOrder,
  refusal: WechatCallError,
): Promise<ChannelRefund> {
  const found = await askForRefund(client, refund).catch((error: unknown) => {
    if (!(error instanceof WechatCallError)) throw error;
    // Refused, and not known whether an earlier call went through: nothing is settled by that.
    throw new WechatCallError('unknown', refusal.code, refusal.message, refusal.httpStatus, refusal.requestId);
  });
  if (found.state === 'not_found') throw refusal;
  if (found.amountFen === refund.amountFen && found.totalFen === refund.totalFen) return found;
  // Money moves under our number, but not what we asked for: a person has to look, so it must not end as refused.
  throw new WechatCallError('unknown', FEE_MISMATCH, 'refund: WeChat Pay has another amount under this number');
}

/** What the channel says of a refund number (manual, page 4013071041). @throws WechatCallError */
export async function askForRefund(client: WechatClient, refund: ChannelRefundOrder): Promise<ChannelRefund> {
  try {
    return await callAndRead(
      client,
      { operation: 'query_refund', method: 'GET', target: target([...REFUNDS, refund.outRefundNo]) },
      reader(refund),
    );
  } catch (error) {
    const unknownNumber =
      error instanceof WechatCallError && error.outcome === 'rejected' && error.code === 'RESOURCE_NOT_EXISTS';
    if (!unknownNumber) throw error;
    return notFound(refund);
  }
}

/**
 * Sends the money of an abnormal refund somewhere else (manual, page 4013071193). Card data is encrypted here and
 * exists in this call only.
 * @throws WechatCallError
 */
export async function retryAbnormal(
  client: WechatClient,
  ring: KeyRing,
  refund: ChannelRefundOrder,
  destination: AbnormalRefundTarget,
): Promise<ChannelRefund> {
  const refundId = refund.refundId ?? (await askForRefund(client, refund)).refundId;
  if (refundId === null) {
    throw new WechatCallError(
      'rejected',
      'RESOURCE_NOT_EXISTS',
      'abnormal_refund: WeChat Pay does not know this refund',
      404,
    );
  }
  await client.ready();
  // Encrypted and named with the same key: a call may not mix the two modes.
  const platform = ring.preferred();
  if (platform === null)
    throw new WechatCallError(
      'unknown',
      'no_platform_key',
      'abnormal_refund: there is no platform key to encrypt with yet',
    );
  const body: JsonObject =
    destination.to === 'merchant_card'
      ? { out_refund_no: refund.outRefundNo, type: 'MERCHANT_BANK_CARD' }
      : {
          out_refund_no: refund.outRefundNo,
          type: 'USER_BANK_CARD',
          bank_type: destination.bankType,
          bank_account: encryptField(destination.bankAccount, platform.key),
          real_name: encryptField(destination.realName, platform.key),
        };
  return callAndRead(
    client,
    {
      operation: 'abnormal_refund',
      method: 'POST',
      target: target([...REFUNDS, refundId, 'apply-abnormal-refund']),
      body,
      // Nothing says that it may be repeated: in doubt the refund is queried.
      attempts: 1,
      named: platform,
    },
    reader(refund),
  );
}

function reader(refund: ChannelRefundOrder): (json: JsonObject) => ChannelRefund {
  return (json) => {
    const seen = readRefund(json, 'status');
    if (seen.outRefundNo !== refund.outRefundNo)
      throw new ProtocolError('wrong_field', 'out_refund_no differs from the request');
    return seen;
  };
}

function notFound(refund: ChannelRefundOrder): ChannelRefund {
  return {
    outRefundNo: refund.outRefundNo,
    outTradeNo: refund.outTradeNo,
    state: 'not_found',
    refundId: null,
    amountFen: null,
    totalFen: null,
    currency: null,
    transactionId: null,
    createdAt: null,
    succeededAt: null,
    mchid: null,
  };
}
