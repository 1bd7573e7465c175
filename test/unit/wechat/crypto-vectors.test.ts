import { createPublicKey, X509Certificate } from 'node:crypto';
import {
  decryptField,
  DecryptionError,
  decryptResource,
  encryptField,
} from '../../../src/provider/wechat/encryption.js';
import { listField, parseObject } from '../../../src/provider/wechat/json.js';
import { openCertificate } from '../../../src/provider/wechat/renewal.js';
import {
  answerMessage,
  authorization,
  payMessage,
  readBase64,
  requestMessage,
  signMessage,
  verifyMessage,
} from '../../../src/provider/wechat/signature.js';
import { makePair, vectorPrivateKey, vectors, vectorText } from './support.js';

interface RequestVector {
  id: string;
  mchid: string;
  merchant_serial_no: string;
  private_key?: string;
  method: 'GET' | 'POST';
  url_path_and_query: string;
  timestamp: string;
  nonce: string;
  body: string;
  expected_signature?: string;
  message: string;
}

interface RawVector {
  id: string;
  private_key: string;
  message: string;
  expected_signature: string;
  verified_with: { key: string; ok: boolean }[];
}

const requests = vectors<{ authorization_header_vectors: RequestVector[]; raw_message_vectors: RawVector[] }>(
  'request-signing.json',
);

describe('requests of the manual and the SDKs', () => {
  it.each(requests.authorization_header_vectors)('$id', async (vector) => {
    const request = {
      method: vector.method,
      target: vector.url_path_and_query,
      timestamp: vector.timestamp,
      nonce: vector.nonce,
      body: Buffer.from(vector.body),
    };
    expect(requestMessage(request).toString()).toBe(vector.message);
    if (vector.private_key === undefined) return; // published without a signature
    const signature = await signMessage(requestMessage(request), vectorPrivateKey(vector.private_key));
    expect(signature).toBe(vector.expected_signature);
    expect(authorization(vector.mchid, vector.merchant_serial_no, request, signature)).toBe(
      `WECHATPAY2-SHA256-RSA2048 mchid="${vector.mchid}",nonce_str="${vector.nonce}",signature="${signature}",` +
        `timestamp="${vector.timestamp}",serial_no="${vector.merchant_serial_no}"`,
    );
  });

  it.each(requests.raw_message_vectors)(
    '$id signs and verifies, with certificate and bare key alike',
    async (vector) => {
      const message = Buffer.from(vector.message);
      expect(await signMessage(message, vectorPrivateKey(vector.private_key))).toBe(vector.expected_signature);
      for (const { key } of vector.verified_with) {
        const publicKey = key.includes('cert')
          ? new X509Certificate(vectorText(key)).publicKey
          : createPublicKey(vectorText(key));
        expect(verifyMessage(message, vector.expected_signature, publicKey)).toBe(true);
      }
    },
  );

  it('does not verify with another key', () => {
    const vector = requests.raw_message_vectors.find(({ id }) => id === 'java-sign-message');
    const key = createPublicKey(vectorText('java-wechatpay-public.pem'));
    expect(verifyMessage(Buffer.from('message'), vector?.expected_signature ?? '', key)).toBe(false);
  });
});

interface PayVector {
  id: string;
  appId: string;
  timeStamp: string;
  nonceStr: string;
  fourth_line: string;
  message: string;
  private_key: string;
  expected_paySign: string;
}

describe('paySign', () => {
  it.each(vectors<{ vectors: PayVector[] }>('pay-sign.json').vectors)('$id', async (vector) => {
    const message = payMessage(vector.appId, { ...vector, package: vector.fourth_line });
    expect(message.toString()).toBe(vector.message);
    expect(await signMessage(message, vectorPrivateKey(vector.private_key))).toBe(vector.expected_paySign);
  });
});

describe('signatures of WeChat Pay', () => {
  const all = vectors<{ vectors: { id: string; headers: Record<string, string>; body: string; verify_key: string }[] }>(
    'responses-and-callbacks.json',
  ).vectors;
  const named = (id: string) => all.find((vector) => vector.id === id) ?? all[0]!;

  it('verifies the answer that the manual prints', () => {
    const { headers, body, verify_key } = named('doc-response-native');
    const message = answerMessage(
      headers['Wechatpay-Timestamp'] ?? '',
      headers['Wechatpay-Nonce'] ?? '',
      Buffer.from(body),
    );
    const key = createPublicKey(vectorText(verify_key));
    expect(verifyMessage(message, headers['Wechatpay-Signature'] ?? '', key)).toBe(true);
    message[message.length - 3] = (message[message.length - 3] ?? 0) ^ 1;
    expect(verifyMessage(message, headers['Wechatpay-Signature'] ?? '', key)).toBe(false);
  });

  it.each(['', 'A', '=', '====', 'AAA', 'AA AA', 'AAA\n', 'AA-_', 'AAB=', 'é', 'x'.repeat(5000)])(
    'takes the undecodable signature %j for a wrong one, not for an accident',
    (signature) => {
      const key = createPublicKey(vectorText('go-A-public.spki.pem'));
      expect(verifyMessage(Buffer.from('source'), signature, key)).toBe(false);
    },
  );

  it('takes the published signature probe for a wrong signature', () => {
    const probe = named('doc-signtest-probe').headers['Wechatpay-Signature'] ?? '';
    const key = createPublicKey(vectorText('go-A-public.spki.pem'));
    expect(verifyMessage(Buffer.from('source'), probe, key)).toBe(false);
  });

  it('reads Base64 strictly', () => {
    expect(readBase64('YQ==')?.toString()).toBe('a');
    expect(readBase64('YR==')).toBeNull(); // bits left over that mean nothing
    expect(readBase64('YQ')).toBeNull();
    expect(readBase64('')).toBeNull();
  });
});

interface GcmVector {
  id: string;
  key: string;
  nonce: string;
  associated_data: string;
  plaintext: string;
  ciphertext: string;
}

describe('AES-256-GCM', () => {
  const all = vectors<{ vectors: GcmVector[] }>('aes-gcm.json').vectors;
  const good = all.find(({ id }) => id === 'java-32-byte-key')!;
  const resourceOf = (vector: GcmVector) => ({
    algorithm: 'AEAD_AES_256_GCM',
    ciphertext: vector.ciphertext,
    nonce: vector.nonce,
    associatedData: vector.associated_data,
  });

  it('opens the vector with a key and a nonce of real size', () => {
    expect(decryptResource(resourceOf(good), Buffer.from(good.key)).toString()).toBe('message');
  });

  it.each(all.filter(({ key, nonce }) => key.length !== 32 || nonce.length !== 12))(
    '$id is refused: its key or nonce has a size that WeChat Pay never uses',
    (vector) => {
      expect(() => decryptResource(resourceOf(vector), Buffer.from(vector.key))).toThrow(DecryptionError);
    },
  );

  const sealed = Buffer.from(good.ciphertext, 'base64');
  const flipped = Buffer.from(sealed);
  flipped[0] = (flipped[0] ?? 0) ^ 1;
  const zeroTag = Buffer.concat([sealed.subarray(0, -16), Buffer.alloc(16)]);
  it.each([
    ['another associated data', { associatedData: 'somethingElse' }],
    ['no associated data', { associatedData: '' }],
    ['another nonce', { nonce: 'uluk4a9R25RX' }],
    ['128 zero bytes', { ciphertext: Buffer.alloc(128).toString('base64') }],
    ['a flipped bit', { ciphertext: flipped.toString('base64') }],
    ['a tag of zeros', { ciphertext: zeroTag.toString('base64') }],
    ['a tag cut to 12 bytes', { ciphertext: sealed.subarray(0, -4).toString('base64') }],
    ['less than a tag', { ciphertext: sealed.subarray(0, 15).toString('base64') }],
    ['nothing', { ciphertext: '' }],
    ['text that is not Base64', { ciphertext: '***' }],
    ['another algorithm', { algorithm: 'AEAD_SM4_GCM' }],
  ])('refuses %s', (_name, change) => {
    expect(() => decryptResource({ ...resourceOf(good), ...change }, Buffer.from(good.key))).toThrow(DecryptionError);
  });

  it('refuses the wrong key', () => {
    expect(() => decryptResource(resourceOf(good), Buffer.from('testAPIv3Key1111testAPIv3Key1111'))).toThrow(
      DecryptionError,
    );
  });
});

describe('the certificate list', () => {
  const list = vectors<{ vectors: { id: string; api_v3_key: string; response_body: string; decrypts_to: string }[] }>(
    'certificates-download.json',
  ).vectors;

  it('opens the published answer into the published certificate', () => {
    const vector = list.find(({ id }) => id === 'java-download')!;
    const [entry] = listField(parseObject(Buffer.from(vector.response_body), { maxBytes: 1e6, maxDepth: 9 }), 'data');
    const key = openCertificate(entry!, Buffer.from(vector.api_v3_key), 'Tenpay.com');
    expect(key.serial).toBe('5DEA10EF55877E3CF6C33255C2E7DEFFF7E427EC');
    expect(key.effectiveAt).toEqual(new Date('2023-09-19T15:15:58Z'));
    expect(key.expiresAt).toEqual(new Date('2028-09-17T15:15:58Z'));
    const published = new X509Certificate(vectorText(vector.decrypts_to)).publicKey;
    expect(key.key.equals(published)).toBe(true);
  });

  it('refuses a certificate of another issuer', () => {
    const vector = list.find(({ id }) => id === 'java-download')!;
    const [entry] = listField(parseObject(Buffer.from(vector.response_body), { maxBytes: 1e6, maxDepth: 9 }), 'data');
    expect(() => openCertificate(entry!, Buffer.from(vector.api_v3_key), 'Somebody else')).toThrow('issuer');
  });

  it('refuses the sample whose ciphertext is not a certificate of that key', () => {
    const vector = list.find(({ id }) => id === 'java-service-sample')!;
    const [entry] = listField(parseObject(Buffer.from(vector.response_body), { maxBytes: 1e6, maxDepth: 9 }), 'data');
    expect(() => openCertificate(entry!, Buffer.alloc(32, 'k'), null)).toThrow(DecryptionError);
  });
});

describe('RSA-OAEP', () => {
  it.each(
    vectors<{ vectors: { id: string; private_key: string; ciphertext: string; plaintext: string }[] }>('rsa-oaep.json')
      .vectors,
  )('$id opens', ({ private_key, ciphertext, plaintext }) => {
    expect(decryptField(ciphertext, vectorPrivateKey(private_key))).toBe(plaintext);
  });

  it('seals what only the other side can open', () => {
    const pair = makePair();
    const sealed = encryptField('6222 0000 0000 0000', createPublicKey(pair.publicPem));
    expect(decryptField(sealed, pair.privateKey)).toBe('6222 0000 0000 0000');
    expect(() => decryptField(sealed, makePair().privateKey)).toThrow(DecryptionError);
    expect(() => decryptField('***', pair.privateKey)).toThrow(DecryptionError);
  });
});
