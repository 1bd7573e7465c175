import { createHash, createPublicKey } from 'node:crypto';
import { DEVELOPMENT_JWT_SECRET, DEVELOPMENT_MOCK_SECRET } from './environment.js';

/** Secrets that this project publishes, in its code or documents. */
const PUBLISHED: readonly string[] = [DEVELOPMENT_JWT_SECRET, DEVELOPMENT_MOCK_SECRET];

/** SHA-256 of public keys (DER, SPKI) whose private half is published: the RS256 and ES256 examples of jwt.io. */
const PUBLISHED_KEYS = new Set([
  'f56c8b01227f62ddbc16eb29a6ac0b310e276760a5e06302fa881a35146f6bc7',
  'a40f0f2e2974dc76a82df6ffe08ed0d79955c79e7ad0c20d97ae8f9246ade1c1',
]);

/** What stands in examples where one's own secret belongs. Longer words first. */
const PLACEHOLDERS =
  /development|production|changeme|changethis|changeit|replaceme|replacethis|placeholder|insecure|example|password|sample|secret|change|paydesk|please|characters|atleast|random|string|value|token|super|dummy|insert|long|only|your|this|here|test|jwt|key|dev|my|own|32/g;

/** Of 32 random hex digits fewer are different in one of 10^12 secrets. */
const LEAST_DIFFERENT = 6;
/** What has to be left of a secret when the words of an example are taken out of it. */
const LEAST_LEFT = 16;

/**
 * Why a secret that signs tokens could be guessed, in words that never hold it, or null. Its length is not judged here.
 */
export function weakSecret(secret: string): string | null {
  // With blanks or quotes around it, in capitals, or with another ending it is still the published one.
  const plain = secret.toLowerCase().replace(/[^a-z0-9]+/g, '');
  if (PUBLISHED.some((published) => plain.includes(published.replace(/[^a-z0-9]+/g, '')))) {
    return 'is a published example';
  }
  if (new Set(secret).size < LEAST_DIFFERENT || repeats(secret)) return 'repeats a few characters';
  const left = plain.replace(PLACEHOLDERS, '');
  if (left.length < plain.length && left.length < LEAST_LEFT) return 'is a placeholder';
  return null;
}

/** Whether a public key is one whose private half everybody can read. */
export function isPublishedKey(pem: string): boolean {
  const der = createPublicKey(pem).export({ type: 'spki', format: 'der' });
  return PUBLISHED_KEYS.has(createHash('sha256').update(der).digest('hex'));
}

/** Whether the text is one piece, at least twice over; the last may be cut. */
function repeats(text: string): boolean {
  for (let period = 1; period <= text.length / 2; period += 1) {
    if (text.slice(period) === text.slice(0, -period)) return true;
  }
  return false;
}
