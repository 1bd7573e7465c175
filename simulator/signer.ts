import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type Clock } from './clock.js';
import { answerMessage, signText } from './crypto.js';
import { type FaultKind, SIGNATURE_FAULTS, type SignatureFault } from './faults.js';
import { type Keyring, type SigningKey } from './keyring.js';
import { type Random } from './random.js';

/** How stale a stale timestamp is: ten seconds beyond what is allowed. */
const STALE_SECONDS = 310;

/** Puts the `Wechatpay-*` headers on answers and notices, rightly, or wrongly in the way a fault asks for. */
export class Signer {
  #foreignKey: KeyObject | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly keyring: Keyring,
  ) {}

  /** Signs with a fresh timestamp and nonce. */
  async headers(body: Buffer, key: SigningKey, faults: readonly FaultKind[]): Promise<Record<string, string>> {
    const struck = faults.filter(isSignatureFault);
    if (struck.includes('unsigned')) return {};
    const used = this.#key(key, struck);
    const age = struck.includes('stale_timestamp') ? STALE_SECONDS : 0;
    const timestamp = String(this.clock.signatureSeconds() - age);
    const nonce = this.random.text(32);
    const signed = struck.includes('wrong_signature') ? Buffer.concat([body, Buffer.from(' ')]) : body;
    return {
      'Wechatpay-Timestamp': timestamp,
      'Wechatpay-Nonce': nonce,
      'Wechatpay-Signature': struck.includes('signtest')
        ? `WECHATPAY/SIGNTEST/${this.random.text(325)}`
        : await signText(answerMessage(timestamp, nonce, signed), used.privateKey),
      'Wechatpay-Serial': used.serial,
      'Wechatpay-Signature-Type': 'WECHATPAY2-SHA256-RSA2048',
    };
  }

  #key(key: SigningKey, struck: readonly SignatureFault[]): SigningKey {
    if (struck.includes('unknown_serial')) return this.#foreign();
    return struck.includes('other_mode') ? this.keyring.otherMode(key) : key;
  }

  /** A key nobody has heard of, under a serial nobody has heard of. */
  #foreign(): SigningKey {
    this.#foreignKey ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    return { serial: `6${this.random.hex(39)}`, privateKey: this.#foreignKey };
  }
}

function isSignatureFault(kind: FaultKind): kind is SignatureFault {
  return (SIGNATURE_FAULTS as readonly string[]).includes(kind);
}
