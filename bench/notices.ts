import { createCipheriv, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { after, Clock, HOUR } from '../src/common/clock.js';
import { nonce } from '../src/common/ids.js';
import type { JobInput } from './job.js';
import type { LoadRequest } from './load.js';

const clock = new Clock();

/** What one notice says, before it is sealed and signed. */
export interface Notice {
  eventType: string;
  originalType: 'transaction' | 'refund';
  content: Record<string, unknown>;
}

/** So many whole HTTP requests, sealed and signed before the clock runs. */
export function signedNotices(
  input: JobInput,
  path: string,
  count: number,
  make: (index: number) => Notice,
): LoadRequest[] {
  const key = createPrivateKey(String(input.platformPrivateKey));
  return Array.from({ length: count }, (_, index) => {
    const { eventType, originalType, content } = make(index);
    const resource = sealed(JSON.stringify(content), originalType, String(input.apiV3Key));
    const body = JSON.stringify(envelope(eventType, resource));
    const signature = signatureHeaders(Buffer.from(body), key, String(input.publicKeyId));
    const headers = {
      'Content-Type': 'application/json',
      'User-Agent': 'Mozilla/4.0',
      Accept: '*/*',
      ...Object.fromEntries(signature),
    };
    return { method: 'POST', path, headers, body };
  });
}

/** The headers by which WeChat Pay signs this body now. */
export function signatureHeaders(body: Buffer, key: KeyObject, serial: string): [name: string, value: string][] {
  const timestamp = String(Math.floor(clock.now().getTime() / 1000));
  const random = nonce();
  const message = Buffer.concat([Buffer.from(`${timestamp}\n${random}\n`), body, Buffer.from('\n')]);
  return [
    ['Wechatpay-Timestamp', timestamp],
    ['Wechatpay-Nonce', random],
    ['Wechatpay-Signature', sign('sha256', message, key).toString('base64')],
    ['Wechatpay-Signature-Type', 'WECHATPAY2-SHA256-RSA2048'],
    ['Wechatpay-Serial', serial],
  ];
}

/** The sealed part of a notice, as fields of its JSON. */
export function sealed(plain: string | Buffer, originalType: string, apiV3Key: string): Record<string, string> {
  const iv = nonce().slice(0, 12);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(apiV3Key), Buffer.from(iv));
  cipher.setAAD(Buffer.from(originalType));
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64');
  return {
    original_type: originalType,
    algorithm: 'AEAD_AES_256_GCM',
    ciphertext,
    associated_data: originalType,
    nonce: iv,
  };
}

/** The envelope of a notice, as fields of its JSON. */
export function envelope(eventType: string, resource: unknown): Record<string, unknown> {
  return {
    id: `EV-${nonce()}`,
    create_time: chinaTime(),
    resource_type: 'encrypt-resource',
    event_type: eventType,
    summary: '成功',
    resource,
  };
}

/** What the notice of a paid payment says, in fen. */
export function paidContent(one: {
  mchid: unknown;
  appid: unknown;
  paymentId: string;
  transactionId: string;
  openid: string;
  attach: string;
  amountFen: number;
}): Record<string, unknown> {
  const { mchid, appid, amountFen } = one;
  return {
    mchid,
    appid,
    out_trade_no: one.paymentId,
    transaction_id: one.transactionId,
    trade_type: 'JSAPI',
    trade_state: 'SUCCESS',
    trade_state_desc: '支付成功',
    bank_type: 'OTHERS',
    attach: one.attach,
    success_time: chinaTime(),
    payer: { openid: one.openid },
    amount: { total: amountFen, payer_total: amountFen, currency: 'CNY', payer_currency: 'CNY' },
  };
}

/** What the notice of a refund that arrived says, in fen. */
export function refundedContent(one: {
  mchid: unknown;
  paymentId: string;
  transactionId: string;
  refundId: string;
  channelRefundId: string;
  amountFen: number;
  refundFen: number;
}): Record<string, unknown> {
  const { mchid, amountFen, refundFen } = one;
  return {
    mchid,
    out_trade_no: one.paymentId,
    transaction_id: one.transactionId,
    out_refund_no: one.refundId,
    refund_id: one.channelRefundId,
    refund_status: 'SUCCESS',
    success_time: chinaTime(),
    user_received_account: '支付用户零钱',
    amount: { total: amountFen, refund: refundFen, payer_total: amountFen, payer_refund: refundFen },
  };
}

const chinaTime = (): string =>
  `${after(clock.now(), 8 * HOUR)
    .toISOString()
    .slice(0, 19)}+08:00`;
