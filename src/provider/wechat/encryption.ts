import { constants, createDecipheriv, KeyObject, privateDecrypt, publicEncrypt } from 'node:crypto';
import { readBase64 } from './signature.js';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Something that was encrypted for us cannot be decrypted: wrong key, truncated, changed, or of a wrong size. */
export class DecryptionError extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'DecryptionError';
  }
}

/** What WeChat Pay sends encrypted with the APIv3 key. */
export interface EncryptedResource {
  algorithm: string;
  /** Base64 of the data and its 16 bytes of tag. */
  ciphertext: string;
  nonce: string;
  /** May be empty. */
  associatedData: string;
}

/**
 * Decrypts a resource: AES-256-GCM under the APIv3 key, whose tag is checked (manual, page 4012071382).
 * @throws DecryptionError whatever is wrong with it, so that nothing can be learned from the difference
 */
export function decryptResource(resource: EncryptedResource, apiV3Key: Buffer): Buffer {
  if (resource.algorithm !== 'AEAD_AES_256_GCM') throw new DecryptionError('unknown algorithm');
  const nonce = Buffer.from(resource.nonce);
  if (apiV3Key.length !== KEY_BYTES || nonce.length !== NONCE_BYTES)
    throw new DecryptionError('wrong size of key or nonce');
  const encrypted = readBase64(resource.ciphertext);
  if (encrypted === null || encrypted.length < TAG_BYTES) throw new DecryptionError('not Base64, or too short');
  const decipher = createDecipheriv('aes-256-gcm', apiV3Key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(encrypted.subarray(-TAG_BYTES));
  if (resource.associatedData !== '') decipher.setAAD(Buffer.from(resource.associatedData));
  const decrypted = decipher.update(encrypted.subarray(0, -TAG_BYTES));
  try {
    // Without this the tag is never looked at and changed text passes: the fault of two well-known SDKs.
    return Buffer.concat([decrypted, decipher.final()]);
  } catch {
    throw new DecryptionError('authentication tag mismatch');
  }
}

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' } as const;

/** Encrypts a field for WeChat Pay: RSA-OAEP with SHA-1, Base64 (manual, page 4013053257). At most 214 bytes at 2048 bits. */
export function encryptField(text: string, platformKey: KeyObject): string {
  return publicEncrypt({ key: platformKey, ...OAEP }, Buffer.from(text)).toString('base64');
}

/**
 * Decrypts a field that WeChat Pay encrypted for the merchant.
 * @throws DecryptionError
 */
export function decryptField(text: string, privateKey: KeyObject): string {
  const encrypted = readBase64(text);
  if (encrypted === null) throw new DecryptionError('not Base64');
  try {
    return privateDecrypt({ key: privateKey, ...OAEP }, encrypted).toString();
  } catch {
    throw new DecryptionError('does not decrypt with this private key');
  }
}
