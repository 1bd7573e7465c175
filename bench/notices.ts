import { createCipheriv, createPrivateKey, sign } from 'node:crypto';
import { Clock, HOUR, after } from '../src/common/clock.js';
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
  const timestamp = String(Math.floor(clock.now().getTime() / 1000));
  return Array.from({ length: count }, (_, index) => {
    const body = sealed(make(index), String(input.apiV3Key));
    const random = nonce();
    const headers = {
      'Content-Type': 'application/json',
      'User-Agent': 'Mozilla/4.0',
      Accept: '*/*',
      'Wechatpay-Timestamp': timestamp,
      'Wechatpay-Nonce': random,
      'Wechatpay-Signature': sign('sha256', Buffer.from(`${timestamp}\n${random}\n${body}\n`), key).toString('base64'),
      'Wechatpay-Signature-Type': 'WECHATPAY2-SHA256-RSA2048',
      'Wechatpay-Serial': String(input.publicKeyId),
    };
    return { method: 'POST', path, headers, body };
  });
}

function sealed({ eventType, originalType, content }: Notice, apiV3Key: string): string {
  const iv = nonce().slice(0, 12);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(apiV3Key), Buffer.from(iv));
  cipher.setAAD(Buffer.from(originalType));
  const ciphertext = Buffer.concat([cipher.update(JSON.stringify(content)), cipher.final(), cipher.getAuthTag()]);
  return JSON.stringify({
    id: `EV-${nonce()}`,
    create_time: chinaTime(),
    resource_type: 'encrypt-resource',
    event_type: eventType,
    summary: '成功',
    resource: {
      original_type: originalType,
      algorithm: 'AEAD_AES_256_GCM',
      ciphertext: ciphertext.toString('base64'),
      associated_data: originalType,
      nonce: iv,
    },
  });
}

export const chinaTime = (): string =>
  `${after(clock.now(), 8 * HOUR)
    .toISOString()
    .slice(0, 19)}+08:00`;
