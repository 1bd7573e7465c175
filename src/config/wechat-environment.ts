import type { Environment } from './environment.js';
import { keyText } from './key-text.js';

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

const MAIN_HOST = 'https://api.mch.weixin.qq.com';
const BACKUP_HOST = 'https://api2.mch.weixin.qq.com';

/** Tells what is wrong with the values, a line each, beginning with the variable's name. The real provider has one. */
export type CheckWechat = (settings: WechatEnvironment) => string[];

/** What `WECHAT_PAY_ENABLE_REAL=true` asks for; every missing or malformed setting is added to the problems. */
export function readWechat(e: Environment, problems: string[], check: CheckWechat): WechatEnvironment | null {
  const before = problems.length;
  const settings = collectWechat(e, problems);
  // What the values themselves must be like, for those that are there at all.
  const named = problems.slice(before).join('\n');
  problems.push(...check(settings).filter((problem) => !named.includes(problem.split(' ')[0] ?? '')));
  return problems.length === before ? settings : null;
}

/** The same whatever is wrong with it: empty text stands for what is missing. For checks that explain it. */
export function collectWechat(e: Environment, problems: string[]): WechatEnvironment {
  const need = (name: keyof Environment): string => {
    const value = e[name];
    if (value === undefined) problems.push(`${name} must be set when WECHAT_PAY_ENABLE_REAL=true`);
    return String(value ?? '');
  };
  const key = (name: 'PRIVATE_KEY' | 'PUBLIC_KEY' | 'PLATFORM_CERT' | 'MERCHANT_CERT'): string | null =>
    keyText(`WECHAT_PAY_${name}`, e[`WECHAT_PAY_${name}`], problems) ??
    keyText(`WECHAT_PAY_${name}_PATH`, e[`WECHAT_PAY_${name}_PATH`], problems);

  const baseUrl = (e.WECHAT_PAY_BASE_URL ?? MAIN_HOST).replace(/\/+$/, '');
  const privateKey = key('PRIVATE_KEY');
  const publicKeyPem = key('PUBLIC_KEY');
  const certificates = key('PLATFORM_CERT');
  const settings: WechatEnvironment = {
    appid: need('WECHAT_APPID'),
    appSecret: e.WECHAT_APP_SECRET ?? null,
    mchid: need('WECHAT_PAY_MCHID'),
    serialNo: need('WECHAT_PAY_SERIAL_NO'),
    privateKey: privateKey ?? '',
    apiV3Key: need('WECHAT_PAY_API_V3_KEY'),
    merchantCert: key('MERCHANT_CERT'),
    publicKey: publicKeyPem ? { id: need('WECHAT_PAY_PUBLIC_KEY_ID'), pem: publicKeyPem } : null,
    platformCerts: certificates?.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [],
    notifyUrl: need('WECHAT_PAY_NOTIFY_URL'),
    refundNotifyUrl: e.WECHAT_PAY_REFUND_NOTIFY_URL ?? e.WECHAT_PAY_NOTIFY_URL ?? '',
    baseUrl,
    backupBaseUrl: baseUrl === MAIN_HOST ? BACKUP_HOST : null,
    apiBaseUrl: (e.WECHAT_API_BASE_URL ?? 'https://api.weixin.qq.com').replace(/\/+$/, ''),
    answerTimeoutMs: e.WECHAT_PAY_TIMEOUT_MS ?? 10_000,
  };
  if (!e.WECHAT_PAY_PRIVATE_KEY && !e.WECHAT_PAY_PRIVATE_KEY_PATH) {
    problems.push('WECHAT_PAY_PRIVATE_KEY or WECHAT_PAY_PRIVATE_KEY_PATH must be set when WECHAT_PAY_ENABLE_REAL=true');
  }
  return settings;
}
