import type { Environment } from './environment.js';
import { keyText } from './key-text.js';

/** The merchant's settings, keys already as PEM text. */
export interface WechatEnvironment {
  appid: string;
  appSecret: string;
  mchid: string;
  serialNo: string;
  privateKey: string;
  apiV3Key: string;
  publicKey: { id: string; pem: string } | null;
  platformCerts: string[];
  notifyUrl: string;
  refundNotifyUrl: string;
  baseUrl: string;
  /** The manual's backup host; only the real channel has one. */
  backupBaseUrl: string | null;
  apiBaseUrl: string;
}

const MAIN_HOST = 'https://api.mch.weixin.qq.com';
const BACKUP_HOST = 'https://api2.mch.weixin.qq.com';

/** What `WECHAT_PAY_ENABLE_REAL=true` asks for; every missing or malformed setting is added to the problems. */
export function readWechat(e: Environment, problems: string[]): WechatEnvironment | null {
  const before = problems.length;
  const need = (name: keyof Environment): string => {
    const value = e[name];
    if (value === undefined) problems.push(`${name} must be set when WECHAT_PAY_ENABLE_REAL=true`);
    return String(value ?? '');
  };
  const key = (name: 'PRIVATE_KEY' | 'PUBLIC_KEY' | 'PLATFORM_CERT'): string | null =>
    keyText(`WECHAT_PAY_${name}`, e[`WECHAT_PAY_${name}`], problems) ??
    keyText(`WECHAT_PAY_${name}_PATH`, e[`WECHAT_PAY_${name}_PATH`], problems);

  const baseUrl = (e.WECHAT_PAY_BASE_URL ?? MAIN_HOST).replace(/\/+$/, '');
  const privateKey = key('PRIVATE_KEY');
  const publicKeyPem = key('PUBLIC_KEY');
  const certificates = key('PLATFORM_CERT');
  const settings: WechatEnvironment = {
    appid: need('WECHAT_APPID'),
    appSecret: need('WECHAT_APP_SECRET'),
    mchid: need('WECHAT_PAY_MCHID'),
    serialNo: need('WECHAT_PAY_SERIAL_NO'),
    privateKey: privateKey ?? '',
    apiV3Key: need('WECHAT_PAY_API_V3_KEY'),
    publicKey: publicKeyPem ? { id: need('WECHAT_PAY_PUBLIC_KEY_ID'), pem: publicKeyPem } : null,
    platformCerts: certificates?.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [],
    notifyUrl: need('WECHAT_PAY_NOTIFY_URL'),
    refundNotifyUrl: e.WECHAT_PAY_REFUND_NOTIFY_URL ?? e.WECHAT_PAY_NOTIFY_URL ?? '',
    baseUrl,
    backupBaseUrl: baseUrl === MAIN_HOST ? BACKUP_HOST : null,
    apiBaseUrl: (e.WECHAT_API_BASE_URL ?? 'https://api.weixin.qq.com').replace(/\/+$/, ''),
  };
  if (!e.WECHAT_PAY_PRIVATE_KEY && !e.WECHAT_PAY_PRIVATE_KEY_PATH) {
    problems.push('WECHAT_PAY_PRIVATE_KEY or WECHAT_PAY_PRIVATE_KEY_PATH must be set when WECHAT_PAY_ENABLE_REAL=true');
  }
  if (settings.apiV3Key !== '' && Buffer.byteLength(settings.apiV3Key) !== 32) {
    problems.push('WECHAT_PAY_API_V3_KEY must be exactly 32 bytes');
  }
  for (const [name, url] of [
    ['WECHAT_PAY_NOTIFY_URL', settings.notifyUrl],
    ['WECHAT_PAY_REFUND_NOTIFY_URL', settings.refundNotifyUrl],
  ] as const) {
    if (url !== '' && !isNotifyUrl(url, baseUrl)) {
      problems.push(`${name} must be an https URL without a query string (http only towards a channel that is not the real one)`);
    }
  }
  return problems.length === before ? settings : null;
}

function isNotifyUrl(url: string, baseUrl: string): boolean {
  if (!URL.canParse(url) || url.includes('?') || url.includes('#') || url !== url.trim()) return false;
  return url.startsWith('https://') || (url.startsWith('http://') && baseUrl !== MAIN_HOST && baseUrl !== BACKUP_HOST);
}
