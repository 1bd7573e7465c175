import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  sign,
  verify,
} from 'node:crypto';

/**
 * The protocol's cryptography, written from the manual alone (pages 4013053249, 4012071382, 4013053257). Signing uses the thread pool (a
 * quarter of a millisecond each); checking is ten times cheaper and stays on the main thread.
 */
const SHA256 = 'RSA-SHA256';
const TAG_BYTES = 16;

/** What a merchant signs: method, target exactly as sent, seconds, nonce, body; each line ended by LF. */
export function requestMessage(method: string, target: string, timestamp: string, nonce: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${method}\n${target}\n${timestamp}\n${nonce}\n`), body, Buffer.from('\n')]);
}

/** What WeChat Pay signs on answers and notices: seconds, nonce, body; each line ended by LF. */
export function answerMessage(timestamp: string, nonce: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${timestamp}\n${nonce}\n`), body, Buffer.from('\n')]);
}

/** What the mini-program hands to `wx.requestPayment`, as it is signed (2.3). */
export function payMessage(appid: string, timeStamp: string, nonceStr: string, packageValue: string): Buffer {
  return Buffer.from(`${appid}\n${timeStamp}\n${nonceStr}\n${packageValue}\n`);
}

/** RSASSA-PKCS1-v1_5 with SHA-256 in standard Base64, made on the thread pool. */
export function signText(message: Buffer, key: KeyObject): Promise<string> {
  return new Promise((resolve, reject) => {
    sign(SHA256, message, key, (error, signature) => {
      if (error) reject(error);
      else resolve(signature.toString('base64'));
    });
  });
}

/** Whether the signature fits. Anything that is not plain padded Base64 does not. */
export function signatureFits(message: Buffer, signature: string, key: KeyObject): boolean {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(signature) || signature.length % 4 !== 0) return false;
  return verify(SHA256, message, key, Buffer.from(signature, 'base64'));
}

export interface Sealed {
  algorithm: 'AEAD_AES_256_GCM';
  ciphertext: string;
  nonce: string;
  associated_data: string;
}

/** AES-256-GCM as callbacks and certificates carry it: Base64 of ciphertext and 16-byte tag. */
export function seal(plaintext: string, apiV3Key: string, nonce: string, associatedData: string): Sealed {
  const cipher = createCipheriv(algorithmFor(apiV3Key), Buffer.from(apiV3Key), Buffer.from(nonce));
  if (associatedData !== '') cipher.setAAD(Buffer.from(associatedData));
  const parts = [cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()];
  return {
    algorithm: 'AEAD_AES_256_GCM',
    ciphertext: Buffer.concat(parts).toString('base64'),
    nonce,
    associated_data: associatedData,
  };
}

/**
 * Opens what {@link seal} made, for tests.
 * @internal
 * @throws Error when the key, the nonce, the associated data or a byte is another
 */
export function unseal(sealed: Omit<Sealed, 'algorithm'>, apiV3Key: string): string {
  const bytes = Buffer.from(sealed.ciphertext, 'base64');
  const decipher = createDecipheriv(algorithmFor(apiV3Key), Buffer.from(apiV3Key), Buffer.from(sealed.nonce), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  if (sealed.associated_data !== '') decipher.setAAD(Buffer.from(sealed.associated_data));
  return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8');
}

/** AES-256 for an APIv3 key; the published samples of the Go SDK have keys of half the size. */
function algorithmFor(key: string): 'aes-256-gcm' | 'aes-128-gcm' {
  return Buffer.byteLength(key) === 16 ? 'aes-128-gcm' : 'aes-256-gcm';
}

/** Encrypts a sensitive field for the owner of the key: OAEP with SHA-1, Base64. */
export function encryptField(plaintext: string, key: KeyObject): string {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt({ key, padding, oaepHash: 'sha1' }, Buffer.from(plaintext)).toString('base64');
}

/** Decrypts a sensitive field; null when it was not made for this key. */
export function decryptField(ciphertext: string, key: KeyObject): string | null {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  try {
    return privateDecrypt({ key, padding, oaepHash: 'sha1' }, Buffer.from(ciphertext, 'base64')).toString('utf8');
  } catch {
    return null;
  }
}

/**
 * Lower-case hex, as bills are hashed; for tests.
 * @internal
 */
export function sha1(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}
