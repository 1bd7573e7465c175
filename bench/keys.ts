import { generateKeyPairSync } from 'node:crypto';
import { nonce } from '../src/common/ids.js';

/** A merchant and a WeChat Pay made for one run. */
export interface BenchKeys {
  appid: string;
  mchid: string;
  apiV3Key: string;
  merchantPrivateKey: string;
  platformPrivateKey: string;
  platformPublicKey: string;
  publicKeyId: string;
  jwtSecret: string;
}

export function makeKeys(): BenchKeys {
  const make = () =>
    generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
  const platform = make();
  return {
    appid: 'wx8888888888888888',
    mchid: '1900009191',
    apiV3Key: nonce(),
    merchantPrivateKey: make().privateKey,
    platformPrivateKey: platform.privateKey,
    platformPublicKey: platform.publicKey,
    publicKeyId: 'PUB_KEY_ID_0119000091912026112300000001',
    jwtSecret: nonce(),
  };
}

/** The service's environment: production, the real provider, nothing but requests to do. */
export function serviceEnvironment(keys: BenchKeys, channelPort: number): Record<string, string> {
  const channel = `http://127.0.0.1:${channelPort}`;
  return {
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    JOBS_ENABLED: 'false',
    SHUTDOWN_DELAY_SECONDS: '0',
    JWT_SECRET: keys.jwtSecret,
    WECHAT_PAY_ENABLE_REAL: 'true',
    WECHAT_APPID: keys.appid,
    WECHAT_APP_SECRET: 'not-used-by-a-benchmark',
    WECHAT_PAY_MCHID: keys.mchid,
    WECHAT_PAY_SERIAL_NO: '5157F09EFDC096DE15EBE81A47057A7232F1B8E1',
    WECHAT_PAY_PRIVATE_KEY: keys.merchantPrivateKey,
    WECHAT_PAY_API_V3_KEY: keys.apiV3Key,
    WECHAT_PAY_PUBLIC_KEY: keys.platformPublicKey,
    WECHAT_PAY_PUBLIC_KEY_ID: keys.publicKeyId,
    WECHAT_PAY_NOTIFY_URL: 'http://127.0.0.1/api/payments/callback/wechat/',
    WECHAT_PAY_BASE_URL: channel,
    WECHAT_API_BASE_URL: channel,
  };
}
