import { type KeyObject } from 'node:crypto';
import {
  Authority,
  type Certificate,
  certificateKey,
  type KeyPair,
  newKeyPair,
  privatePem,
  publicPem,
} from './certificates.js';
import { type Clock, DAY } from './clock.js';
import { type Random, secretHex, secretText } from './random.js';

/** Which material the platform signs with: the public key, certificates, or both while a merchant migrates. */
export const KEY_MODES = ['public_key', 'certificate', 'both'] as const;
export type KeyMode = (typeof KEY_MODES)[number];

/** Share of callbacks signed with the public key on day 1 to 7 of the switch (manual, page 4012154180). */
export const SWITCH_SHARE = [0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1] as const;

export interface SigningKey {
  serial: string;
  privateKey: KeyObject;
}

export interface PlatformCertificate extends Certificate, SigningKey {}

export interface Merchant {
  mchid: string;
  appid: string;
  appSecret: string;
  apiV3Key: string;
  certificate: Certificate;
  privateKeyPem: string;
  publicKey: KeyObject;
}

/** What a merchant would have downloaded from the merchant platform. */
export interface SimulatorCredentials {
  mchid: string;
  appid: string;
  appSecret: string;
  merchantPrivateKeyPem: string;
  merchantSerial: string;
  merchantCertificatePem: string;
  apiV3Key: string;
  publicKeyId: string;
  publicKeyPem: string;
  platformCertificates: { serial: string; pem: string }[];
  rootCertificatePem: string;
}

/** What of the keys can be changed while the simulator runs. */
export interface KeyChange {
  mode?: KeyMode;
  /** Day of the switch from certificate to public key; 0: callbacks still come by certificate alone. */
  switch_day?: number;
  /** Makes a new platform certificate beside the old one. */
  rotate?: boolean;
  /** Share of signatures made with the newest certificate after a rotation, 0 to 1. */
  rotation_share?: number;
  /** Takes all platform certificates but the newest out of use. */
  retire_old?: boolean;
}

/** The platform's keys and the merchant's, and the choice which of them signs. */
export class Keyring {
  mode: KeyMode;
  #certificates: PlatformCertificate[] = [];
  #rotationShare = 0;
  #switchStartedAt: number;

  private constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly authority: Authority,
    readonly merchant: Merchant,
    private readonly publicKey: SigningKey & { pem: string },
    mode: KeyMode,
  ) {
    this.mode = mode;
    this.#switchStartedAt = clock.now();
  }

  /** @param pairs the first four are used instead of new ones, which are half a second of work on the thread pool */
  static async make(
    clock: Clock,
    random: Random,
    mode: KeyMode,
    merchant: Pick<Merchant, 'mchid' | 'appid'>,
    pairs: readonly KeyPair[] = [],
  ): Promise<Keyring> {
    const pair = (index: number) => pairs[index] ?? newKeyPair();
    const [root, own, pub, platform] = await Promise.all([pair(0), pair(1), pair(2), pair(3)]);
    const authority = new Authority(root, newSerial(), clock.now());
    const ring = new Keyring(
      clock,
      random,
      authority,
      {
        ...merchant,
        appSecret: secretText(32),
        apiV3Key: secretText(32),
        certificate: authority.issue(merchant.mchid, own.publicKey, newSerial(), clock.now()),
        privateKeyPem: privatePem(own.privateKey),
        publicKey: own.publicKey,
      },
      {
        serial: `PUB_KEY_ID_0${random.digits(33)}`,
        privateKey: pub.privateKey,
        pem: publicPem(pub.publicKey),
      },
      mode,
    );
    ring.#addPlatformCertificate(platform);
    return ring;
  }

  credentials(): SimulatorCredentials {
    const { merchant, publicKey } = this;
    return {
      mchid: merchant.mchid,
      appid: merchant.appid,
      appSecret: merchant.appSecret,
      merchantPrivateKeyPem: merchant.privateKeyPem,
      merchantSerial: merchant.certificate.serial,
      merchantCertificatePem: merchant.certificate.pem,
      apiV3Key: merchant.apiV3Key,
      publicKeyId: publicKey.serial,
      publicKeyPem: publicKey.pem,
      platformCertificates: this.#certificates.map(({ serial, pem }) => ({ serial, pem })),
      rootCertificatePem: this.authority.certificate.pem,
    };
  }

  /** Certificates `GET /v3/certificates` hands out: none once the public key has taken over. */
  offered(): readonly PlatformCertificate[] {
    return this.mode === 'public_key' ? [] : this.#certificates;
  }

  /** Whether `Wechatpay-Serial` of a request names something this platform knows. */
  knows(serial: string): boolean {
    return serial === this.publicKey.serial || this.#certificates.some((one) => one.serial === serial);
  }

  /**
   * The key an answer is signed with: the one the request names, as far as the mode allows it. Before the switch is
   * started, naming the public key has no effect; after it has ended, naming a certificate has none.
   */
  forAnswer(named: string | undefined): SigningKey {
    if (this.mode === 'public_key') return this.publicKey;
    if (this.mode === 'both' && named === this.publicKey.serial) return this.publicKey;
    return this.#certificates.find((one) => one.serial === named) ?? this.#currentCertificate();
  }

  /** The key a notice is signed with. The merchant has no say: during the switch it is a matter of the day's share. */
  forNotice(): SigningKey {
    if (this.mode === 'public_key') return this.publicKey;
    if (this.mode === 'both' && this.random.chance(this.switchShare())) return this.publicKey;
    return this.#currentCertificate();
  }

  /** The key of the other kind, whatever the mode: what a platform would sign with that has mixed up its modes. */
  otherMode(key: SigningKey): SigningKey {
    return key.serial === this.publicKey.serial ? this.#currentCertificate() : this.publicKey;
  }

  /** The private key behind a serial the merchant encrypted for; undefined when the mode does not offer it. */
  decryptionKey(serial: string): KeyObject | undefined {
    if (serial === this.publicKey.serial) return this.mode === 'certificate' ? undefined : this.publicKey.privateKey;
    return this.offered().find((one) => one.serial === serial)?.privateKey;
  }

  /** The merchant's public key, to encrypt fields for it. */
  merchantKey(): KeyObject {
    return certificateKey(this.merchant.certificate.pem);
  }

  /** Day of the switch: 0 before it, then 1 to 7 and on. */
  switchDay(): number {
    if (this.mode !== 'both') return 0;
    return Math.max(0, Math.floor((this.clock.now() - this.#switchStartedAt) / DAY) + 1);
  }

  switchShare(): number {
    const day = this.switchDay();
    return day === 0 ? 0 : (SWITCH_SHARE[Math.min(day, SWITCH_SHARE.length) - 1] ?? 1);
  }

  async change(change: KeyChange): Promise<void> {
    if (change.mode !== undefined) this.#switchTo(change.mode);
    if (change.switch_day !== undefined) this.#switchStartedAt = this.clock.now() - (change.switch_day - 1) * DAY;
    if (change.rotate) this.#addPlatformCertificate(await newKeyPair());
    if (change.rotation_share !== undefined) this.#rotationShare = change.rotation_share;
    if (change.retire_old) this.#certificates = this.#certificates.slice(-1);
  }

  state(): object {
    return {
      mode: this.mode,
      switch_day: this.switchDay(),
      callback_share_of_public_key: this.mode === 'public_key' ? 1 : this.switchShare(),
      public_key_id: this.publicKey.serial,
      platform_certificates: this.#certificates.map((one) => one.serial),
      rotation_share: this.#rotationShare,
    };
  }

  #switchTo(mode: KeyMode): void {
    if (mode === 'both' && this.mode !== 'both') this.#switchStartedAt = this.clock.now();
    this.mode = mode;
  }

  #currentCertificate(): PlatformCertificate {
    const newest = this.#certificates.at(-1);
    const oldest = this.#certificates[0];
    if (!newest || !oldest) throw new Error('The platform always has a certificate');
    return newest === oldest || this.random.chance(this.#rotationShare) ? newest : oldest;
  }

  #addPlatformCertificate(pair: KeyPair): void {
    const issued = this.authority.issue('Tenpay.com sign (Simulator)', pair.publicKey, newSerial(), this.clock.now());
    this.#certificates.push({ ...issued, privateKey: pair.privateKey });
  }
}

/** Forty hex digits that begin with a positive one. Not from the seed: two certificates never share a serial. */
function newSerial(): string {
  return `5${secretHex(39)}`;
}
