import { gzipSync } from 'node:zlib';
import { after, HOUR, MINUTE } from '../../src/common/clock.js';
import type { RawCallback } from '../../src/provider/payment-provider.js';
import { announcementsOf, type Bought, casesOf, statesOf } from '../support/flows.js';
import {
  countOf,
  lastInJournal,
  type OwnWechat,
  PAYMENT_URL,
  REFUND_URL,
  startOwnWechat,
} from '../support/own-wechat.js';
import { callbackOf, notice, NOW, otherPair, PAID, seal } from '../unit/wechat/support.js';

describe('a callback that must move nothing', () => {
  let shop: OwnWechat;
  let bought: Bought;

  beforeAll(async () => {
    shop = await startOwnWechat();
    bought = await shop.waiting();
  });
  afterAll(() => shop.close());

  const good = (change: Record<string, unknown> = {}) => shop.paidNotice(bought, change);
  const withHeader = (name: string, value: string): RawCallback => {
    const callback = good();
    return { ...callback, headers: { ...callback.headers, [name]: value } };
  };
  const withBody = (change: (body: Buffer) => Buffer | string): RawCallback => {
    const callback = good();
    return { ...callback, body: Buffer.from(change(callback.body)) };
  };
  const withResource = (change: Record<string, unknown>): RawCallback => {
    const envelope = JSON.parse(good().body.toString()) as { resource: Record<string, unknown> };
    return callbackOf({ ...envelope, resource: { ...envelope.resource, ...change } });
  };
  const reserialised = (body: Buffer): string => JSON.stringify(JSON.parse(body.toString()), null, 1);
  const zeroTag = (): RawCallback => {
    const content = JSON.stringify({ ...PAID, out_trade_no: bought.paymentId });
    const sealed = Buffer.from(seal(content, 'transaction').ciphertext ?? '', 'base64');
    sealed.fill(0, sealed.length - 16);
    return withResource({ ciphertext: sealed.toString('base64') });
  };
  const bomb = `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;

  /** Sends it to both addresses, and looks at everything that could have moved. */
  async function refused(callback: RawCallback, status: number, message: string, outcome: string): Promise<void> {
    for (const url of [PAYMENT_URL, REFUND_URL]) {
      const before = { rows: await countOf(shop, 'callbacks'), moves: await countOf(shop, 'payment_events') };
      const calls = shop.channel.received.length;
      const answer = await shop.send(callback, url);
      expect(answer.status).toBe(status);
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
      expect(JSON.parse(answer.text)).toEqual({ code: 'FAIL', message });
      expect(await lastInJournal(shop)).toMatchObject({ outcome, http_status: status });
      expect(await countOf(shop, 'callbacks')).toBe(before.rows + 1);
      expect(await countOf(shop, 'payment_events')).toBe(before.moves);
      expect(shop.channel.received).toHaveLength(calls);
    }
    expect(await statesOf(bought)).toBe('processing/pending');
    expect(await announcementsOf(shop, bought.paymentId)).toEqual([]);
  }

  it.each<[string, () => RawCallback, string]>([
    ['forged by somebody else', () => shop.paidNotice(bought, {}, { key: otherPair.privateKey }), 'bad_signature'],
    [
      'under a serial that nobody knows',
      () => shop.paidNotice(bought, {}, { serial: 'PUB_KEY_ID_1' }),
      'unknown_serial',
    ],
    ['from an hour ago', () => shop.paidNotice(bought, {}, { at: after(NOW, -HOUR) }), 'clock_skew'],
    ['from six minutes ahead', () => shop.paidNotice(bought, {}, { at: after(NOW, 6 * MINUTE) }), 'clock_skew'],
    ['truncated', () => withBody((body) => body.subarray(0, body.length >> 1)), 'bad_signature'],
    ['with an empty body', () => withBody(() => ''), 'bad_signature'],
    ['written again by a proxy', () => withBody(reserialised), 'bad_signature'],
    ['in another charset', () => withBody((body) => Buffer.from(body.toString(), 'utf16le')), 'bad_signature'],
    ['gzipped on the way', () => withBody((body) => gzipSync(body)), 'bad_signature'],
    ['with a gzip bomb for a body', () => withBody(() => gzipSync(Buffer.alloc(30_000_000))), 'bad_signature'],
    [
      'that probes whether signatures are checked',
      () => withHeader('wechatpay-signature', `WECHATPAY/SIGNTEST/${'A'.repeat(300)}=`),
      'signature_probe',
    ],
    [
      'signed with Chinese ciphers',
      () => withHeader('wechatpay-signature-type', 'WECHATPAY2-SM2-WITH-SM3'),
      'unsupported_signature_type',
    ],
    ['without a signature', () => ({ ...good(), headers: { 'content-type': 'application/json' } }), 'missing_header'],
  ])('%s is refused with 401', async (_name, callback, code) => {
    await refused(callback(), 401, code, 'unverified');
  });

  it.each<[string, () => RawCallback, string]>([
    ['with a tag of zeros', zeroTag, 'not_decrypted'],
    ['sealed with another key', () => withResource(seal('{}', 'transaction', 'k'.repeat(32))), 'not_decrypted'],
    ['with a JSON bomb in the envelope', () => callbackOf(bomb), 'too_large'],
    ['with a JSON bomb inside', () => callbackOf(notice('TRANSACTION.SUCCESS', bomb)), 'too_large'],
    ['that is no JSON', () => callbackOf('<xml/>'), 'not_json'],
    ['in Latin-1', () => callbackOf(Buffer.from('{"event_type":"\xe9"}', 'latin1')), 'not_utf8'],
    ['that says paid but not how much', () => good({ amount: undefined }), 'wrong_field'],
    ['of a payment that is not paid', () => good({ trade_state: 'NOTPAY' }), 'wrong_field'],
    ['with an amount in yuan', () => good({ amount: { total: 19.9, currency: 'CNY' } }), 'wrong_field'],
    ['with a refund under a payment event', () => withResource({ original_type: 'refund' }), 'wrong_field'],
  ])('genuine, %s, is refused with 400', async (_name, callback, code) => {
    await refused(callback(), 400, code, 'unreadable');
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['for another merchant', { mchid: '1900000001' }, 'mchid'],
    ['for another mini-program', { appid: 'wx0000000000000000' }, 'appid'],
    ['with a fen too little', { amount: { total: 1989, currency: 'CNY' } }, 'amount'],
    ['with another currency', { amount: { total: 1990, currency: 'HKD' } }, 'currency'],
  ])('genuine, %s, is refused with 400 and opens a case', async (_name, change, field) => {
    const cases = await casesOf(shop, bought.paymentId);
    await refused(good(change), 400, `${field} mismatch`, 'mismatch');
    expect(await casesOf(shop, bought.paymentId)).toHaveLength(cases.length + 1);
  });

  it('for an order that is not ours is refused with 400 and opens a case', async () => {
    const unknown = 'pay_01KB0000000000000000000000';
    await refused(good({ out_trade_no: unknown }), 400, 'unknown out_trade_no', 'mismatch');
    expect(await casesOf(shop, unknown)).toEqual(['unknown_payment']);
  });

  it('larger than any notice is refused before it is read, and recorded', async () => {
    const answer = await shop.send(withBody(() => Buffer.alloc(70_000, ' ')));
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'FAIL' });
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'unreadable', http_status: 413 });
    expect(await statesOf(bought)).toBe('processing/pending');
  });

  it('under a content encoding is not unpacked', async () => {
    const callback = good();
    const packed = { headers: { ...callback.headers, 'content-encoding': 'gzip' }, body: gzipSync(callback.body) };
    await refused(packed, 401, 'bad_signature', 'unverified');
  });

  it('replayed later than five minutes is refused, and within them has no second effect', async () => {
    const own = await shop.waiting();
    const callback = shop.paidNotice(own);
    expect((await shop.send(callback)).status).toBe(200);
    expect((await shop.send(callback)).status).toBe(200);
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'known' });
    shop.clock.advance(5 * MINUTE);
    expect((await shop.send(callback)).status).toBe(401);
    shop.clock.set(NOW);
    expect(await announcementsOf(shop, own.paymentId)).toEqual(['payment.succeeded']);
  });

  it('leaves nothing behind that keeps the right one from being taken', async () => {
    const answer = await shop.send(good());
    expect(answer).toMatchObject({ status: 200, text: '{"code":"SUCCESS","message":"成功"}' });
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });
});
