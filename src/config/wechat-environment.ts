import type { Environment } from './environment.js';
import { keyText, MERCHANT_CERT, PLATFORM_CERT, PRIVATE_KEY, PUBLIC_KEY, type WantedKey } from './key-text.js';
import { normalSerial } from './serial-number.js';

/** The merchant's settings, keys already as PEM text. */
export interface WechatEnvironment {
  appid: string;
  /** Null: logins are made elsewhere. */
  appSecret: string | null;
  mchid: string;
  serialNo: string;
  privateKey: string;
  apiV3Key: string;
  /** The merchant's own certificate, if given: its end is warned of in time. */
  merchantCert: string | null;
  publicKey: { id: string; pem: string } | null;
  platformCerts: string[];
  notifyUrl: string;
  refundNotifyUrl: string;
  baseUrl: string;
  /** The manual's backup host; only the real channel has one. */
  backupBaseUrl: string | null;
  apiBaseUrl: string;
  /** How long an answer may take. */
  answerTimeoutMs: number;
}

type KeySetting = `WECHAT_PAY_${'PRIVATE_KEY' | 'PUBLIC_KEY' | 'PLATFORM_CERT' | 'MERCHANT_CERT'}`;

const MAIN_HOST = 'https://api.mch.weixin.qq.com';
const BACKUP_HOST = 'https://api2.mch.weixin.qq.com';

/** Tells what is wrong with the values, a line each, beginning with the variable's name. The real provider has one. */
export type CheckWechat = (settings: WechatEnvironment) => string[];

/** What `WECHAT_PAY_ENABLE_REAL=true` asks for; every missing or malformed setting is added to the problems. */
export function readWechat(e: Environment, problems: string[], check: CheckWechat): WechatEnvironment | null {
  const before = problems.length;
  const settings = collectWechat(e, problems);
  // What the values themselves must be like, for those that are there at all.
  const named = new Set(problems.slice(before).map(settingOf));
  problems.push(...check(settings).filter((problem) => !named.has(settingOf(problem))));
  return problems.length === before ? settings : null;
}

/** Which setting a problem is about, given as text or as a file. */
export function settingOf(problem: string): string {
  return (/^\w+/.exec(problem)?.[0] ?? '').replace(/_PATH$/, '');
}

/** The same whatever is wrong with it: empty text stands for what is missing. For checks that explain it. */
export function collectWechat(e: Environment, problems: string[]): WechatEnvironment {
  const need = (name: keyof Environment): string => {
    const value = e[name];
    if (value === undefined) problems.push(`${name} must be set when WECHAT_PAY_ENABLE_REAL=true`);
    return String(value ?? '');
  };
  const key = (name: KeySetting, wanted: WantedKey): string | null => {
    const [text, path] = [e[name], e[`${name}_PATH`]];
    // Which of them is meant, only their owner knows.
    if (text !== undefined && path !== undefined) {
      problems.push(`${name} and ${name}_PATH are both set: take one of them out`);
      return null;
    }
    return keyText(name, text, wanted, problems) ?? keyText(`${name}_PATH`, path, wanted, problems);
  };
  const isGiven = (name: KeySetting): boolean => (e[name] ?? e[`${name}_PATH`]) !== undefined;

  const baseUrl = (e.WECHAT_PAY_BASE_URL ?? MAIN_HOST).replace(/\/+$/, '');
  const publicKeyPem = key('WECHAT_PAY_PUBLIC_KEY', PUBLIC_KEY);
  const publicKeyId = e.WECHAT_PAY_PUBLIC_KEY_ID?.replace(/^pub_key_id_/i, 'PUB_KEY_ID_');
  const certificates = key('WECHAT_PAY_PLATFORM_CERT', PLATFORM_CERT);
  const settings: WechatEnvironment = {
    appid: need('WECHAT_APPID'),
    appSecret: e.WECHAT_APP_SECRET ?? null,
    mchid: need('WECHAT_PAY_MCHID'),
    serialNo: normalSerial(need('WECHAT_PAY_SERIAL_NO')),
    privateKey: key('WECHAT_PAY_PRIVATE_KEY', PRIVATE_KEY) ?? '',
    apiV3Key: need('WECHAT_PAY_API_V3_KEY'),
    merchantCert: key('WECHAT_PAY_MERCHANT_CERT', MERCHANT_CERT),
    publicKey: publicKeyPem ? { id: publicKeyId ?? '', pem: publicKeyPem } : null,
    platformCerts: certificates?.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [],
    notifyUrl: need('WECHAT_PAY_NOTIFY_URL'),
    refundNotifyUrl: e.WECHAT_PAY_REFUND_NOTIFY_URL ?? e.WECHAT_PAY_NOTIFY_URL ?? '',
    baseUrl,
    backupBaseUrl: baseUrl === MAIN_HOST ? BACKUP_HOST : null,
    apiBaseUrl: (e.WECHAT_API_BASE_URL ?? 'https://api.weixin.qq.com').replace(/\/+$/, ''),
    answerTimeoutMs: e.WECHAT_PAY_TIMEOUT_MS ?? 10_000,
  };
  if (!isGiven('WECHAT_PAY_PRIVATE_KEY')) {
    problems.push('WECHAT_PAY_PRIVATE_KEY or WECHAT_PAY_PRIVATE_KEY_PATH must be set when WECHAT_PAY_ENABLE_REAL=true');
  }
  // One without the other would verify nothing.
  if (publicKeyId === undefined && isGiven('WECHAT_PAY_PUBLIC_KEY')) {
    problems.push('WECHAT_PAY_PUBLIC_KEY_ID must be set beside the public key: the console shows it, PUB_KEY_ID_…');
  }
  if (publicKeyId !== undefined && !isGiven('WECHAT_PAY_PUBLIC_KEY')) {
    const what = 'WECHAT_PAY_PUBLIC_KEY or WECHAT_PAY_PUBLIC_KEY_PATH must be set beside WECHAT_PAY_PUBLIC_KEY_ID';
    problems.push(`${what}: ${PUBLIC_KEY.hint}`);
  }
  return settings;
}
