import { KeyObject, sign, verify } from 'node:crypto';
import type { PayParams } from '../prepay.js';

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
