import { KeyObject, X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import { isIP } from 'node:net';
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
/** Routes to a remote site; the host is not signed, so a request may change it freely (manual, "跨城容灾"). */
export const WECHAT_PAY_BACKUP_URL = 'https://api2.mch.weixin.qq.com';
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

/** Whether requests go to WeChat itself and not to a simulator: then the rules for addresses are WeChat's. */
export function isRealChannel(settings: Pick<WechatSettings, 'baseUrl'>): boolean {
  const host = URL.canParse(settings.baseUrl) ? new URL(settings.baseUrl).hostname : '';
  return /(^|\.)(weixin\.qq\.com|wechatpay\.cn)\.?$/.test(host);
}

/** Every problem of the settings, in a fixed order; empty when the provider can be built from them. */
export function settingsProblems(settings: WechatSettings): SettingsProblem[] {
  const problems: SettingsProblem[] = [];
  const check = (setting: string, message: string | null): void => {
    if (message !== null) problems.push({ setting, message });
  };
  const pattern = (text: string, rule: RegExp, message: string): string | null => (rule.test(text) ? null : message);

  check('WECHAT_APPID', pattern(settings.appid, /^wx[0-9A-Za-z]{16}$/, 'must be wx and 16 letters or digits'));
  if (settings.appSecret !== null)
    check('WECHAT_APP_SECRET', pattern(settings.appSecret, /^[!-~]{8,128}$/, 'must be the secret of the mini-program'));
  check('WECHAT_PAY_MCHID', pattern(settings.mchid, /^\d{8,10}$/, 'must be the merchant number, 8 to 10 digits'));
  check(
    'WECHAT_PAY_SERIAL_NO',
    pattern(settings.serialNo, /^[0-9A-Fa-f]{16,40}$/, 'must be the hex serial of the merchant API certificate'),
  );
  check('WECHAT_PAY_PRIVATE_KEY', privateKeyProblem(settings.privateKey));
  check('WECHAT_PAY_API_V3_KEY', apiV3KeyProblem(settings.apiV3Key));
  if (settings.merchantCert) check('WECHAT_PAY_MERCHANT_CERT', certificateProblem(settings.merchantCert));
  if (settings.publicKey) {
    check(
      'WECHAT_PAY_PUBLIC_KEY_ID',
      pattern(
        settings.publicKey.id,
        /^PUB_KEY_ID_[0-9A-Za-z]{1,64}$/,
        'must start with PUB_KEY_ID_, as the console shows it',
      ),
    );
    check('WECHAT_PAY_PUBLIC_KEY', publicKeyProblem(settings.publicKey.pem));
  }
  for (const pem of settings.platformCerts) check('WECHAT_PAY_PLATFORM_CERT', certificateProblem(pem));
  const real = isRealChannel(settings);
  check('WECHAT_PAY_NOTIFY_URL', notifyUrlProblem(settings.notifyUrl, 255, real));
  // Left out, it is the first one: what is wrong with that is said once.
  if (settings.refundNotifyUrl !== settings.notifyUrl)
    check('WECHAT_PAY_REFUND_NOTIFY_URL', notifyUrlProblem(settings.refundNotifyUrl, 256, real));
  check('WECHAT_PAY_BASE_URL', baseUrlProblem(settings.baseUrl, real));
  if (settings.backupBaseUrl !== null) check('WECHAT_PAY_BASE_URL', baseUrlProblem(settings.backupBaseUrl, real));
  check('WECHAT_API_BASE_URL', baseUrlProblem(settings.apiBaseUrl, false));
  return problems;
}

/** Why this text cannot be the merchant's private key, or null. */
export function privateKeyProblem(pem: string): string | null {
  if (pem.includes('BEGIN CERTIFICATE')) return 'is a certificate: the private key is the file apiclient_key.pem';
  if (pem.includes('PUBLIC KEY')) return 'is a public key: the private key is the file apiclient_key.pem';
  try {
    return rsaProblem(createPrivateKey(pem));
  } catch {
    return 'is not a PEM private key: it must start with -----BEGIN PRIVATE KEY----- and keep its line breaks';
  }
}

/** Why this text cannot be a WeChat Pay public key, or null. */
export function publicKeyProblem(pem: string): string | null {
  if (pem.includes('BEGIN CERTIFICATE')) return 'is a certificate: it belongs into WECHAT_PAY_PLATFORM_CERT';
  // `createPublicKey` would quietly take the public half of a private key.
  if (pem.includes('PRIVATE KEY')) return 'is a private key: the public key is the file pub_key.pem of the console';
  try {
    return rsaProblem(createPublicKey(pem));
  } catch {
    return 'is not a PEM public key: it must start with -----BEGIN PUBLIC KEY----- and keep its line breaks';
  }
}

/** Why this text cannot be a platform or merchant certificate, or null. Expiry is no problem here: a newer one is fetched. */
export function certificateProblem(pem: string): string | null {
  try {
    return rsaProblem(new X509Certificate(pem).publicKey);
  } catch {
    return 'is not a PEM certificate: it must start with -----BEGIN CERTIFICATE-----';
  }
}

function rsaProblem(key: KeyObject): string | null {
  if (key.asymmetricKeyType !== 'rsa') return 'is not an RSA key';
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return bits < 2048 ? `is an RSA key of ${bits} bits: at least 2048 are needed` : null;
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

function baseUrlProblem(text: string, real: boolean): string | null {
  if (!URL.canParse(text)) return 'is not a URL';
  const url = new URL(text);
  // Over the internet the answer to a login is proved by TLS alone, and its question holds the secret of the mini-program.
  const plain = !real && url.protocol === 'http:' && isPrivateHost(url.hostname);
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
