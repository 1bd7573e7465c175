import { createPrivateKey, createPublicKey, KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { keyIn, MERCHANT_CERT, PLATFORM_CERT, PRIVATE_KEY, PUBLIC_KEY, type WantedKey } from '../../config/key-text.js';
import { isSimulated } from '../../config/real-money.js';
import { normalSerial } from '../../config/serial-number.js';
import type { WechatEnvironment } from '../../config/wechat-environment.js';

/** How long one call may take, in milliseconds. */
export interface WechatTimeouts {
  /** Until the connection stands, TLS included. */
  connectMs: number;
  /** From sending the request to the last byte of the answer. */
  answerMs: number;
}

export const DEFAULT_TIMEOUTS: WechatTimeouts = { connectMs: 3_000, answerMs: 10_000 };

export const WECHAT_PAY_URL = 'https://api.mch.weixin.qq.com';
export const WECHAT_API_URL = 'https://api.weixin.qq.com';

/** Everything the provider needs to know of a merchant. Keys are PEM *texts*: who reads the files is not its business. */
export interface WechatSettings {
  appid: string;
  /** Null: `wx.login` codes are not traded here. */
  appSecret: string | null;
  mchid: string;
  /** Serial of the merchant API certificate whose private key signs. */
  serialNo: string;
  privateKey: string;
  /** 32 characters, used as raw bytes. */
  apiV3Key: string;
  /** The merchant's own certificate (`apiclient_cert.pem`), if at hand: lets expiry and fit be checked, nothing else. */
  merchantCert?: string | null;
  publicKey?: { id: string; pem: string } | null;
  platformCerts: readonly string[];
  notifyUrl: string;
  refundNotifyUrl: string;
  baseUrl: string;
  /** Tried after a network failure; null where there is none (a simulator). */
  backupBaseUrl: string | null;
  apiBaseUrl: string;
  timeouts: WechatTimeouts;
  /** Calls under way at once; more wait in a bounded queue. */
  maxConcurrency: number;
}

/** Calls to WeChat Pay under way at once; more wait. */
const MAX_CONCURRENCY = 64;

/** The settings that an environment means. */
export function wechatSettings({ answerTimeoutMs: answerMs, ...environment }: WechatEnvironment): WechatSettings {
  const timeouts = { connectMs: Math.min(DEFAULT_TIMEOUTS.connectMs, answerMs), answerMs };
  return { ...environment, timeouts, maxConcurrency: MAX_CONCURRENCY };
}

/** What is wrong with one setting. Never holds the value. */
export interface SettingsProblem {
  /** The environment variable to look at. */
  setting: string;
  message: string;
}

/** Thrown by the provider's constructor and by `reload`; its message lists every problem, one a line. */
export class WechatSettingsError extends Error {
  constructor(readonly problems: readonly SettingsProblem[]) {
    super(problems.map(({ setting, message }) => `${setting} ${message}`).join('\n'));
    this.name = 'WechatSettingsError';
  }
}

/** Every problem of the settings, in a fixed order; empty when the provider can be built from them. */
export function settingsProblems(settings: WechatSettings): SettingsProblem[] {
  const problems: SettingsProblem[] = [];
  const check = (setting: string, message: string | null): void => {
    if (message !== null) problems.push({ setting, message });
  };

  check('WECHAT_APPID', appidProblem(settings.appid));
  if (settings.appSecret !== null) check('WECHAT_APP_SECRET', appSecretProblem(settings.appSecret));
  check('WECHAT_PAY_MCHID', mchidProblem(settings.mchid));
  check('WECHAT_PAY_SERIAL_NO', serialProblem(settings.serialNo));
  check('WECHAT_PAY_PRIVATE_KEY', keyProblem(settings.privateKey, PRIVATE_KEY, createPrivateKey));
  check('WECHAT_PAY_API_V3_KEY', apiV3KeyProblem(settings.apiV3Key));
  if (settings.merchantCert)
    check('WECHAT_PAY_MERCHANT_CERT', keyProblem(settings.merchantCert, MERCHANT_CERT, certificateKey));
  if (settings.publicKey) {
    check('WECHAT_PAY_PUBLIC_KEY_ID', publicKeyIdProblem(settings.publicKey.id));
    check('WECHAT_PAY_PUBLIC_KEY', keyProblem(settings.publicKey.pem, PUBLIC_KEY, createPublicKey));
  }
  for (const pem of settings.platformCerts)
    check('WECHAT_PAY_PLATFORM_CERT', keyProblem(pem, PLATFORM_CERT, certificateKey));
  // Keys can be compared once each of them is one.
  if (!problems.some(({ setting }) => KEYS.has(setting))) problems.push(...mixUps(settings));
  const real = !isSimulated(settings);
  check('WECHAT_PAY_NOTIFY_URL', notifyUrlProblem(settings.notifyUrl, 255, real));
  // Left out, it is the first one: what is wrong with that is said once.
  if (settings.refundNotifyUrl !== settings.notifyUrl)
    check('WECHAT_PAY_REFUND_NOTIFY_URL', notifyUrlProblem(settings.refundNotifyUrl, 256, real));
  check('WECHAT_PAY_BASE_URL', baseUrlProblem(settings.baseUrl));
  if (settings.backupBaseUrl !== null) check('WECHAT_PAY_BASE_URL', baseUrlProblem(settings.backupBaseUrl));
  check('WECHAT_API_BASE_URL', baseUrlProblem(settings.apiBaseUrl));
  return problems;
}

const KEYS: ReadonlySet<string> = new Set([
  'WECHAT_PAY_PRIVATE_KEY',
  'WECHAT_PAY_MERCHANT_CERT',
  'WECHAT_PAY_PUBLIC_KEY',
  'WECHAT_PAY_PLATFORM_CERT',
]);

/**
 * Keys that are right by themselves and stand in the wrong place: the merchant's own where WeChat's belongs would verify
 * nothing, and a serial of another certificate is refused by WeChat.
 */
function mixUps(settings: WechatSettings): SettingsProblem[] {
  const { mchid, privateKey, serialNo, merchantCert, publicKey, platformCerts } = settings;
  const problems: SettingsProblem[] = [];
  const note = (setting: string, message: string): void => void problems.push({ setting, message });
  const own = publicHalf(privateKey);

  if (publicKey && publicHalf(publicKey.pem) === own) {
    note('WECHAT_PAY_PUBLIC_KEY', `is the public half of the merchant’s own key: ${PUBLIC_KEY.hint}`);
  } else if (publicKey && platformCerts.some((pem) => publicHalf(pem) === publicHalf(publicKey.pem))) {
    note('WECHAT_PAY_PUBLIC_KEY', `is the key of the platform certificate: ${PUBLIC_KEY.hint}`);
  }
  if (platformCerts.some((pem) => publicHalf(pem) === own || holderOf(pem) !== null)) {
    note('WECHAT_PAY_PLATFORM_CERT', `is the merchant’s own certificate (apiclient_cert.pem): ${PLATFORM_CERT.hint}`);
  } else if (platformCerts.some((pem) => serialOf(pem) === normalSerial(serialNo))) {
    note('WECHAT_PAY_SERIAL_NO', `is the serial of the platform certificate: ${OWN_SERIAL}`);
  }
  if (!merchantCert) return problems;
  const holder = holderOf(merchantCert);
  if (publicHalf(merchantCert) !== own) {
    const advice = 'take apiclient_cert.pem and apiclient_key.pem from the same download';
    note('WECHAT_PAY_MERCHANT_CERT', `is not the certificate of the private key: ${advice}`);
  } else if (serialOf(merchantCert) !== normalSerial(serialNo)) {
    note('WECHAT_PAY_SERIAL_NO', `is not the serial of the merchant’s certificate: that is ${serialOf(merchantCert)}`);
  }
  if (holder !== null && holder !== mchid)
    note('WECHAT_PAY_MCHID', `is not the merchant of WECHAT_PAY_MERCHANT_CERT: that is ${holder}`);
  return problems;
}

const OWN_SERIAL = 'it must be the one of the merchant’s API certificate, apiclient_cert.pem';

/** Of a private key, a public one or a certificate, in a form that can be compared. */
function publicHalf(pem: string): string {
  return createPublicKey(pem).export({ type: 'spki', format: 'der' }).toString('base64');
}

function serialOf(certificate: string): string {
  return normalSerial(new X509Certificate(certificate).serialNumber);
}

/** The merchant number that a merchant's certificate is issued to, its common name; null for any other certificate. */
function holderOf(certificate: string): string | null {
  return /^CN=(\d{8,10})$/m.exec(new X509Certificate(certificate).subject)?.[1] ?? null;
}

function certificateKey(pem: string): KeyObject {
  return new X509Certificate(pem).publicKey;
}

/** Why this text cannot be the key that is wanted, or null. A certificate's end is no problem here: a newer one is fetched. */
function keyProblem(text: string, wanted: WantedKey, parse: (pem: string) => KeyObject): string | null {
  const { problem } = keyIn(Buffer.from(text), 'is', wanted);
  if (problem !== null) return problem;
  try {
    return rsaProblem(parse(text));
  } catch {
    return 'is PEM text without its line breaks';
  }
}

function rsaProblem({ asymmetricKeyType: type, asymmetricKeyDetails }: KeyObject): string | null {
  if (type !== 'rsa') return `is not an RSA key but one of the kind ${type}: WeChat Pay’s keys are RSA`;
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  return bits < 2048 ? `is an RSA key of ${bits} bits: at least 2048 are needed` : null;
}

const APPID = /^wx[0-9A-Za-z]{16}$/;
const MCHID = /^\d{8,10}$/;

function appidProblem(text: string): string | null {
  if (APPID.test(text)) return null;
  if (MCHID.test(text)) return 'is a merchant number: the AppID is wx and 16 letters or digits';
  if (text.startsWith('gh_')) return 'is the original id (原始ID): the AppID is wx and 16 letters or digits';
  return 'must be wx and 16 letters or digits';
}

function appSecretProblem(text: string): string | null {
  if (APPID.test(text)) return 'is an AppID: the secret stands beside it in the console';
  return /^[!-~]{8,128}$/.test(text) ? null : 'must be the secret of the mini-program';
}

function mchidProblem(text: string): string | null {
  if (MCHID.test(text)) return null;
  const rule = 'must be the merchant number, 8 to 10 digits';
  return APPID.test(text) ? `is an AppID: it ${rule}` : rule;
}

function serialProblem(text: string): string | null {
  if (/^PUB_KEY_ID_/i.test(text)) return `is the id of WeChat Pay’s public key: ${OWN_SERIAL}`;
  return /^[0-9A-Fa-f]{16,40}$/.test(text) ? null : 'must be the hex serial of the merchant API certificate';
}

function publicKeyIdProblem(text: string): string | null {
  if (/^PUB_KEY_ID_[0-9A-Za-z]{1,64}$/.test(text)) return null;
  const rule = 'must start with PUB_KEY_ID_, as the console shows it';
  return /^(?=.*[A-F])[0-9A-F]{32,40}$/i.test(text) ? `is the serial of a certificate: it ${rule}` : rule;
}

/** Why this text cannot be the APIv3 key, or null. */
export function apiV3KeyProblem(key: string): string | null {
  const bytes = Buffer.byteLength(key);
  return bytes === 32 ? null : `must be 32 bytes, not ${bytes} (the APIv3 key, not the key of API v2)`;
}

/**
 * Why WeChat would not call this address back, or null (manual, page 4012075420): https, a full path, no query, no
 * private or local host. Behind a simulator http and private hosts are what one has, so only the form is checked.
 */
export function notifyUrlProblem(text: string, maxLength: number, real: boolean): string | null {
  // A leading blank is a known way to break the channel's DNS look-up, so nothing is trimmed here.
  if (!URL.canParse(text) || /\s/.test(text)) return 'is not a URL';
  const url = new URL(text);
  if (url.protocol !== 'https:' && (real || url.protocol !== 'http:')) return 'must be an https URL';
  if (text.includes('?')) return 'must not have a query string';
  if (text.includes('#')) return 'must not have a fragment';
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or password';
  if (text.length > maxLength) return `must not be longer than ${maxLength} characters`;
  if (!real) return null;
  if (url.pathname === '/') return 'must have a path, not only a host';
  if (isPrivateHost(url.hostname)) return 'must be reachable from the internet: this host is local or private';
  return null;
}

function baseUrlProblem(text: string): string | null {
  if (!URL.canParse(text)) return 'is not a URL';
  const url = new URL(text);
  // Over the internet the answer to a login is proved by TLS alone, and its question holds the secret of the mini-program.
  const plain = url.protocol === 'http:' && isPrivateHost(url.hostname);
  if (url.protocol !== 'https:' && !plain) return 'must be an https URL';
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '')
    return 'must be scheme and host only, without a path or a password';
  return null;
}

/** Hosts that no machine outside can reach: loopback, private and link-local addresses, and names without a dot. */
export function isPrivateHost(hostname: string): boolean {
  // A dot at the end names the same host.
  const host = hostname.replace(/^\[|\]$|\.$/g, '').toLowerCase();
  if (isIP(host) === 6) return /^(::1?$|f[cd]|fe[89ab]|::ffff:)/.test(host);
  if (isIP(host) === 4) {
    const [a = 0, b = 0] = host.split('.').map(Number);
    const shared = a === 100 && b >= 64 && b <= 127;
    return (
      a === 0 ||
      a === 10 ||
      a === 127 ||
      shared ||
      (a === 169 && b === 254) ||
      (a === 172 && b >= 16 && b <= 31) ||
      (a === 192 && b === 168)
    );
  }
  return !host.includes('.') || /\.(local|localhost|internal|lan|home|test|example|invalid)$/.test(host);
}
