import { type IncomingHttpHeaders } from 'node:http';
import { ApiError, badField, NUMBERS, refuse } from './api-error.js';
import { type Clock } from './clock.js';
import { requestMessage, signatureFits } from './crypto.js';
import { type Keyring } from './keyring.js';

const SCHEME = 'WECHATPAY2-SHA256-RSA2048 ';
const CLOCK_TOLERANCE_SECONDS = 300;
/** How much of what the server signed it shows to one who signed something else. */
const SHOWN_CHARACTERS = 256;

/** A request as it came over the wire. */
export interface Wire {
  method: string;
  /** Path and query, byte for byte as sent. */
  target: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

type Authorization = Record<'mchid' | 'serial_no' | 'timestamp' | 'nonce_str' | 'signature', string>;

/** Lets in who has signed (manual, page 4012081709). */
export class Gate {
  constructor(
    private readonly clock: Clock,
    private readonly keyring: Keyring,
  ) {}

  /**
   * Checks the headers, then the clock, then the certificate, then the signature, in the order the live service was
   * seen to check them. What is refused here is refused without a signature.
   * @throws ApiError SIGN_ERROR, MCH_NOT_EXISTS, INVALID_REQUEST
   */
  authenticate(wire: Wire): void {
    checkHeaders(wire);
    const authorization = readAuthorization(wire.headers.authorization);
    if (!authorization) throw signError(wire, authorizationText(wire.target), NUMBERS.authorization);
    if (!this.#isNow(authorization.timestamp)) {
      throw signError(wire, 'Http头Authorization中的timestamp与发起请求的时间不得超过5分钟', NUMBERS.clock);
    }
    const { merchant } = this.keyring;
    if (authorization.mchid !== merchant.mchid) throw unknownMerchant(wire.target);
    if (authorization.serial_no.toUpperCase() !== merchant.certificate.serial) {
      throw signError(wire, '商户证书序列号有误，请使用签名私钥匹配的证书序列号', NUMBERS.serial);
    }
    this.#checkSignature(wire, authorization);
  }

  /** @throws ApiError PARAM_ERROR when the request names a platform key that does not exist */
  checkNamedKey(headers: IncomingHttpHeaders): void {
    const serial = namedKey(headers);
    if (serial === undefined || this.keyring.knows(serial)) return;
    throw badField('header', 'Wechatpay-Serial', serial, '平台证书序列号Wechatpay-Serial错误', NUMBERS.serial);
  }

  /** @throws ApiError when the mchid inside the request is not the one that signed it */
  checkMchid(mchid: string, location: 'body' | 'query'): void {
    if (mchid === this.keyring.merchant.mchid) return;
    const { code, number } = badField(location, '/mchid', mchid, '', NUMBERS.appidMchid);
    const detail = { field: '/mchid', value: mchid, issue: 'mchid 不一致', location };
    throw new ApiError(code, 'http header中的mchid与post payload中的mchid不匹配', number, detail);
  }

  #isNow(timestamp: string): boolean {
    if (!/^\d{10}$/.test(timestamp)) return false;
    return Math.abs(this.clock.signatureSeconds() - Number(timestamp)) <= CLOCK_TOLERANCE_SECONDS;
  }

  #checkSignature(wire: Wire, authorization: Authorization): void {
    const { timestamp, nonce_str: nonce, signature } = authorization;
    const message = requestMessage(wire.method, wire.target, timestamp, nonce, wire.body);
    if (signatureFits(message, signature, this.keyring.merchant.publicKey)) return;
    throw signError(wire, '签名错误，请检查后再试', NUMBERS.signature, {
      field: 'signature',
      value: signature,
      location: 'authorization',
      detail: { issue: 'sign not match' },
      sign_information: {
        method: wire.method,
        url: wire.target,
        truncated_sign_message: message.toString('utf8').slice(0, SHOWN_CHARACTERS),
        sign_message_length: message.length,
      },
    });
  }
}

/**
 * The platform key that a request names in `Wechatpay-Serial`. An empty header names none: wechatpay-java sends it so until
 * it has fetched its first certificate.
 */
export function namedKey(headers: IncomingHttpHeaders): string | undefined {
  const serial = headers['wechatpay-serial'];
  return serial === undefined || serial === '' ? undefined : String(serial);
}

function isPayPath(target: string): boolean {
  return target.startsWith('/v3/pay/transactions');
}

/** The payment calls were seen to do without a User-Agent; certificates and refunds refuse. */
function checkHeaders(wire: Wire): void {
  const { headers, target } = wire;
  const strict = target.startsWith('/v3/certificates') || target.startsWith('/v3/refund/');
  if (strict && !headers['user-agent']) {
    throw refuse('INVALID_REQUEST', 'Http头缺少Accept或User-Agent', NUMBERS.illegalParameter);
  }
  const accept = headers.accept;
  if (accept !== undefined && !/application\/(json|\*)|\*\/\*/i.test(accept) && !target.startsWith('/v3/bill')) {
    throw refuse('INVALID_REQUEST', 'Http头Accept应为application/json', NUMBERS.illegalParameter);
  }
  const type = headers['content-type'] ?? '';
  if (wire.body.length > 0 && !/^application\/json\s*(;|$)/i.test(type)) {
    throw refuse('INVALID_REQUEST', 'Http头Content-Type应为application/json', NUMBERS.illegalParameter);
  }
}

/** Five `name="value"` pairs in any order, no blank between them; null when it is not that. */
export function readAuthorization(header: string | undefined): Authorization | null {
  if (!header?.startsWith(SCHEME)) return null;
  const found = new Map<string, string>();
  for (const pair of header.slice(SCHEME.length).split(',')) {
    const [, key, value] = /^([a-z_]+)="([^"]*)"$/.exec(pair) ?? [];
    if (key === undefined || value === undefined || found.has(key)) return null;
    found.set(key, value);
  }
  const names = ['mchid', 'serial_no', 'timestamp', 'nonce_str', 'signature'] as const;
  if (found.size !== names.length || names.some((key) => !found.get(key))) return null;
  return Object.fromEntries(found) as Authorization;
}

function authorizationText(target: string): string {
  return isPayPath(target)
    ? '签名信息错误，验签失败'
    : 'Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》';
}

function signError(wire: Wire, message: string, number: number, detail?: object): ApiError {
  return new ApiError('SIGN_ERROR', message, number, detail ?? { location: 'authorization', field: wire.target });
}

function unknownMerchant(target: string): ApiError {
  const status = target.startsWith('/v3/refund/') ? 404 : 400;
  return new ApiError('MCH_NOT_EXISTS', '商户号不存在', NUMBERS.appidMchid, undefined, status);
}
