import { KeyObject, sign, verify } from 'node:crypto';
import { Clock, MINUTE } from '../../common/clock.js';
import type { PayParams } from '../prepay.js';
import { KeyRing, PlatformKey } from './key-ring.js';

/** The only scheme spoken here: RSA with SHA-256. WeChat Pay also has one with Chinese ciphers (SM2), which is refused. */
export const SIGNATURE_TYPE = 'WECHATPAY2-SHA256-RSA2048';

/** How a signature starts that WeChat Pay sends wrong on purpose (manual, page 4012791902). */
export const PROBE_PREFIX = 'WECHATPAY/SIGNTEST/';

/** The parts of a request that are signed. `target` is path and query exactly as they go on the wire. */
export interface SignedRequest {
  method: 'GET' | 'POST';
  target: string;
  /** Unix seconds. */
  timestamp: string;
  nonce: string;
  body: Buffer;
}

/** Five lines, each ended by LF, the last one too (manual, page 4012365336). */
export function requestMessage(request: SignedRequest): Buffer {
  const head = `${request.method}\n${request.target}\n${request.timestamp}\n${request.nonce}\n`;
  return Buffer.concat([Buffer.from(head), request.body, LINE_END]);
}

/** What WeChat Pay signs in answers and callbacks: three lines over the raw body (manual, page 4013053249). */
export function answerMessage(timestamp: string, nonce: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${timestamp}\n${nonce}\n`), body, LINE_END]);
}

const LINE_END = Buffer.from('\n');

/** What `wx.requestPayment` checks: four lines, the last one with `prepay_id=` (manual, page 4012791898). */
export function payMessage(appid: string, params: Pick<PayParams, 'timeStamp' | 'nonceStr' | 'package'>): Buffer {
  return Buffer.from(`${appid}\n${params.timeStamp}\n${params.nonceStr}\n${params.package}\n`);
}

/** The `Authorization` header of a signed request. */
export function authorization(mchid: string, serialNo: string, request: SignedRequest, signature: string): string {
  return (
    `WECHATPAY2-SHA256-RSA2048 mchid="${mchid}",nonce_str="${request.nonce}",signature="${signature}",` +
    `timestamp="${request.timestamp}",serial_no="${serialNo}"`
  );
}

/** Signs on the thread pool, so that a burst of orders does not stop the event loop. Base64. */
export function signMessage(message: Buffer, privateKey: KeyObject): Promise<string> {
  return new Promise((resolve, reject) => {
    sign('sha256', message, privateKey, (error, signature) => {
      if (error) reject(error);
      else resolve(signature.toString('base64'));
    });
  });
}

/**
 * Verifies on the calling thread: with a parsed key it takes less than handing the work to the pool would.
 * A signature that is not strict Base64 (the probes are not) is a wrong signature, never an exception.
 */
export function verifyMessage(message: Buffer, signature: string, publicKey: KeyObject): boolean {
  const bytes = readBase64(signature);
  return bytes !== null && verify('sha256', message, publicKey, bytes);
}

/** Decodes padded standard Base64 and nothing looser; null for anything else. `Buffer.from` would skip what it can't read. */
export function readBase64(text: string): Buffer | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

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
