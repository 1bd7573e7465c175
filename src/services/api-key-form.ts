import { createHash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** How each key begins. A token (JWT) never does: its first letters are those of a JSON object. */
export const KEY_START = 'pdk_';

const LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Letters of the public part, by which people know a key. */
const PUBLIC = 8;
/** Letters of the secret part: 62^43 is a little more than 2^256. */
const SECRET = 43;
/** Letters of the checksum: 62^6 is more than 2^32. */
const CHECKSUM = 6;

const PREFIX = new RegExp(`^${KEY_START}[0-9A-Za-z]{${PUBLIC}}$`);
const WHOLE = new RegExp(`^${KEY_START}[0-9A-Za-z]{${PUBLIC}}_[0-9A-Za-z]{${SECRET + CHECKSUM}}$`);

/**
 * A new API key, `pdk_` 8 letters `_` 49 letters: the public part, 256 random bits and a checksum, so that scanners for secrets
 * know it and a mistyped one is refused without the database.
 */
export function newKey(): { key: string; prefix: string } {
  const prefix = KEY_START + randomLetters(PUBLIC);
  const secret = `${prefix}_${randomLetters(SECRET)}`;
  return { key: secret + checksumOf(secret), prefix };
}

/** Whether it can be a key, by its form and its checksum; not whether there is such a key. */
export function isKey(text: string): boolean {
  return WHOLE.test(text) && text.endsWith(checksumOf(text.slice(0, -CHECKSUM)));
}

/** Whether it has the form of a key's public part, `pdk_` included. */
export function isPrefix(text: string): boolean {
  return PREFIX.test(text);
}

/**
 * What is kept of a key. A slow hash, as for passwords, would protect what can be guessed: 256 random bits cannot, and each
 * request would wait for it.
 */
export function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function randomLetters(count: number): string {
  return Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

/** CRC-32 of the text in the letters of a key. */
function checksumOf(text: string): string {
  let rest = crc32(text);
  let letters = '';
  while (letters.length < CHECKSUM) {
    letters = `${LETTERS[rest % LETTERS.length]}${letters}`;
    rest = Math.floor(rest / LETTERS.length);
  }
  return letters;
}
