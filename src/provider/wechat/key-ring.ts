import { createPrivateKey, createPublicKey, KeyObject, X509Certificate } from 'node:crypto';
import { Clock, DAY } from '../../common/clock.js';
import { settingsProblems, WechatSettings, WechatSettingsError } from './settings.js';

/** A key of WeChat Pay: it verifies what the channel signed and encrypts what only the channel may read. */
export interface PlatformKey {
  /** `PUB_KEY_ID_…`, or the serial of a platform certificate in upper-case hex. */
  serial: string;
  key: KeyObject;
  /** Null for the public key, which has no lifetime. */
  effectiveAt: Date | null;
  expiresAt: Date | null;
  from: 'public_key' | 'configured' | 'downloaded';
}

/** A certificate that ends soon, or has ended. */
export interface ExpiryWarning {
  what: 'merchant_certificate' | 'platform_certificate';
  serial: string;
  expiresAt: Date;
  /** Whole days left; negative once it is over. */
  days: number;
}

/** How long before a certificate's end people are told. */
const WARN_BEFORE_DAYS = 30;

/** The merchant's own keys, parsed once: parsing a PEM costs five times what a signature check does. */
export interface MerchantKeys {
  serialNo: string;
  privateKey: KeyObject;
  apiV3Key: Buffer;
  certificate: { serial: string; expiresAt: Date } | null;
}

/**
 * All keys of one merchant. Platform keys are found by their exact serial and in no other way, so that public key and
 * certificates serve side by side while a merchant moves from one to the other (manual, page 4012154180).
 */
export class KeyRing {
  private own: MerchantKeys;
  private configured: readonly PlatformKey[] = [];
  private downloaded: readonly PlatformKey[] = [];
  /** Serials of the last list: one that has left it still verifies, but must not be asked for any more. */
  private listed: ReadonlySet<string> = new Set();
  private certificateMode = false;

  /** @throws WechatSettingsError */
  constructor(
    settings: WechatSettings,
    private readonly clock: Clock,
  ) {
    this.own = this.read(settings);
  }

  get merchant(): MerchantKeys {
    return this.own;
  }

  /** Whether certificates are in use, and so have to be fetched and renewed. */
  get usesCertificates(): boolean {
    return this.certificateMode;
  }

  /**
   * Takes over changed keys, all of them or none. Certificates fetched before stay as long as certificates are in use.
   * @throws WechatSettingsError and keeps what it had
   */
  reload(settings: WechatSettings): void {
    this.own = this.read(settings);
    if (this.certificateMode) return;
    this.downloaded = [];
    this.listed = new Set();
  }

  private read(settings: WechatSettings): MerchantKeys {
    const problems = settingsProblems(settings);
    if (problems.length > 0) throw new WechatSettingsError(problems);
    const { publicKey, platformCerts, merchantCert } = settings;
    const keys = platformCerts.map((pem) => fromCertificate(pem, 'configured'));
    if (publicKey) keys.unshift(fromPublicKey(publicKey.id, publicKey.pem));
    const certificate = merchantCert ? fromCertificate(merchantCert, 'configured') : null;
    this.configured = keys;
    this.certificateMode = platformCerts.length > 0 || !publicKey;
    return {
      serialNo: settings.serialNo.toUpperCase(),
      privateKey: createPrivateKey(settings.privateKey),
      apiV3Key: Buffer.from(settings.apiV3Key),
      certificate: certificate?.expiresAt ? { serial: certificate.serial, expiresAt: certificate.expiresAt } : null,
    };
  }

  /** Adds fetched certificates. One that is listed no longer stays until it ends: answers signed with it may be under way. */
  addDownloaded(certificates: readonly PlatformKey[]): void {
    this.listed = new Set(certificates.map(({ serial }) => serial));
    const others = this.downloaded.filter((key) => !this.listed.has(key.serial) && this.isAlive(key));
    this.downloaded = [...others, ...certificates];
  }

  /** The valid key with exactly this serial, or null. Never calls the channel. */
  find(serial: string): PlatformKey | null {
    const named = (key: PlatformKey): boolean => key.serial === serial;
    const key = this.downloaded.find(named) ?? this.configured.find(named) ?? null;
    return key !== null && this.isAlive(key) ? key : null;
  }

  /**
   * The key that answers should be signed with and fields are encrypted with: the public key if there is one, else the
   * certificate that became effective last. Null before the first certificate was fetched.
   */
  preferred(): PlatformKey | null {
    const now = this.clock.now();
    const valid = this.validKeys();
    const effective = valid.filter(({ effectiveAt }) => effectiveAt !== null && effectiveAt <= now);
    const listed = effective.filter(({ serial }) => this.listed.has(serial));
    return valid.find(({ from }) => from === 'public_key') ?? newest(listed.length > 0 ? listed : effective);
  }

  /** Everything that verifies now. What the channel fetched last says more of a lifetime than a file does. */
  validKeys(): PlatformKey[] {
    const known = new Map<string, PlatformKey>();
    for (const key of [...this.configured, ...this.downloaded]) known.set(key.serial, key);
    return [...known.values()].filter((key) => this.isAlive(key));
  }

  /**
   * Certificates that end within 30 days. Of the platform's only the newest counts: an old one that ends beside its
   * successor is a rotation as it should be.
   */
  expiryWarnings(now: Date): ExpiryWarning[] {
    return this.expiries(now).filter(({ days }) => days < WARN_BEFORE_DAYS);
  }

  /** The same for every end known, near or far, for a gauge. */
  expiries(now: Date): ExpiryWarning[] {
    const ends: ExpiryWarning[] = [];
    const note = (what: ExpiryWarning['what'], serial: string, expiresAt: Date): void => {
      ends.push({ what, serial, expiresAt, days: Math.floor((expiresAt.getTime() - now.getTime()) / DAY) });
    };
    const { certificate } = this.own;
    if (certificate) note('merchant_certificate', certificate.serial, certificate.expiresAt);
    const platform = [...this.configured, ...this.downloaded].filter(({ expiresAt }) => expiresAt !== null);
    const last = newest(platform);
    if (last?.expiresAt) note('platform_certificate', last.serial, last.expiresAt);
    return ends;
  }

  private isAlive({ expiresAt }: PlatformKey): boolean {
    return expiresAt === null || this.clock.now() < expiresAt;
  }
}

/** The one that became effective last; of two at the same moment the one listed later. */
function newest(keys: readonly PlatformKey[]): PlatformKey | null {
  let last: PlatformKey | null = null;
  for (const key of keys) {
    if (last === null || (key.effectiveAt?.getTime() ?? 0) >= (last.effectiveAt?.getTime() ?? 0)) last = key;
  }
  return last;
}

/** A key from the PEM text of the public key that the console gives. */
export function fromPublicKey(id: string, pem: string): PlatformKey {
  return { serial: id, key: createPublicKey(pem), effectiveAt: null, expiresAt: null, from: 'public_key' };
}

/** A key from the PEM text of a certificate, with its own lifetime. */
export function fromCertificate(pem: string, from: 'configured' | 'downloaded'): PlatformKey {
  const certificate = new X509Certificate(pem);
  return {
    serial: certificate.serialNumber.toUpperCase(),
    key: certificate.publicKey,
    effectiveAt: new Date(certificate.validFrom),
    expiresAt: new Date(certificate.validTo),
    from,
  };
}

/** The organisation that issued a certificate (`O=` of its issuer), or an empty text. */
export function issuerOf(pem: string): string {
  return /^O=(.*)$/m.exec(new X509Certificate(pem).issuer)?.[1]?.trim() ?? '';
}
