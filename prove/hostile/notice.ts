import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import forge from 'node-forge';
import { signatureHeaders } from '../../bench/notices.js';

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
export function signed(body: Buffer, { privateKey, serial }: ChannelKey): Callback {
  return { headers: [['Content-Type', 'application/json'], ...signatureHeaders(body, privateKey, serial)], body };
}

/** Signs these bytes as the mock provider does. */
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
