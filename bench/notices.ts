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

export const chinaTime = (): string =>
  `${after(clock.now(), 8 * HOUR)
    .toISOString()
    .slice(0, 19)}+08:00`;
