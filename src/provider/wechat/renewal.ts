import { Clock, HOUR, MINUTE, SECOND } from '../../common/clock.js';
import { WechatCallError } from './call-error.js';
import { WechatClient } from './client.js';
import { DecryptionError, decryptResource } from './encryption.js';
import {
  idField,
  JsonObject,
  listField,
  objectField,
  optionalTime,
  parseObject,
  ProtocolError,
  textField,
} from './json.js';
import { fromCertificate, issuerOf, KeyRing, PlatformKey } from './key-ring.js';
import { SignatureFailure, verifySignature } from './signature.js';
import { WireAnswer } from './transport.js';

/** WeChat wants the list to be fetched at least every 12 hours (manual, page 4012551764). */
const RENEW_EVERY_MS = 6 * HOUR;
/** After a failure: 30 seconds, a minute, two, … up to half an hour. */
const FIRST_RETRY_MS = 30 * SECOND;
const LAST_RETRY_MS = 30 * MINUTE;
/** How often at most an answer with an unknown serial may bring the next renewal forward. */
const HURRY_AT_MOST_EVERY_MS = 5 * MINUTE;
const MAX_CERTIFICATES = 20;
const LIST_LIMITS = { maxBytes: 1024 * 1024, maxDepth: 8 };

export interface RenewalOptions {
  /** `O=` that every certificate's issuer must have; null with a simulator, which has an authority of its own. */
  issuer: string | null;
  /** Told in plain words when certificates could not be renewed. */
  onProblem?: (message: string) => void;
}

/**
 * Keeps the platform certificates fresh, in the background, while certificates are in use. Nothing that comes in from
 * outside can start a renewal: only time, and answers to our own calls, and those seldom.
 */
export class CertificateRenewal {
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> | null = null;
  private failures = 0;
  private hurriedAt = -Infinity;
  private stopped = true;
  /** Whether this process is the service, which renews in the background. */
  private inBackground = false;
  private once: Promise<void> | null = null;

  constructor(
    private readonly client: Pick<WechatClient, 'call'>,
    private readonly ring: KeyRing,
    private readonly clock: Clock,
    private readonly options: RenewalOptions,
  ) {}

  /** Begins to renew; waits for the first list only if nothing could be verified without it. Never throws. */
  async start(): Promise<void> {
    this.stopped = false;
    this.inBackground = true;
    const first = this.round();
    if (this.ring.validKeys().length === 0) await first;
  }

  /**
   * Before a call: a process that does not renew in the background, a command, fetches the list once, when it first calls
   * WeChat. Null when there is nothing to wait for. Never throws: without any key the call fails by itself.
   */
  beforeCall(): Promise<void> | null {
    if (this.inBackground || !this.ring.usesCertificates) return null;
    this.once ??= this.renew().catch((error: unknown) => this.report(error));
    return this.once;
  }

  /** Ends it, and waits for a renewal under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    await this.running?.catch(() => undefined);
  }

  /** Renews soon because an answer named a serial that is not known; at most every five minutes. */
  requestEarlyRefresh(): void {
    const now = this.clock.now().getTime();
    if (this.stopped || !this.ring.usesCertificates || now - this.hurriedAt < HURRY_AT_MOST_EVERY_MS) return;
    this.hurriedAt = now;
    void this.round();
  }

  /** After a change of keys: what is needed now is fetched now. */
  afterReload(): void {
    if (!this.stopped) void this.round();
  }

  /**
   * Fetches the list once; callers at the same time share one fetch.
   * @throws WechatCallError
   */
  renew(): Promise<void> {
    this.running ??= this.fetch().finally(() => (this.running = null));
    return this.running;
  }

  private async round(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    try {
      if (this.ring.usesCertificates) await this.renew();
      this.failures = 0;
    } catch (error) {
      this.failures += 1;
      this.report(error);
    }
    if (this.stopped) return;
    const retry = Math.min(FIRST_RETRY_MS * 2 ** (this.failures - 1), LAST_RETRY_MS);
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.round(), this.failures > 0 ? retry : RENEW_EVERY_MS).unref();
  }

  private report(error: unknown): void {
    this.options.onProblem?.(`platform certificates were not renewed: ${(error as Error).message}`);
  }

  private async fetch(): Promise<void> {
    let certificates: PlatformKey[] = [];
    const preferred = this.ring.preferred();
    await this.client.call({
      operation: 'certificates',
      method: 'GET',
      target: '/v3/certificates',
      attempts: 2,
      // The name of a certificate that was withdrawn would be refused, and so its successor never seen.
      named: preferred?.from === 'public_key' ? preferred : null,
      prove: (answer) => {
        certificates = this.open(answer.body);
        return this.prove(answer, certificates);
      },
    });
    this.ring.addDownloaded(certificates);
  }

  /** The first list is signed by a certificate inside it: opened with the APIv3 key, then proven with what came out. */
  private prove(answer: WireAnswer, certificates: readonly PlatformKey[]): SignatureFailure | null {
    const now = this.clock.now();
    const fresh = certificates.filter(({ expiresAt }) => expiresAt !== null && now < expiresAt);
    const find = (serial: string): PlatformKey | null =>
      this.ring.find(serial) ?? fresh.find((key) => key.serial === serial) ?? null;
    return verifySignature(answer.headers, answer.body, find, this.clock);
  }

  private open(body: Buffer): PlatformKey[] {
    try {
      const list = listField(parseObject(body, LIST_LIMITS), 'data');
      return list
        .slice(0, MAX_CERTIFICATES)
        .map((entry) => openCertificate(entry, this.ring.merchant.apiV3Key, this.options.issuer));
    } catch (error) {
      if (!(error instanceof ProtocolError || error instanceof DecryptionError)) throw error;
      throw new WechatCallError(
        'unknown',
        'unreadable_answer',
        `certificates: the list cannot be decrypted: ${error.message}`,
      );
    }
  }
}

/**
 * One entry of the certificate list.
 * @throws DecryptionError, ProtocolError
 */
export function openCertificate(listed: JsonObject, apiV3Key: Buffer, issuer: string | null): PlatformKey {
  // Samples of the manual spell the names of the two times with a blank at their end.
  const entry: JsonObject = Object.fromEntries(Object.entries(listed).map(([name, value]) => [name.trim(), value]));
  const encrypted = objectField(entry, 'encrypt_certificate') ?? {};
  const pem = decryptResource(
    {
      algorithm: idField(encrypted, 'algorithm', 32),
      nonce: idField(encrypted, 'nonce', 32),
      associatedData: textField(encrypted, 'associated_data', 64),
      ciphertext: idField(encrypted, 'ciphertext', LIST_LIMITS.maxBytes),
    },
    apiV3Key,
  ).toString();
  const key = readCertificate(pem);
  if (idField(entry, 'serial_no', 64) !== key.serial)
    throw new ProtocolError('wrong_field', 'serial_no differs from the certificate');
  if (issuer !== null && issuerOf(pem) !== issuer)
    throw new ProtocolError('wrong_field', `the issuer is not ${issuer}`);
  const from = optionalTime(entry, 'effective_time');
  const until = optionalTime(entry, 'expire_time');
  return { ...key, effectiveAt: from ?? key.effectiveAt, expiresAt: earlier(until, key.expiresAt) };
}

function readCertificate(pem: string): PlatformKey {
  try {
    return fromCertificate(pem, 'downloaded');
  } catch {
    throw new ProtocolError('wrong_field', 'the decrypted content is not a certificate');
  }
}

/** The listed end is moved forward when a certificate is replaced early, so the earlier of the two counts. */
function earlier(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}
