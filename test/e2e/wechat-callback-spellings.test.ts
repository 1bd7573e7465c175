import type { RawCallback } from '../../src/provider/payment-provider.js';
import { statesOf } from '../support/flows.js';
import { lastInJournal, type OwnWechat, PAYMENT_URL, startOwnWechat } from '../support/own-wechat.js';
import { sendTarget } from '../support/send-bytes.js';

const SUCCESS = '{"code":"SUCCESS","message":"成功"}';
const FAIL = /^\{"code":"FAIL","message":"\w+"\}$/;
const JSON_TYPE = 'Content-Type: application/json';

describe('a notice of WeChat Pay, however it is written', () => {
  let shop: OwnWechat;

  beforeAll(async () => {
    shop = await startOwnWechat({ TRUSTED_PROXY_HOPS: '1', WECHAT_PAY_CALLBACK_ALLOWED_IPS: '101.226.103.0/24' });
  });
  afterAll(() => shop.close());

  const send = ({ headers, body }: RawCallback, target: string, more: readonly string[]) => {
    const signed = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    // Rows of the journal are sorted by their time.
    shop.clock.advance(1);
    const forwarded = 'X-Forwarded-For: 101.226.103.7:51234';
    return sendTarget(shop.url, 'POST', target, [...signed, forwarded, ...more], body);
  };

  const SPELLINGS: [what: string, target: string, headers: string[]][] = [
    ['as documented', PAYMENT_URL, [JSON_TYPE]],
    ['in absolute form', `http://shop.example.com${PAYMENT_URL}`, [JSON_TYPE]],
    ['in absolute form with a port and a query', `http://shop.example.com:8080${PAYMENT_URL}?from=proxy`, [JSON_TYPE]],
    ['with escaped letters', '/api/%70ayments/callback/w%65chat/', [JSON_TYPE]],
    ['with a fragment', `${PAYMENT_URL}#notice`, [JSON_TYPE]],
    ['without the slash at its end', PAYMENT_URL.slice(0, -1), [JSON_TYPE]],
    ['without a content type', PAYMENT_URL, []],
    ['with an empty content type', PAYMENT_URL, ['Content-Type:']],
    ['as text/xml', PAYMENT_URL, ['Content-Type: text/xml']],
    ['with a charset', PAYMENT_URL, ['Content-Type: application/json; charset=GBK']],
    ['with a content type that nothing knows', PAYMENT_URL, ['Content-Type: application/x-wechat-notice']],
    ['with a content type that is none', PAYMENT_URL, ['Content-Type: json']],
    ['with a content type that is nothing but a parameter', PAYMENT_URL, ['Content-Type: ;charset=utf-8']],
    ['as a form, in absolute form', `http://x${PAYMENT_URL}`, ['Content-Type: application/x-www-form-urlencoded']],
  ];

  it.each(SPELLINGS)('is proved over its raw bytes and taken %s', async (_, target, headers) => {
    const bought = await shop.waiting();
    const callback = shop.paidNotice(bought);
    const { status, body } = await send(callback, target, headers);
    expect([status, body]).toEqual([200, SUCCESS]);
    const row = await lastInJournal(shop);
    expect(row).toMatchObject({ outcome: 'applied', body_bytes: callback.body.length, address: '101.226.103.7' });
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it.each(SPELLINGS)('is refused in the form of WeChat Pay when it is forged %s', async (_, target, headers) => {
    const bought = await shop.waiting();
    const callback = shop.paidNotice(bought, {}, { serial: 'PUB_KEY_ID_0' });
    const { status, head, body } = await send(callback, target, headers);
    expect([status, head.match(/content-type: ([^;\r]+)/i)?.[1]]).toEqual([401, 'application/json']);
    expect(body).toMatch(FAIL);
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'unverified', body_bytes: callback.body.length });
    expect(await statesOf(bought)).toBe('processing/pending');
  });

  it.each(SPELLINGS)('is recorded and refused when it is too large to be read %s', async (_, target, headers) => {
    const { status, body } = await send({ headers: {}, body: Buffer.alloc(70_000, 'x') }, target, headers);
    expect([status, body]).toEqual([413, '{"code":"FAIL","message":"payload_too_large"}']);
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'unreadable', http_status: 413 });
  });
});
