import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type KeyMode } from './keyring.js';
import { type Simulation } from './simulation.js';

export const DEFAULT_NOTIFY_BASE = 'http://127.0.0.1:3000';

interface Output {
  url: string;
  sim: Simulation;
  notifyBase?: string;
}

/** Only the owner may read keys. */
const PRIVATE = 0o600;

/** Writes what a merchant would have downloaded, and a `.env` that points at it. */
export async function writeOutput(dir: string, { url, sim, notifyBase }: Output): Promise<void> {
  const folder = resolve(dir);
  await mkdir(folder, { recursive: true });
  const keys = sim.keyring.credentials();
  const files: Record<string, string> = {
    'apiclient_key.pem': keys.merchantPrivateKeyPem,
    'apiclient_cert.pem': keys.merchantCertificatePem,
    'apiclient_serial.txt': `${keys.merchantSerial}\n`,
    'apiv3_key.txt': `${keys.apiV3Key}\n`,
    'pub_key.pem': keys.publicKeyPem,
    'pub_key_id.txt': `${keys.publicKeyId}\n`,
    'root_ca.pem': keys.rootCertificatePem,
    '.env': envText(environmentOf(sim, url, folder, notifyBase)),
  };
  for (const { serial, pem } of keys.platformCertificates) files[`wechatpay_${serial}.pem`] = pem;
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: PRIVATE });
}

/** The shop's environment against this simulator, with keys as files in `folder`. */
export function environmentOf(
  sim: Simulation,
  url: string,
  folder: string,
  notifyBase = DEFAULT_NOTIFY_BASE,
): Record<string, string> {
  const keys = sim.keyring.credentials();
  const base = notifyBase.replace(/\/+$/, '');
  return {
    WECHAT_PAY_ENABLE_REAL: 'true',
    WECHAT_APPID: keys.appid,
    WECHAT_APP_SECRET: keys.appSecret,
    WECHAT_PAY_MCHID: keys.mchid,
    WECHAT_PAY_SERIAL_NO: keys.merchantSerial,
    WECHAT_PAY_PRIVATE_KEY_PATH: join(folder, 'apiclient_key.pem'),
    WECHAT_PAY_API_V3_KEY: keys.apiV3Key,
    ...platformPart(sim.keyring.mode, keys, folder),
    WECHAT_PAY_NOTIFY_URL: `${base}/api/payments/callback/wechat/`,
    WECHAT_PAY_REFUND_NOTIFY_URL: `${base}/api/refunds/callback/wechat/`,
    WECHAT_PAY_BASE_URL: url,
    WECHAT_API_BASE_URL: url,
  };
}

function platformPart(
  mode: KeyMode,
  keys: { publicKeyId: string; platformCertificates: { serial: string }[] },
  folder: string,
): Record<string, string> {
  const publicKey = {
    WECHAT_PAY_PUBLIC_KEY_PATH: join(folder, 'pub_key.pem'),
    WECHAT_PAY_PUBLIC_KEY_ID: keys.publicKeyId,
  };
  const serial = keys.platformCertificates.at(-1)?.serial ?? '';
  const certificate = { WECHAT_PAY_PLATFORM_CERT_PATH: join(folder, `wechatpay_${serial}.pem`) };
  if (mode === 'public_key') return publicKey;
  return mode === 'certificate' ? certificate : { ...publicKey, ...certificate };
}

function envText(values: Record<string, string>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${/[\s#"'$]/.test(value) ? JSON.stringify(value) : value}\n`)
    .join('');
}
