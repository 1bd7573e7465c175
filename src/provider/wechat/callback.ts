import { Clock } from '../../common/clock.js';
import { CallbackFact, CallbackRefused, ChannelPayment, ChannelRefund, RawCallback } from '../payment-provider.js';
import { DecryptionError, decryptResource } from './encryption.js';
import { readPayment, readRefund } from './facts.js';
import { idField, JsonObject, objectField, optionalId, parseObject, ProtocolError, textField } from './json.js';
import { KeyRing } from './key-ring.js';
import { SignatureFailure, signatureVerifier } from './signature.js';

/** The envelope and what is encrypted inside. Real notices have 1 to 4 KB; the route takes 64 KB. */
const LIMITS = { maxBytes: 64 * 1024, maxDepth: 24 };

const WHY: Readonly<Record<SignatureFailure, string>> = {
  missing_header: 'a signature header is missing, repeated or malformed',
  unsupported_signature_type: 'the signature type is not WECHATPAY2-SHA256-RSA2048',
  clock_skew: 'the timestamp differs from our clock by five minutes or more',
  unknown_serial: 'no valid key has the given serial',
  bad_signature: 'the signature does not match the body',
  signature_probe: 'a signature probe of WeChat Pay: rejected as intended, WeChat Pay sends the notice again',
};

/**
 * Proves, then opens, then translates a callback. Nothing is parsed before the signature over the raw bytes holds, and
 * nothing in it makes this process call out: an unknown serial is refused, not looked up.
 * @throws CallbackRefused
 */
export function readCallback(callback: RawCallback, ring: KeyRing, clock: Clock): CallbackFact {
  const failure = signatureVerifier(ring, clock)(callback.headers, callback.body);
  if (failure !== null) throw new CallbackRefused('unverified', failure, WHY[failure]);
  try {
    return translate(parseObject(callback.body, LIMITS), ring.merchant.apiV3Key);
  } catch (error) {
    if (error instanceof DecryptionError)
      throw new CallbackRefused('unreadable', 'not_decrypted', `the resource: ${error.message}`);
    if (error instanceof ProtocolError) throw new CallbackRefused('unreadable', error.code, error.message);
    throw error;
  }
}

function translate(envelope: JsonObject, apiV3Key: Buffer): CallbackFact {
  const eventType = idField(envelope, 'event_type', 64);
  const notificationId = optionalId(envelope, 'id', 64);
  switch (eventType) {
    case 'TRANSACTION.SUCCESS':
      return {
        kind: 'payment',
        eventType,
        notificationId,
        payment: readNotifiedPayment(open(envelope, 'transaction', apiV3Key)),
      };
    case 'REFUND.SUCCESS':
    case 'REFUND.ABNORMAL':
    case 'REFUND.CLOSED':
      return {
        kind: 'refund',
        eventType,
        notificationId,
        refund: readNotifiedRefund(open(envelope, 'refund', apiV3Key)),
      };
    default:
      // Genuine, but of another product: refusing it would only make it come fifteen times.
      return { kind: 'ignored', eventType, notificationId };
  }
}

function open(envelope: JsonObject, originalType: 'transaction' | 'refund', apiV3Key: Buffer): JsonObject {
  const resource = objectField(envelope, 'resource');
  if (resource === null) throw new ProtocolError('wrong_field', 'resource is not present');
  if (idField(resource, 'original_type', 32) !== originalType) {
    throw new ProtocolError('wrong_field', 'original_type does not match event_type');
  }
  const plain = decryptResource(
    {
      algorithm: idField(resource, 'algorithm', 32),
      nonce: textField(resource, 'nonce', 32),
      associatedData: textField(resource, 'associated_data', 64),
      ciphertext: textField(resource, 'ciphertext', LIMITS.maxBytes),
    },
    apiV3Key,
  );
  return parseObject(plain, LIMITS);
}

/** Only successes are notified (manual, page 4012791902), and a notice says all that has to be compared. */
function readNotifiedPayment(json: JsonObject): ChannelPayment {
  const payment = readPayment(json);
  if (payment.state !== 'succeeded') throw new ProtocolError('wrong_field', 'trade_state is not SUCCESS');
  if (payment.amountFen === null || payment.currency === null)
    throw new ProtocolError('wrong_field', 'amount is not complete');
  if (payment.paidAt === null) throw new ProtocolError('wrong_field', 'success_time is not present');
  return payment;
}

/** A notice about a refund says all that has to be compared (manual, page 4013071196). */
function readNotifiedRefund(json: JsonObject): ChannelRefund {
  const refund = readRefund(json, 'refund_status');
  if (refund.amountFen === null || refund.totalFen === null)
    throw new ProtocolError('wrong_field', 'amount is not complete');
  if (refund.mchid === null) throw new ProtocolError('wrong_field', 'mchid is not present');
  if (refund.outTradeNo === null) throw new ProtocolError('wrong_field', 'out_trade_no is not present');
  if (refund.state === 'succeeded' && refund.succeededAt === null)
    throw new ProtocolError('wrong_field', 'success_time is not present');
  return refund;
}
