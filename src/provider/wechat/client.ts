import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Clock, MINUTE, SECOND } from '../../common/clock.js';
import { nonce } from '../../common/ids.js';
import { PLATFORM_SERIAL_REFUSED, refusal, single, WechatCallError } from './call-error.js';
import { JsonObject, parseObject, ProtocolError } from './json.js';
import { KeyRing, PlatformKey } from './key-ring.js';
import { WechatSettings } from './settings.js';
import {
  authorization,
  isSigned,
  requestMessage,
  SignatureFailure,
  signatureVerifier,
  SignedRequest,
  signMessage,
} from './signature.js';
import { readAll, Transport, WireAnswer, WireStream } from './transport.js';

/** What one HTTP call came to, for metrics and alarms. Holds nothing secret. */
export interface CallReport {
  operation: string;
  outcome: 'ok' | 'rejected' | 'unknown';
  /** Null when it went well. */
  code: string | null;
  milliseconds: number;
  /** How far WeChat's clock is ahead of ours, to about a second, by the answer's `Date`; null without an answer. */
  clockSkewMs: number | null;
}

export interface ClientOptions {
  onCall?: (call: CallReport) => void;
  /** Told when an answer names a serial that is not known, or refuses the one that we named. */
  onUnknownSerial?: () => void;
  /** What a call, or a field that is encrypted for it, waits for; null for nothing. */
  beforeCall?: () => Promise<void> | null;
  /** The pause before the second try, in milliseconds; it doubles at each further one. Default 200. */
  retryPauseMs?: number;
}

/** A signed call. The same call again sends the same target and the same body, byte by byte. */
export interface Call {
  operation: string;
  method: 'GET' | 'POST';
  target: string;
  body?: JsonObject;
  /** Tries in all, the first one included. Default 3. */
  attempts?: number;
  /** Whether to try again when a rate limit was hit. */
  retryLimited?: boolean;
  /**
   * The key to name in `Wechatpay-Serial`, if not the preferred one: it must be the one that encrypted fields of the
   * body (page 4014551946). Null names none.
   */
  named?: PlatformKey | null;
  /** Another proof of the answer than the ring's: the certificate list brings its own key. */
  prove?: (answer: WireAnswer) => SignatureFailure | null;
}

/** A verified success. */
export interface VerifiedAnswer {
  /** Empty for 204. */
  json: JsonObject;
}

const ANSWER_LIMITS = { maxBytes: 4 * 1024 * 1024, maxDepth: 32 };
const USER_AGENT = `paydesk/0.1 node/${process.versions.node}`;
/** No further try begins when one and a half time-outs are over: a client waits for most calls. */
const RETRY_WINDOW_FACTOR = 1.5;
/** After a failure of the main host that the backup host made good, how long calls begin there. */
const STAY_ON_BACKUP_MS = MINUTE;

/** Signed calls to WeChat Pay. Only an answer that is proven to be WeChat's counts as a success. */
export class WechatClient {
  private readonly verifySignature: (headers: WireAnswer['headers'], body: Buffer) => SignatureFailure | null;
  private backupUntil = 0;

  constructor(
    private readonly settings: Pick<WechatSettings, 'mchid' | 'baseUrl' | 'backupBaseUrl' | 'timeouts'>,
    private readonly ring: KeyRing,
    private readonly transport: Transport,
    private readonly clock: Clock,
    private readonly options: ClientOptions = {},
  ) {
    this.verifySignature = signatureVerifier(ring, clock);
  }

  /** Waits until the keys are there that can be had. To be called before one of them is chosen to encrypt with. */
  async ready(): Promise<void> {
    await this.options.beforeCall?.();
  }

  /**
   * Sends a call until it has an outcome or its tries are used up; pauses grow and are jittered, and the host changes
   * after a network failure.
   * @throws WechatCallError
   */
  async call(call: Call): Promise<VerifiedAnswer> {
    // The certificate list proves itself.
    if (!call.prove) await this.ready();
    if (!call.prove && this.ring.validKeys().length === 0) {
      this.options.onUnknownSerial?.();
      throw new WechatCallError(
        'unknown',
        'no_platform_key',
        `${call.operation}: there is no platform key to verify the response with yet`,
      );
    }
    // Serialised once: these bytes are signed and these bytes are sent, at every try.
    const body = call.body === undefined ? EMPTY : Buffer.from(JSON.stringify(call.body));
    const attempts = call.attempts ?? 3;
    const { connectMs, answerMs } = this.settings.timeouts;
    const lastStart = performance.now() + (connectMs + answerMs) * RETRY_WINDOW_FACTOR;
    let earlier: WechatCallError | null = null;
    for (let attempt = 1; ; attempt += 1) {
      const onBackup = this.choosesBackup(earlier, attempt);
      try {
        const answer = await this.attempt(call, body, onBackup);
        if (onBackup && earlier) this.backupUntil = this.clock.now().getTime() + STAY_ON_BACKUP_MS;
        return answer;
      } catch (error) {
        if (!(error instanceof WechatCallError)) throw error;
        const failure: WechatCallError = earlier ? error.afterUnknownAttempt() : error;
        if (attempt >= attempts || performance.now() > lastStart || !worthRepeating(call, failure)) throw failure;
        earlier = failure;
      }
      await pause(jittered((this.options.retryPauseMs ?? 200) * 2 ** (attempt - 1)));
    }
  }

  /** Sends a signed GET whose answer is not signed (a bill). The caller checks what it gets, and reads or destroys it. */
  async download(operation: string, url: URL): Promise<WireStream['body']> {
    const call: Call = { operation, method: 'GET', target: url.pathname + url.search };
    const started = performance.now();
    try {
      const answer = await this.transport.open({
        ...call,
        origin: url.origin,
        body: EMPTY,
        headers: await this.headers(call, EMPTY),
      });
      if (answer.status !== 200) {
        const body = await readAll(operation, answer.body, 64 * 1024);
        throw this.refused(call, { ...answer, body });
      }
      this.report(operation, started, null, answer.headers);
      return answer.body;
    } catch (error) {
      this.report(operation, started, error, {});
      throw error;
    }
  }

  private async attempt(call: Call, body: Buffer, onBackup: boolean): Promise<VerifiedAnswer> {
    const origin = (onBackup ? this.settings.backupBaseUrl : null) ?? this.settings.baseUrl;
    const headers = await this.headers(call, body);
    const started = performance.now();
    let answered: WireAnswer['headers'] = {};
    try {
      const answer = await this.transport.send({ ...call, origin, headers, body }, ANSWER_LIMITS.maxBytes);
      answered = answer.headers;
      const verified = this.read(call, answer);
      this.report(call.operation, started, null, answered);
      return verified;
    } catch (error) {
      this.report(call.operation, started, error, answered);
      throw error;
    }
  }

  /**
   * Status first. A success is always signed, and nothing of it is parsed before its signature holds (page 4013053249). A
   * refusal is signed by WeChat Pay but for failed authentication; a signature that is there must hold.
   */
  private read(call: Call, answer: WireAnswer): VerifiedAnswer {
    const { status, headers, body } = answer;
    if (status !== 200 && status !== 204) {
      throw this.refused(call, answer);
    }
    const failure = call.prove ? call.prove(answer) : this.verifySignature(headers, body);
    if (failure !== null) throw this.notProven(call, failure, answer);
    if (status === 204) return { json: {} };
    try {
      return { json: parseObject(body, ANSWER_LIMITS) };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw this.notProven(call, 'unreadable_answer', answer);
    }
  }

  private refused(call: Call, answer: WireAnswer): WechatCallError {
    const failure = isSigned(answer.headers) ? this.verifySignature(answer.headers, answer.body) : null;
    if (failure !== null) return this.notProven(call, failure, answer);
    const refused = refusal(call.operation, answer.status, answer.headers, answer.body);
    if (refused.code === PLATFORM_SERIAL_REFUSED) this.options.onUnknownSerial?.();
    return refused;
  }

  private notProven(call: Call, why: string, { status, headers }: WireAnswer): WechatCallError {
    if (why === 'unknown_serial') this.options.onUnknownSerial?.();
    const code = why === 'unreadable_answer' || why === 'signature_probe' ? why : 'unverified_answer';
    const requestId = single(headers['request-id']);
    return new WechatCallError('unknown', code, `${call.operation}: ${status} ${code} (${why})`, status, requestId);
  }

  private async headers(call: Call, body: Buffer): Promise<Record<string, string>> {
    const request: SignedRequest = {
      method: call.method,
      target: call.target,
      timestamp: String(Math.floor(this.clock.now().getTime() / SECOND)),
      nonce: nonce(),
      body,
    };
    const { serialNo, privateKey } = this.ring.merchant;
    const signature = await signMessage(requestMessage(request), privateKey);
    const platform = call.named === undefined ? this.ring.preferred() : call.named;
    return {
      authorization: authorization(this.settings.mchid, serialNo, request, signature),
      accept: 'application/json',
      // Without it some calls are refused with INVALID_REQUEST.
      'user-agent': USER_AGENT,
      ...(body.length > 0 && { 'content-type': 'application/json' }),
      // Names the key that the answer is to be signed with. Left out only before the first certificate was fetched.
      ...(platform && { 'wechatpay-serial': platform.serial }),
    };
  }

  private choosesBackup(earlier: WechatCallError | null, attempt: number): boolean {
    if (this.settings.backupBaseUrl === null) return false;
    const first = this.clock.now().getTime() < this.backupUntil;
    if (earlier === null || !isNetworkFailure(earlier)) return first;
    return first === (attempt % 2 === 1);
  }

  private report(operation: string, started: number, error: unknown, headers: WireAnswer['headers']): void {
    const failure = error instanceof WechatCallError ? error : null;
    this.options.onCall?.({
      operation,
      outcome: error === null ? 'ok' : (failure?.outcome ?? 'unknown'),
      code: error === null ? null : (failure?.code ?? 'internal_error'),
      milliseconds: performance.now() - started,
      clockSkewMs: this.skew(headers),
    });
  }

  private skew(headers: WireAnswer['headers']): number | null {
    const at = Date.parse(single(headers['date']) ?? '');
    // The header is cut to the second, so half a second is the fairest guess of the rest.
    return Number.isNaN(at) ? null : at + SECOND / 2 - this.clock.now().getTime();
  }
}

const EMPTY = Buffer.alloc(0);

function worthRepeating(call: Call, { outcome, code, httpStatus }: WechatCallError): boolean {
  if (outcome === 'rejected' || code === 'overloaded') return false;
  // Whatever its status, it may be anybody's; and WeChat Pay sends no second probe to one who asks again.
  if (code === 'unverified_answer' || code === 'signature_probe') return true;
  if (code === 'FREQUENCY_LIMITED') return call.retryLimited === true;
  // Whatever else is a 4xx stays one however often it is sent; WeChat asks not to repeat a 401 blindly.
  const refused = httpStatus !== null && httpStatus >= 400 && httpStatus < 500;
  return !refused || code === PLATFORM_SERIAL_REFUSED;
}

/** A site may be gone without a connection, or with the 502 and 503 of its front. */
function isNetworkFailure({ code, httpStatus }: WechatCallError): boolean {
  return code === 'timeout' || code === 'network_failure' || httpStatus === 502 || httpStatus === 503;
}

/** Between half of it and all of it, so that many callers do not come back at once. */
function jittered(milliseconds: number): number {
  const half = Math.ceil(milliseconds / 2);
  return half + randomInt(half + 1);
}
