import { createSign, createVerify, X509Certificate } from 'node:crypto';
import { type Simulator } from '../../../simulator/index.js';

/**
 * A shop's side of the protocol, written apart from the simulator: signs requests, checks answers, and keeps both as
 * they were on the wire.
 */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body as JSON, loosely typed: tests look into it. */
  body: Record<string, unknown>;
  /** Whether the signature headers are there and fit the body. */
  signed: boolean;
}

export interface Sending {
  headers?: Record<string, string>;
  /** Bytes to sign and send in the place of the JSON of `body`. */
  raw?: string;
  /** Changes the Authorization header before it goes out. */
  authorization?: (header: string) => string;
  /** Seconds the signature's timestamp is off by. */
  clockOff?: number;
  nonce?: string;
}

export interface Merchant {
  order: (more?: Record<string, unknown>) => Record<string, unknown>;
  get: (target: string, sending?: Sending) => Promise<Answer>;
  post: (target: string, body: unknown, sending?: Sending) => Promise<Answer>;
  /** Places an order and answers its number. */
  place: (more?: Record<string, unknown>) => Promise<string>;
  /** Places an order and has it paid. */
  paid: (more?: Record<string, unknown>) => Promise<string>;
  refund: (outTradeNo: string, refundNo: string, fen: number, more?: Record<string, unknown>) => Promise<Answer>;
}

let numbers = 0;

/** A number nobody has used in this process. */
export function freshNumber(prefix = 'ORDER'): string {
  numbers += 1;
  return `${prefix}_${String(numbers).padStart(8, '0')}`;
}

export function merchantOf(sim: Simulator, notifyUrl = 'http://127.0.0.1:9/notify'): Merchant {
  const keys = sim.credentials;
  const totals = new Map<string, number>();

  const call = async (method: string, target: string, body: string, sending: Sending): Promise<Answer> => {
    const timestamp = String(Math.floor(Date.now() / 1000) + (sending.clockOff ?? 0));
    const nonce = sending.nonce ?? 'k3jbR8fQz1Vn7Lw0Xs5Yt2Hc9Pd4Gm6A';
    const signature = createSign('RSA-SHA256')
      .update(`${method}\n${target}\n${timestamp}\n${nonce}\n${body}\n`)
      .sign(keys.merchantPrivateKeyPem, 'base64');
    const header =
      `WECHATPAY2-SHA256-RSA2048 mchid="${keys.mchid}",nonce_str="${nonce}",signature="${signature}",` +
      `timestamp="${timestamp}",serial_no="${keys.merchantSerial}"`;
    const response = await fetch(sim.url + target, {
      method,
      headers: {
        Accept: 'application/json',
        'User-Agent': 'paydesk-test',
        ...(body === '' ? {} : { 'Content-Type': 'application/json' }),
        Authorization: sending.authorization?.(header) ?? header,
        ...sending.headers,
      },
      body: body === '' ? undefined : body,
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {},
      signed: isSigned(sim, response.headers, text),
    };
  };

  const merchant: Merchant = {
    order: (more = {}) => ({
      appid: keys.appid,
      mchid: keys.mchid,
      description: 'Image形象店-深圳腾大-QQ公仔',
      out_trade_no: freshNumber(),
      notify_url: notifyUrl,
      amount: { total: 100, currency: 'CNY' },
      payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
      ...more,
    }),
    get: (target, sending = {}) => call('GET', target, '', sending),
    post: (target, body, sending = {}) => call('POST', target, sending.raw ?? JSON.stringify(body), sending),
    place: async (more) => {
      const order = merchant.order(more);
      const answer = await merchant.post('/v3/pay/transactions/jsapi', order);
      if (answer.status !== 200) throw new Error(`Not placed: ${answer.text}`);
      totals.set(String(order.out_trade_no), (order.amount as { total: number }).total);
      return String(order.out_trade_no);
    },
    paid: async (more) => {
      const outTradeNo = await merchant.place(more);
      sim.pay(outTradeNo);
      return outTradeNo;
    },
    refund: (outTradeNo, refundNo, fen, more = {}) =>
      merchant.post('/v3/refund/domestic/refunds', {
        out_trade_no: outTradeNo,
        out_refund_no: refundNo,
        notify_url: notifyUrl,
        amount: { refund: fen, total: totals.get(outTradeNo) ?? 0, currency: 'CNY' },
        ...more,
      }),
  };
  return merchant;
}

/** Checks the three-line signature of an answer or a notice with the key its serial names. */
export function isSigned(sim: Simulator, headers: Headers, body: string): boolean {
  const { publicKeyId, publicKeyPem, platformCertificates } = sim.credentials;
  const serial = headers.get('Wechatpay-Serial');
  const certificate = platformCertificates.find((one) => one.serial === serial);
  const key = serial === publicKeyId ? publicKeyPem : certificate && new X509Certificate(certificate.pem).publicKey;
  const signature = headers.get('Wechatpay-Signature');
  const timestamp = headers.get('Wechatpay-Timestamp');
  const nonce = headers.get('Wechatpay-Nonce');
  if (!key || signature === null || timestamp === null || nonce === null) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) >= 300) return false;
  return createVerify('RSA-SHA256').update(`${timestamp}\n${nonce}\n${body}\n`).verify(key, signature, 'base64');
}
