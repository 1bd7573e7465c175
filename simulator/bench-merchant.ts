import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { Pool } from 'undici';
import { Clock } from './clock.js';
import { requestMessage } from './crypto.js';
import { type SimulatorCredentials } from './keyring.js';

/** A request that only has to be sent. */
export interface SignedCall {
  method: 'GET' | 'POST';
  path: string;
  body: string;
  authorization: string;
}

/** A merchant that signs beforehand and sends as fast as it can. */
export class BenchMerchant {
  readonly #key: KeyObject;
  readonly #pool: Pool;
  readonly #clock = new Clock();

  constructor(
    url: string,
    private readonly credentials: SimulatorCredentials,
    connections: number,
  ) {
    this.#key = createPrivateKey(credentials.merchantPrivateKeyPem);
    this.#pool = new Pool(url, { connections });
  }

  order(number: string, total: number, notifyUrl: string): SignedCall {
    const { appid, mchid } = this.credentials;
    return this.#signed('POST', '/v3/pay/transactions/jsapi', {
      appid,
      mchid,
      description: 'Image形象店-深圳腾大-QQ公仔',
      out_trade_no: number,
      notify_url: notifyUrl,
      amount: { total, currency: 'CNY' },
      payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
    });
  }

  query(number: string): SignedCall {
    return this.#signed('GET', `/v3/pay/transactions/out-trade-no/${number}?mchid=${this.credentials.mchid}`);
  }

  refund(number: string, total: number, fen: number, notifyUrl: string): SignedCall {
    return this.#signed('POST', '/v3/refund/domestic/refunds', {
      out_trade_no: number,
      out_refund_no: `R${number}`,
      notify_url: notifyUrl,
      amount: { refund: fen, total, currency: 'CNY' },
    });
  }

  /** @throws Error when the answer is not 200 */
  async fire({ method, path, body, authorization }: SignedCall): Promise<void> {
    const answer = await this.#pool.request({
      method,
      path,
      body: body === '' ? null : body,
      headers: {
        Accept: 'application/json',
        'User-Agent': 'simulator-bench',
        Authorization: authorization,
        ...(body === '' ? {} : { 'Content-Type': 'application/json' }),
      },
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  #signed(method: 'GET' | 'POST', path: string, form?: object): SignedCall {
    const { mchid, merchantSerial } = this.credentials;
    const body = form ? JSON.stringify(form) : '';
    const timestamp = String(this.#clock.signatureSeconds());
    const nonce = 'k3jbR8fQz1Vn7Lw0Xs5Yt2Hc9Pd4Gm6A';
    const message = requestMessage(method, path, timestamp, nonce, Buffer.from(body));
    const signature = sign('RSA-SHA256', message, this.#key).toString('base64');
    const parts = { mchid, nonce_str: nonce, signature, timestamp, serial_no: merchantSerial };
    const pairs = Object.entries(parts).map(([name, value]) => `${name}="${value}"`);
    return { method, path, body, authorization: `WECHATPAY2-SHA256-RSA2048 ${pairs.join(',')}` };
  }
}
