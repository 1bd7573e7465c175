import { type AfterFailure, ProviderError } from '../payment-provider.js';
import { JsonObject, optionalId, parseObject, textField } from './json.js';

/** A failed call, with what helps to find it again at WeChat. Its message holds no secret, no openid and no body. */
export class WechatCallError extends ProviderError {
  constructor(
    outcome: 'rejected' | 'unknown',
    code: string,
    message: string,
    httpStatus: number | null = null,
    /** WeChat's `Request-ID`, to be named when asking its support. */
    readonly requestId: string | null = null,
    /** An earlier try of the same call had no sure end, so the request may have been carried out before this refusal. */
    readonly afterUnknown = false,
    words: string | null = null,
  ) {
    super(outcome, code, message, httpStatus, whatFollows(outcome, code), words);
    this.name = 'WechatCallError';
  }

  /** This failure as the end of a call whose earlier try may have been carried out. */
  afterUnknownAttempt(): WechatCallError {
    // Being turned away at the door says nothing of what an earlier try did behind it.
    const outcome = this.httpStatus === 401 || this.httpStatus === 405 ? 'unknown' : this.outcome;
    return new WechatCallError(outcome, this.code, this.message, this.httpStatus, this.requestId, true, this.words);
  }
}

/** Codes of a start with which WeChat Pay says that the order is there already. */
const ORDER_EXISTS_CODES: ReadonlySet<string> = new Set(['ORDERPAID', 'OUT_TRADE_NO_USED', 'ORDER_CLOSED']);

/** Refusals of a refund that end when their cause is removed at the merchant. */
const FIXABLE_CODES: ReadonlySet<string> = new Set([
  'NOT_ENOUGH',
  'SIGN_ERROR',
  'NO_AUTH',
  'REQUEST_BLOCKED',
  'APPID_MCHID_NOT_MATCH',
  'MCH_NOT_EXISTS',
  // The payment was not found, which happens shortly after it was paid.
  'RESOURCE_NOT_EXISTS',
]);

/** Another amount stands under our refund number: money moves, but not what was asked for, so a person has to look. */
export const FEE_MISMATCH = 'REFUND_FEE_MISMATCH';

function whatFollows(outcome: 'rejected' | 'unknown', code: string): AfterFailure {
  if (code === FEE_MISMATCH) return 'fixable';
  if (outcome === 'unknown') return 'final';
  if (ORDER_EXISTS_CODES.has(code)) return 'query';
  return FIXABLE_CODES.has(code) ? 'fixable' : 'final';
}

/** The same fact under its one name here, however the tables of different years spell it. */
const SPELLINGS: Readonly<Record<string, string>> = {
  ORDER_PAID: 'ORDERPAID',
  ORDERCLOSED: 'ORDER_CLOSED',
  ORDERNOTEXIST: 'ORDER_NOT_EXIST',
  RESOURCE_NOT_EXIST: 'RESOURCE_NOT_EXISTS',
  NOTENOUGH: 'NOT_ENOUGH',
  FREQUENCY_LIMIT: 'FREQUENCY_LIMITED',
  FREQUENCY_LIMIT_EXCEED: 'FREQUENCY_LIMITED',
  RATELIMIT_EXCEEDED: 'FREQUENCY_LIMITED',
  RATELIMIT_EXCEED: 'FREQUENCY_LIMITED',
  SYSTEMERROR: 'SYSTEM_ERROR',
  BIZ_ERR_NEED_RETRY: 'SYSTEM_ERROR',
  BIZERR_NEED_RETRY: 'SYSTEM_ERROR',
};

/**
 * What the number at the end of a `Request-ID` says more exactly than `code` does (manual, pages 4020770421,
 * 4020801246 and 4020801299): `INVALID_REQUEST` alone may mean paid, closed or changed parameters.
 */
const NUMERIC_CODES: Readonly<Record<string, string>> = {
  '268449538': 'ORDERPAID',
  '268498689': 'ORDERPAID',
  '268447914': 'ORDER_CLOSED',
  '268498688': 'OUT_TRADE_NO_USED',
  '268512771': 'ORDER_NOT_EXIST',
  '268875782': 'RESOURCE_NOT_EXISTS',
  '268892709': 'NOT_ENOUGH',
  '268447840': 'FREQUENCY_LIMITED',
  '268435472': 'FREQUENCY_LIMITED',
  '268448746': 'FREQUENCY_LIMITED',
  '268558930': 'FREQUENCY_LIMITED',
  '270522881': 'NO_STATEMENT_EXIST',
  '270522882': 'STATEMENT_CREATING',
};

/** With 400: the platform key that `Wechatpay-Serial` named is not known (any more). */
const PLATFORM_SERIAL_NUMBER = '269546507';
/** Nothing was done, and nothing is wrong with the order: our list of certificates is behind. */
export const PLATFORM_SERIAL_REFUSED = 'PLATFORM_SERIAL_REFUSED';

/**
 * The codes of the tables of JSAPI payment, refunds and bills with which WeChat Pay says that a call was surely not done,
 * under their one name here. Any other text with a `code` may be that of a gateway on the way, which knows nothing.
 */
const REFUSAL_CODES: ReadonlySet<string> = new Set([
  ...['PARAM_ERROR', 'INVALID_REQUEST', 'SIGN_ERROR', 'NO_AUTH', 'RULE_LIMIT', 'REQUEST_BLOCKED', 'MCH_NOT_EXISTS'],
  ...['APPID_MCHID_NOT_MATCH', 'ORDERPAID', 'ORDER_CLOSED', 'ORDER_NOT_EXIST', 'OUT_TRADE_NO_USED', 'TRADE_ERROR'],
  ...['RESOURCE_NOT_EXISTS', 'NOT_ENOUGH', 'USER_ACCOUNT_ABNORMAL', 'TRADE_OVERDUE', 'REFUND_FEE_MISMATCH'],
  ...['NO_STATEMENT_EXIST', 'STATEMENT_CREATING'],
]);

/**
 * Sorts an answer that is not a success and whose signature, if it has one, holds. Refused for sure is only what a code
 * of WeChat Pay's own tables says with a 4xx status; a limit that was hit, a 5xx, a 202, an empty answer and the text of
 * anyone else are unknown.
 */
export function refusal(
  operation: string,
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Buffer,
): WechatCallError {
  const requestId = single(headers['request-id']);
  const number = /-(\d{6,12})$/.exec(requestId ?? '')?.[1];
  const envelope = readEnvelope(body);
  const written = envelope?.code ?? `http_${status}`;
  const serialRefused = status === 400 && number === PLATFORM_SERIAL_NUMBER;
  const code = serialRefused
    ? PLATFORM_SERIAL_REFUSED
    : ((number && NUMERIC_CODES[number]) ?? SPELLINGS[written] ?? written);
  const refused = status >= 400 && status < 500 && status !== 429;
  const outcome = refused && envelope !== null && REFUSAL_CODES.has(code) ? 'rejected' : 'unknown';
  const named = status === 429 ? 'FREQUENCY_LIMITED' : code;
  const words = envelope?.message || null;
  const asked = requestId ? ` (Request-ID ${requestId})` : '';
  const message = `${operation}: ${status} ${named}${asked}${words === null ? '' : `: ${words}`}`;
  return new WechatCallError(outcome, named, message, status, requestId, false, words);
}

function readEnvelope(body: Buffer): { code: string; message: string } | null {
  try {
    const json: JsonObject = parseObject(body, { maxBytes: 64 * 1024, maxDepth: 16 });
    const code = optionalId(json, 'code', 64);
    return code === null ? null : { code, message: redact(textField(json, 'message', 10_000)) };
  } catch {
    return null;
  }
}

/** WeChat's words for people without what they may quote of the request: openids, numbers, keys, card data. */
function redact(text: string): string {
  return text
    .replace(/\p{C}/gu, ' ')
    .replace(/[A-Za-z0-9_+/=-]{16,}/g, '…')
    .slice(0, 160);
}

/** A header that was sent exactly once. */
export function single(value: string | string[] | undefined): string | null {
  return typeof value === 'string' && value !== '' && value.length <= 4096 ? value : null;
}
