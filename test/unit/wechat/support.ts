import {
  createCipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, IncomingMessage, Server, ServerResponse } from 'node:http';
import { AddressInfo } from 'node:net';
import { join } from 'node:path';
import forge from 'node-forge';
import { after, DAY } from '../../../src/common/clock.js';
import { ChannelOrder, ChannelRefundOrder, RawCallback } from '../../../src/provider/payment-provider.js';
import { WechatSettings } from '../../../src/provider/wechat/settings.js';

const VECTORS = join(__dirname, '../../vectors');

export function vectors<T>(file: string): T {
  return JSON.parse(readFileSync(join(VECTORS, file), 'utf8')) as T;
}

/** A key file of the vectors, by the PEM name that the vectors use. */
export function vectorPrivateKey(pemName: string): KeyObject {
  const file = pemName.replace(/(\.pkcs8)?\.pem$/, '.pkcs8.der.b64');
  const der = Buffer.from(readFileSync(join(VECTORS, 'keys', file), 'utf8'), 'base64');
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

export function vectorText(file: string): string {
  return readFileSync(join(VECTORS, 'keys', file), 'utf8');
}

export interface Pair {
  privateKey: KeyObject;
  privatePem: string;
  publicPem: string;
}

export function makePair(bits = 2048): Pair {
  return pairOf(generateKeyPairSync('rsa', { modulusLength: bits }).privateKey);
}

function pairOf(privateKey: KeyObject): Pair {
  return {
    privateKey,
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** As WeChat's own authority names itself. */
const ISSUER = [
  { name: 'commonName', value: 'Tenpay.com sign' },
  { name: 'organizationName', value: 'Tenpay.com' },
];

/** A self-signed certificate of this pair, valid from and to as said. */
export function makeCertificate(pair: Pair, from: Date, to: Date, issuer = ISSUER): { pem: string; serial: string } {
  const serial = `5${randomBytes(20).toString('hex').slice(1)}`;
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(pair.publicPem);
  certificate.serialNumber = serial;
  certificate.validity.notBefore = from;
  certificate.validity.notAfter = to;
  certificate.setSubject(issuer);
  certificate.setIssuer(issuer);
  certificate.sign(forge.pki.privateKeyFromPem(pair.privatePem), forge.md.sha256.create());
  return { pem: forge.pki.certificateToPem(certificate), serial: serial.toUpperCase() };
}

export const API_V3_KEY = 'PaydeskTestApiV3KeyOf32Bytes0000';
export const PUBLIC_KEY_ID = 'PUB_KEY_ID_0115635139512024101100397200000006';
export const NOW = new Date('2026-11-23T04:00:00Z');

/** Published samples: to make an RSA key takes a tenth of a second, in every test file. */
export const merchantPair = pairOf(vectorPrivateKey('go-B-merchant-private.pem'));
export const platformPair = pairOf(vectorPrivateKey('go-D-wechatpay-private.pem'));
export const otherPair = pairOf(vectorPrivateKey('java-wechatpay-private.pem'));

export function settingsOf(changes: Partial<WechatSettings> = {}): WechatSettings {
  return {
    appid: 'wx2421b1c4370ec43b',
    appSecret: 'c0ffee00c0ffee00c0ffee00c0ffee00',
    mchid: '1900007291',
    serialNo: '408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB',
    privateKey: merchantPair.privatePem,
    apiV3Key: API_V3_KEY,
    publicKey: { id: PUBLIC_KEY_ID, pem: platformPair.publicPem },
    platformCerts: [],
    notifyUrl: 'https://shop.example.com/api/payments/callback/wechat/',
    refundNotifyUrl: 'https://shop.example.com/api/refunds/callback/wechat/',
    baseUrl: 'http://127.0.0.1:9',
    backupBaseUrl: null,
    apiBaseUrl: 'http://127.0.0.1:9',
    timeouts: { connectMs: 2_000, answerMs: 5_000 },
    maxConcurrency: 8,
    ...changes,
  };
}

export const ORDER: ChannelOrder = {
  outTradeNo: 'pay_01KB0A1B2C3D4E5F6G7H8J9KAM',
  placed: true,
  amountFen: 1990,
  currency: 'CNY',
  description: 'Oolong tea, 100 g',
  openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o',
  expiresAt: new Date('2026-11-23T04:30:00.789Z'),
  metadata: {},
};

export const REFUND: ChannelRefundOrder = {
  outRefundNo: 'ref_01KB0A1B2C3D4E5F6G7H8J9KAM',
  outTradeNo: ORDER.outTradeNo,
  transactionId: '4200000263201902167700134212',
  amountFen: 500,
  totalFen: 1990,
  currency: 'CNY',
  reason: 'arrived broken',
  refundId: null,
  metadata: {},
};

export interface SignedAs {
  key?: KeyObject;
  serial?: string;
  at?: Date;
}

/** The signature headers of WeChat Pay over these bytes. */
export function signatureHeaders(body: Buffer, { key, serial, at }: SignedAs = {}): Record<string, string> {
  const timestamp = String(Math.floor((at ?? NOW).getTime() / 1000));
  const nonce = randomBytes(16).toString('hex');
  const message = Buffer.concat([Buffer.from(`${timestamp}\n${nonce}\n`), body, Buffer.from('\n')]);
  return {
    'wechatpay-timestamp': timestamp,
    'wechatpay-nonce': nonce,
    'wechatpay-signature': sign('sha256', message, key ?? platformPair.privateKey).toString('base64'),
    'wechatpay-serial': serial ?? PUBLIC_KEY_ID,
    'wechatpay-signature-type': 'WECHATPAY2-SHA256-RSA2048',
  };
}

/** Seals a text as WeChat Pay does. */
export function seal(plain: string | Buffer, associatedData: string, key = API_V3_KEY): Record<string, string> {
  const nonce = randomBytes(6).toString('hex');
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key), Buffer.from(nonce));
  if (associatedData !== '') cipher.setAAD(Buffer.from(associatedData));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return {
    algorithm: 'AEAD_AES_256_GCM',
    nonce,
    associated_data: associatedData,
    ciphertext: sealed.toString('base64'),
  };
}

/** A signed callback over exactly this body. */
export function callbackOf(body: Buffer | string | object, signedAs: SignedAs = {}): RawCallback {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return { headers: { 'content-type': 'application/json', ...signatureHeaders(bytes, signedAs) }, body: bytes };
}

export const PAID = {
  mchid: '1900007291',
  appid: 'wx2421b1c4370ec43b',
  out_trade_no: ORDER.outTradeNo,
  transaction_id: '4200000263201902167700134212',
  trade_type: 'JSAPI',
  trade_state: 'SUCCESS',
  trade_state_desc: '支付成功',
  bank_type: 'OTHERS',
  attach: ORDER.outTradeNo,
  success_time: '2026-11-23T11:59:58+08:00',
  payer: { openid: ORDER.openid },
  amount: { total: 1990, payer_total: 1490, currency: 'CNY', payer_currency: 'CNY' },
};

export const REFUNDED = {
  mchid: '1900007291',
  out_trade_no: ORDER.outTradeNo,
  transaction_id: PAID.transaction_id,
  out_refund_no: REFUND.outRefundNo,
  refund_id: '50000000382019052709732678859',
  refund_status: 'SUCCESS',
  success_time: '2026-11-23T11:59:58+08:00',
  user_received_account: '支付用户零钱',
  amount: { total: 1990, refund: 500, payer_total: 1490, payer_refund: 374 },
};

/** The envelope of a notice about this resource. */
export function notice(eventType: string, resource: unknown, originalType = 'transaction'): Record<string, unknown> {
  const plain = Buffer.isBuffer(resource) || typeof resource === 'string' ? resource : JSON.stringify(resource);
  return {
    id: 'EV-2018022511223320873',
    create_time: '2026-11-23T12:00:00+08:00',
    resource_type: 'encrypt-resource',
    event_type: eventType,
    summary: '支付成功',
    resource: { original_type: originalType, ...seal(plain, originalType) },
  };
}

export interface Received {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface StandIn {
  url: string;
  received: Received[];
  close(): Promise<void>;
}

/** A server that answers what the test says, and remembers what was asked. */
export async function standIn(
  answer: (request: Received, response: ServerResponse, count: number) => void,
): Promise<StandIn> {
  const received: Received[] = [];
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const seen = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(parts).toString(),
      };
      received.push(seen);
      answer(seen, response, received.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Answers as WeChat Pay does: signed when it is a success, unsigned when not. */
export function answer(response: ServerResponse, status: number, json?: unknown, signedAs?: SignedAs): void {
  const body = json === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(json));
  const signature = status < 300 ? signatureHeaders(body, signedAs) : {};
  response.writeHead(status, { 'content-type': 'application/json', date: NOW.toUTCString(), ...signature });
  response.end(body);
}

export const YEAR_FROM = after(NOW, -30 * DAY);
export const YEAR_TO = after(NOW, 335 * DAY);
