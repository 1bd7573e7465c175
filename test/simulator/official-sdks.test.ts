import { createSign } from 'node:crypto';
import { request } from 'node:http';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { freshNumber, isSigned } from './support/merchant.js';

/** What one of WeChat Pay's own SDKs sends, spelled as it spells it. */
interface Sdk {
  name: string;
  /** Headers beside `Authorization`; a GET carries some of them too. */
  headers: (method: string) => Record<string, string>;
  /** The parts of `Authorization` in its order. */
  parts: readonly string[];
  json: (value: unknown) => string;
  /** How it writes a moment. */
  time: (at: Date) => string;
}

const ASCII = /[\u0080-\uffff]/g;
const escaped = (text: string): string => `\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}`;
const inChina = (at: Date): string => `${new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 19)}+08:00`;

const SDKS: Sdk[] = [
  {
    name: 'wechatpay-go 0.2.21',
    headers: () => ({
      Accept: '*/*',
      'Accept-Encoding': 'gzip',
      // A GET has it too.
      'Content-Type': 'application/json',
      'User-Agent': 'WechatPay-Go/0.2.21 (linux) GO/go1.22.5',
    }),
    parts: ['mchid', 'nonce_str', 'timestamp', 'serial_no', 'signature'],
    // Its encoder escapes what HTML would take amiss and ends with a line feed, which is signed.
    json: (value) => `${JSON.stringify(value).replace(/[<>&]/g, escaped)}\n`,
    time: (at) => at.toISOString().replace('Z', '123456Z'),
  },
  {
    name: 'wechatpay-java 0.2.17, before its first certificate',
    headers: (method) => ({
      Accept: 'application/json',
      'Accept-Encoding': 'gzip',
      'Content-Type': method === 'GET' ? 'application/json' : 'application/json; charset=utf-8',
      'User-Agent':
        'WechatPay-Java/0.2.17 (Linux/5.15.0) Java/17.0.11 Credential/WechatPay2Credential Validator/WechatPay2Validator okhttp3/4.12.0',
      'Wechatpay-Serial': '',
    }),
    parts: ['mchid', 'nonce_str', 'timestamp', 'serial_no', 'signature'],
    json: (value) => JSON.stringify(value),
    time: inChina,
  },
  {
    name: 'wechatpay-php 1.4',
    headers: () => ({
      Accept: 'application/json, text/plain, application/x-gzip',
      'Content-Type': 'application/json; charset=utf-8',
      'User-Agent': 'wechatpay-php/1.4.12 GuzzleHttp/7 curl/8.5.0 (Linux/5.15.0) PHP/8.3.6',
    }),
    parts: ['mchid', 'nonce_str', 'signature', 'timestamp', 'serial_no'],
    json: (value) => JSON.stringify(value).replace(ASCII, escaped).replaceAll('/', '\\/'),
    time: inChina,
  },
];

interface Answer {
  status: number;
  signed: boolean;
  body: Record<string, unknown>;
}

describe('the SDKs of WeChat Pay', () => {
  let sim: Simulator;
  beforeAll(async () => {
    sim = await startSimulator({ mode: 'certificate', openingBalanceFen: 0 });
  });
  afterAll(() => sim.close());

  type Change = (header: string) => string;

  const send = (sdk: Sdk, method: string, path: string, value?: unknown, change: Change = (it) => it) => {
    const { mchid, merchantSerial, merchantPrivateKeyPem } = sim.credentials;
    const body = value === undefined ? '' : sdk.json(value);
    const timestamp = String(Math.floor(Date.now() / 1000));
    const nonce_str = '5K8264ILTKCH16CQ2502SI8ZNMTM67VS';
    const signature = createSign('RSA-SHA256')
      .update(`${method}\n${path}\n${timestamp}\n${nonce_str}\n${body}\n`)
      .sign(merchantPrivateKeyPem, 'base64');
    const values: Record<string, string> = { mchid, nonce_str, timestamp, serial_no: merchantSerial, signature };
    const pairs = sdk.parts.map((name) => `${name}="${values[name]}"`).join(',');
    const headers = {
      ...sdk.headers(method),
      Authorization: change(`WECHATPAY2-SHA256-RSA2048 ${pairs}`),
      ...(body === '' ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
    };
    return new Promise<Answer>((resolve, reject) => {
      const call = request(sim.url + path, { method, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => (text += part));
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            signed: isSigned(sim, new Headers(answer.headers as Record<string, string>), text),
            body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
          }),
        );
      });
      call.on('error', reject).end(body);
    });
  };

  const order = (sdk: Sdk, number: string): Record<string, unknown> => ({
    appid: sim.credentials.appid,
    mchid: sim.credentials.mchid,
    description: '茶 & <盒>',
    out_trade_no: number,
    time_expire: sdk.time(new Date(Date.parse(sim.now()) + 600_000)),
    attach: 'a/b=c\'"',
    notify_url: 'https://shop.example.com/n',
    amount: { total: 100, currency: 'CNY' },
    payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
  });

  describe.each(SDKS)('$name', (sdk) => {
    it('fetches certificates, places, queries, refunds and closes, and each answer is signed', async () => {
      const { mchid } = sim.credentials;
      const [paid, closed] = [freshNumber('SDK'), freshNumber('SDK')];
      const list = await send(sdk, 'GET', '/v3/certificates');
      expect(list).toMatchObject({ status: 200, signed: true, body: { data: [{}] } });
      for (const number of [paid, closed]) {
        const placed = await send(sdk, 'POST', '/v3/pay/transactions/jsapi', order(sdk, number));
        expect(placed).toMatchObject({ status: 200, signed: true });
      }
      sim.pay(paid);
      const path = `/v3/pay/transactions/out-trade-no/${paid}`;
      const query = await send(sdk, 'GET', `${path}?mchid=${mchid}`);
      expect(query).toMatchObject({ status: 200, signed: true, body: { trade_state: 'SUCCESS', attach: 'a/b=c\'"' } });
      const refund = { out_trade_no: paid, out_refund_no: `R${paid}`, reason: '<坏>' };
      const amount = { refund: 100, total: 100, currency: 'CNY' };
      const refunded = await send(sdk, 'POST', '/v3/refund/domestic/refunds', { ...refund, amount });
      expect(refunded).toMatchObject({ status: 200, signed: true, body: { status: 'PROCESSING' } });
      const close = await send(sdk, 'POST', `/v3/pay/transactions/out-trade-no/${closed}/close`, { mchid });
      expect(close).toMatchObject({ status: 204, signed: true });
    });

    it('is refused with blanks between the parts of its Authorization, which the manual forbids', async () => {
      const spaced: Change = (header) => header.replaceAll('",', '", ');
      const refused = await send(sdk, 'GET', '/v3/certificates', undefined, spaced);
      expect(refused).toMatchObject({ status: 401, signed: false, body: { code: 'SIGN_ERROR' } });
    });
  });
});
