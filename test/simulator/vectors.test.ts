import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  answerMessage,
  decryptField,
  encryptField,
  payMessage,
  requestMessage,
  seal,
  sha1,
  signatureFits,
  signText,
  unseal,
} from '../../simulator/crypto.js';

/** The published test data of the manual and of four SDKs, through the simulator's own cryptography. */
const FOLDER = join(__dirname, '../vectors');

function load<T>(name: string): T {
  return JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as T;
}

/** Private keys lie as one line of Base64 DER under the name of the PEM file they came from. */
function privateKey(pemName: string): KeyObject {
  const name = pemName.replace(/(\.pkcs8)?\.pem$/, '.pkcs8.der.b64');
  const der = Buffer.from(readFileSync(join(FOLDER, 'keys', name), 'utf8').trim(), 'base64');
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

function publicKey(name: string): KeyObject {
  const pem = readFileSync(join(FOLDER, 'keys', name), 'utf8');
  return pem.includes('CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem);
}

interface SigningVector {
  id: string;
  method: string;
  url_path_and_query: string;
  timestamp: string;
  nonce: string;
  body: string;
  message: string;
  private_key?: string;
  expected_signature?: string;
}
interface RawVector {
  id: string;
  message: string;
  private_key: string;
  expected_signature: string;
  verified_with: { key: string }[];
}

describe('request signing', () => {
  const vectors = load<{ authorization_header_vectors: SigningVector[]; raw_message_vectors: RawVector[] }>(
    'request-signing',
  );

  it.each(vectors.authorization_header_vectors.map((one) => [one.id, one] as const))('%s', async (_id, one) => {
    const message = requestMessage(one.method, one.url_path_and_query, one.timestamp, one.nonce, Buffer.from(one.body));
    expect(message.toString()).toBe(one.message);
    if (one.private_key === undefined || one.expected_signature === undefined) return;
    const key = privateKey(one.private_key);
    expect(await signText(message, key)).toBe(one.expected_signature);
    expect(signatureFits(message, one.expected_signature, createPublicKey(key))).toBe(true);
  });

  it.each(vectors.raw_message_vectors.map((one) => [one.id, one] as const))('%s', async (_id, one) => {
    const message = Buffer.from(one.message);
    expect(await signText(message, privateKey(one.private_key))).toBe(one.expected_signature);
    for (const { key } of one.verified_with) {
      expect(signatureFits(message, one.expected_signature, publicKey(key))).toBe(true);
    }
    expect(signatureFits(message, one.expected_signature, publicKey('java-wechatpay-public.pem'))).toBe(false);
  });

  it('http-layout: an encoded query is signed as it was sent', () => {
    const { request_uri_with_encoded_query: target } = load<{ request_uri_with_encoded_query: string }>('http-layout');
    expect(requestMessage('GET', target, '1', 'n', Buffer.alloc(0)).toString()).toBe(`GET\n${target}\n1\nn\n\n`);
  });
});

describe('paySign', () => {
  interface PayVector {
    id: string;
    appId: string;
    timeStamp: string;
    nonceStr: string;
    fourth_line: string;
    private_key: string;
    expected_paySign: string;
  }
  const { vectors } = load<{ vectors: PayVector[] }>('pay-sign');

  it.each(vectors.map((one) => [one.id, one] as const))('%s', async (_id, one) => {
    const message = payMessage(one.appId, one.timeStamp, one.nonceStr, one.fourth_line);
    expect(await signText(message, privateKey(one.private_key))).toBe(one.expected_paySign);
  });
});

describe('callbacks and answers', () => {
  interface WireVector {
    id: string;
    headers?: Record<string, string>;
    body?: string;
    verify_key?: string;
    api_v3_key?: string;
    resource_plaintext?: string;
  }
  const { vectors } = load<{ vectors: WireVector[] }>('responses-and-callbacks');
  const complete = vectors.filter((one) => one.verify_key !== undefined && one.body !== undefined);

  it.each(complete.map((one) => [one.id, one] as const))('%s', (_id, one) => {
    const { headers = {}, body = '', verify_key: key = '' } = one;
    const signature = headers['Wechatpay-Signature'] ?? '';
    const message = answerMessage(
      headers['Wechatpay-Timestamp'] ?? '',
      headers['Wechatpay-Nonce'] ?? '',
      Buffer.from(body),
    );
    expect(signatureFits(message, signature, publicKey(key))).toBe(true);
    expect(signatureFits(Buffer.concat([message, Buffer.from('\n')]), signature, publicKey(key))).toBe(false);
    if (one.api_v3_key === undefined) return;
    const { resource } = JSON.parse(body) as { resource: Parameters<typeof unseal>[0] };
    expect(unseal(resource, one.api_v3_key)).toBe(one.resource_plaintext);
  });

  it('doc-signtest-probe does not verify, and does not throw', () => {
    const probe = vectors.find((one) => one.id === 'doc-signtest-probe')?.headers?.['Wechatpay-Signature'] ?? '';
    expect(probe).toMatch(/^WECHATPAY\/SIGNTEST\//);
    expect(signatureFits(Buffer.from('anything'), probe, publicKey('go-A-public.spki.pem'))).toBe(false);
  });
});

describe('AES-GCM', () => {
  interface GcmVector {
    id: string;
    key: string;
    nonce: string;
    associated_data: string;
    plaintext: string;
    ciphertext: string;
  }
  const { vectors } = load<{ vectors: GcmVector[] }>('aes-gcm');

  it.each(vectors.map((one) => [one.id, one] as const))('%s', (_id, one) => {
    expect(unseal(one, one.key)).toBe(one.plaintext);
    expect(seal(one.plaintext, one.key, one.nonce, one.associated_data).ciphertext).toBe(one.ciphertext);
    expect(() => unseal({ ...one, associated_data: `${one.associated_data}x` }, one.key)).toThrow();
    expect(() => unseal({ ...one, nonce: `${one.nonce}x` }, one.key)).toThrow();
    expect(() => unseal(one, one.key.replace(/.$/, '~'))).toThrow();
    expect(() => unseal({ ...one, ciphertext: Buffer.alloc(128).toString('base64') }, one.key)).toThrow();
  });
});

describe('certificates download', () => {
  interface DownloadVector {
    id: string;
    api_v3_key?: string;
    response_body?: string;
    decrypts_to?: string;
  }
  const { vectors } = load<{ vectors: DownloadVector[] }>('certificates-download');
  const complete = vectors.filter((one) => one.decrypts_to !== undefined);

  it.each(complete.map((one) => [one.id, one] as const))('%s', (_id, one) => {
    const { data } = JSON.parse(one.response_body ?? '') as {
      data: { encrypt_certificate: Parameters<typeof unseal>[0] }[];
    };
    const sealed = data[0]?.encrypt_certificate;
    const pem = sealed && unseal(sealed, one.api_v3_key ?? '');
    expect(pem?.trim()).toBe(readFileSync(join(FOLDER, 'keys', one.decrypts_to ?? ''), 'utf8').trim());
  });
});

describe('RSA-OAEP', () => {
  const { vectors } = load<{ vectors: { id: string; private_key: string; ciphertext: string; plaintext: string }[] }>(
    'rsa-oaep',
  );

  it.each(vectors.map((one) => [one.id, one] as const))('%s', (_id, one) => {
    const key = privateKey(one.private_key);
    expect(decryptField(one.ciphertext, key)).toBe(one.plaintext);
    expect(decryptField(encryptField(one.plaintext, createPublicKey(key)), key)).toBe(one.plaintext);
    expect(decryptField(one.ciphertext, privateKey('go-C-merchant-private.pkcs8.pem'))).toBeNull();
  });
});

describe('hashes', () => {
  it('SHA-1 in lower-case hex', () => {
    for (const one of load<{ vectors: { message: string; sha1: string }[] }>('hashes').vectors) {
      expect(sha1(Buffer.from(one.message))).toBe(one.sha1);
    }
  });
});
