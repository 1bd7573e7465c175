import { createCipheriv, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import forge from 'node-forge';
import { chinaTime } from '../../bench/notices.js';
import { nonce } from '../../src/common/ids.js';

/** A callback before it is sent: header lines and the raw body. */
export interface Callback {
  headers: [name: string, value: string][];
  body: Buffer;
}

/** A key of the channel that the proof holds itself: so that it can sign what no simulator would. */
export interface ChannelKey {
  privateKey: KeyObject;
  serial: string;
  certificatePem: string;
}

const SERIAL = '5A0DDE7C0B3E4F5061728394A5B6C7D8E9F00112';

/** A platform certificate whose time began long ago: the service asks for answers under a newer one, and trusts both. */
export function makeChannelKey(): ChannelKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey.export({ type: 'spki', format: 'pem' }).toString());
  certificate.serialNumber = SERIAL;
  certificate.validity.notBefore = new Date('2020-01-01T00:00:00Z');
  certificate.validity.notAfter = new Date('2120-01-01T00:00:00Z');
  const name = [{ name: 'organizationName', value: 'Tenpay.com' }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  const forgeKey = forge.pki.privateKeyFromPem(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  certificate.sign(forgeKey, forge.md.sha256.create());
  return { privateKey, serial: SERIAL, certificatePem: forge.pki.certificateToPem(certificate) };
}

/** Signs these bytes as the channel signs a notice now. */
export function signed(body: Buffer, key: ChannelKey, nowMs: number): Callback {
  const timestamp = String(Math.floor(nowMs / 1000));
  const random = nonce();
  const message = Buffer.concat([Buffer.from(`${timestamp}\n${random}\n`), body, Buffer.from('\n')]);
  return {
    headers: [
      ['Content-Type', 'application/json'],
      ['Wechatpay-Timestamp', timestamp],
      ['Wechatpay-Nonce', random],
      ['Wechatpay-Signature', sign('sha256', message, key.privateKey).toString('base64')],
      ['Wechatpay-Signature-Type', 'WECHATPAY2-SHA256-RSA2048'],
      ['Wechatpay-Serial', key.serial],
    ],
    body,
  };
}

/** The sealed part of a notice, as fields of its JSON. */
export function sealed(plain: Buffer, originalType: string, apiV3Key: string): Record<string, string> {
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

/** Signs these bytes as the pretend channel does. */
export function mockSigned(body: Buffer, secret: string): Callback {
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  return {
    headers: [
      ['Content-Type', 'application/json'],
      ['X-Mock-Signature', signature],
    ],
    body,
  };
}
