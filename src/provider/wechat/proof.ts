import { Clock, MINUTE } from '../../common/clock.js';
import { KeyRing, PlatformKey } from './key-ring.js';
import { answerMessage, PROBE_PREFIX, SIGNATURE_TYPE, verifyMessage } from './signing.js';

/** How far a signature's clock may be from ours, exclusive (manual, page 4013053249). */
const CLOCK_WINDOW_MS = 5 * MINUTE;

/** Why an answer or a callback proves nothing. */
export type SignatureFailure =
  | 'missing_header'
  | 'unsupported_signature_type'
  | 'clock_skew'
  | 'unknown_serial'
  | 'bad_signature'
  /** A deliberately wrong signature of WeChat Pay's. It is treated like any other wrong one; only its name differs. */
  | 'signature_probe';

/** Header values by lower-case name; a list where a header came more than once. */
export type SignatureHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Whether WeChat Pay signed exactly these bytes, within five minutes of now, with a valid key whose serial it named.
 * Null is yes. One rule for answers and callbacks; nothing is parsed before it has said yes, and it makes no call.
 */
export function verifySignature(
  headers: SignatureHeaders,
  body: Buffer,
  find: (serial: string) => PlatformKey | null,
  clock: Clock,
): SignatureFailure | null {
  const timestamp = header(headers, 'wechatpay-timestamp', /^\d{1,12}$/);
  const nonce = header(headers, 'wechatpay-nonce', /^[!-~]{1,128}$/);
  const signature = header(headers, 'wechatpay-signature', /^[!-~]{1,4096}$/);
  const serial = header(headers, 'wechatpay-serial', /^[0-9A-Za-z_]{1,128}$/);
  if (timestamp === null || nonce === null || signature === null || serial === null) return 'missing_header';

  const type = headers['wechatpay-signature-type'];
  if (type !== undefined && type !== SIGNATURE_TYPE) return 'unsupported_signature_type';
  if (Math.abs(clock.now().getTime() - Number(timestamp) * 1000) >= CLOCK_WINDOW_MS) return 'clock_skew';
  const platform = find(serial);
  if (platform === null) return 'unknown_serial';
  if (verifyMessage(answerMessage(timestamp, nonce, body), signature, platform.key)) return null;
  return signature.startsWith(PROBE_PREFIX) ? 'signature_probe' : 'bad_signature';
}

/** Whether there is anything of a signature; an empty header says no more than none. `Wechatpay-Serial` alone signs nothing. */
export function isSigned(headers: SignatureHeaders): boolean {
  const parts = ['wechatpay-signature', 'wechatpay-timestamp', 'wechatpay-nonce'];
  return parts.some((name) => headers[name] !== undefined && headers[name] !== '');
}

/** {@link verifySignature} with the keys of the ring. */
export function signatureVerifier(
  ring: KeyRing,
  clock: Clock,
): (headers: SignatureHeaders, body: Buffer) => SignatureFailure | null {
  return (headers, body) => verifySignature(headers, body, (serial) => ring.find(serial), clock);
}

function header(headers: SignatureHeaders, name: string, form: RegExp): string | null {
  const value = headers[name];
  return typeof value === 'string' && form.test(value) ? value : null;
}
