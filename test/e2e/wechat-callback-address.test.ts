import { MINUTE } from '../../src/common/clock.js';
import { type RawAnswer, statesOf } from '../support/flows.js';
import { countOf, lastInJournal, type OwnWechat, startOwnWechat } from '../support/own-wechat.js';

const forwarded = (list: string): [string, string][] => [['x-forwarded-for', list]];
const FORBIDDEN = '{"code":"FAIL","message":"address_not_allowed"}';

async function open(env: Record<string, string>, work: (shop: OwnWechat) => Promise<void>): Promise<void> {
  const shop = await startOwnWechat(env);
  try {
    await work(shop);
  } finally {
    await shop.close();
  }
}

describe('the address that a callback comes from', () => {
  it('is that of the connection while no proxy is trusted: X-Forwarded-For is nobody’s word', () =>
    open({ WECHAT_PAY_CALLBACK_ALLOWED_IPS: '101.226.103.0/24, 2001:db8::/32' }, async (shop) => {
      const bought = await shop.waiting();
      const calls = shop.channel.received.length;
      const callback = shop.paidNotice(bought);
      for (const spoof of [[], forwarded('101.226.103.1'), forwarded('101.226.103.1, 101.226.103.2')]) {
        expect(await shop.send(callback, undefined, spoof)).toMatchObject({ status: 403, text: FORBIDDEN });
        expect(await lastInJournal(shop)).toMatchObject({
          outcome: 'forbidden',
          http_status: 403,
          address: '127.0.0.1',
        });
      }
      expect(await statesOf(bought)).toBe('processing/pending');
      expect(shop.channel.received).toHaveLength(calls);
    }));

  it('is what the last trusted proxy saw, never what stands before it', () =>
    open({ WECHAT_PAY_CALLBACK_ALLOWED_IPS: '101.226.103.0/24', TRUSTED_PROXY_HOPS: '1' }, async (shop) => {
      const bought = await shop.waiting();
      const callback = shop.paidNotice(bought);
      const spoofed = await shop.send(callback, undefined, forwarded('101.226.103.1, 6.6.6.6'));
      expect(spoofed).toMatchObject({ status: 403, text: FORBIDDEN });
      expect(await lastInJournal(shop)).toMatchObject({ address: '6.6.6.6' });
      expect((await shop.send(callback)).status).toBe(403);
      expect(await statesOf(bought)).toBe('processing/pending');

      const genuine = await shop.send(callback, undefined, forwarded('6.6.6.6, 101.226.103.1'));
      expect(genuine.status).toBe(200);
      expect(await lastInJournal(shop)).toMatchObject({ outcome: 'applied', address: '101.226.103.1' });
    }));

  it('is looked up behind as many proxies as there are', () =>
    open({ WECHAT_PAY_CALLBACK_ALLOWED_IPS: '101.226.103.7', TRUSTED_PROXY_HOPS: '2' }, async (shop) => {
      const callback = shop.paidNotice(await shop.waiting());
      expect((await shop.send(callback, undefined, forwarded('101.226.103.7'))).status).toBe(200);
      expect((await shop.send(callback, undefined, forwarded('101.226.103.7, 10.0.0.2'))).status).toBe(200);
      expect((await shop.send(callback, undefined, forwarded('101.226.103.7, 9.9.9.9, 10.0.0.2'))).status).toBe(403);
    }));

  it.each<[proxy: string, written: string, kept: string]>([
    ['adds the port', '101.226.103.7:51234', '101.226.103.7'],
    ['writes IPv4 as IPv6', '::ffff:101.226.103.7', '101.226.103.7'],
    ['writes brackets and a port', '[2001:DB8::1]:443', '2001:db8::1'],
    ['writes quotes', '"[2001:db8:0:0::1]:443"', '2001:db8::1'],
  ])('is the same when a proxy %s', (_proxy, written, kept) =>
    open(
      { WECHAT_PAY_CALLBACK_ALLOWED_IPS: '::ffff:101.226.103.0/120, 2001:db8::/32', TRUSTED_PROXY_HOPS: '1' },
      async (shop) => {
        const bought = await shop.waiting();
        expect((await shop.send(shop.paidNotice(bought), undefined, forwarded(written))).status).toBe(200);
        expect(await lastInJournal(shop)).toMatchObject({ outcome: 'applied', address: kept });
        expect(await statesOf(bought)).toBe('succeeded/paid');
        const other = written.replace('103.7', '104.7').replace(/2001:db8/i, '2001:db9');
        expect((await shop.send(shop.paidNotice(bought), undefined, forwarded(other))).status).toBe(403);
      },
    ),
  );

  it.each(['x'.repeat(10_000), 'unknown', '1.2.3.4.5', '\t\u00e9'])(
    'is unknown, and in no list, when a proxy writes no address (%.20j)',
    (written) =>
      open({ WECHAT_PAY_CALLBACK_ALLOWED_IPS: '0.0.0.0/0, ::/0', TRUSTED_PROXY_HOPS: '1' }, async (shop) => {
        const callback = shop.paidNotice(await shop.waiting());
        expect(await shop.send(callback, undefined, forwarded(written))).toMatchObject({
          status: 403,
          text: FORBIDDEN,
        });
        expect(await lastInJournal(shop)).toMatchObject({ outcome: 'forbidden', address: 'unknown' });
      }),
  );

  it('may be any when no list is set', () =>
    open({}, async (shop) => {
      expect((await shop.send(shop.paidNotice(await shop.waiting()))).status).toBe(200);
    }));
});

describe('a flood of callbacks that prove nothing', () => {
  it('is one flood, whatever port and whichever address of a /64 it names', () =>
    open({ BAD_CALLBACKS_PER_MINUTE: '2', TRUSTED_PROXY_HOPS: '1' }, async (shop) => {
      const bought = await shop.waiting();
      const bad = (address: string): Promise<RawAnswer> =>
        shop.send(shop.paidNotice(bought, {}, { serial: 'PUB_KEY_ID_0' }), undefined, forwarded(address));
      for (const flood of [
        ['6.6.6.6:1', '6.6.6.6:2', '::ffff:6.6.6.6'],
        ['2001:db8::1', '[2001:db8::2]:443', '2001:db8:0:0:ffff::'],
      ]) {
        const statuses: number[] = [];
        for (const address of flood) statuses.push((await bad(address)).status);
        expect(statuses).toEqual([401, 401, 429]);
      }
      expect((await bad('2001:db8:0:1::1')).status).toBe(401);
    }));

  it('is throttled by address, while genuine ones always pass and other addresses are not hurt', () =>
    open({ BAD_CALLBACKS_PER_MINUTE: '5', TRUSTED_PROXY_HOPS: '1' }, async (shop) => {
      const bought = await shop.waiting();
      const bad = () => shop.paidNotice(bought, {}, { serial: 'PUB_KEY_ID_0' });
      const flood: RawAnswer[] = [];
      for (let index = 0; index < 8; index += 1) flood.push(await shop.send(bad(), undefined, forwarded('6.6.6.6')));
      expect(flood.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
      expect(flood.at(-1)).toMatchObject({ text: '{"code":"FAIL","message":"too_many_requests"}' });
      expect(flood.at(-1)?.headers['retry-after']).toBe('60');
      expect(await countOf(shop, 'callbacks')).toBe(5);
      expect((await shop.send(bad(), undefined, forwarded('7.7.7.7'))).status).toBe(401);

      const many = await Promise.all(Array.from({ length: 20 }, () => shop.waiting()));
      const taken = await Promise.all(
        many.map((one) => shop.send(shop.paidNotice(one), undefined, forwarded('6.6.6.6'))),
      );
      expect(new Set(taken.map(({ status }) => status))).toEqual(new Set([200]));
      expect((await shop.send(bad(), undefined, forwarded('6.6.6.6'))).status).toBe(429);
      shop.clock.advance(2 * MINUTE);
    }));

  it('fills no disk: of bodies only a hash is kept, and of strangers’ words only so much', () =>
    open({}, async (shop) => {
      const callback = shop.paidNotice(await shop.waiting());
      const serial = 'X'.repeat(5000);
      await shop.send({ ...callback, headers: { ...callback.headers, 'wechatpay-serial': serial } });
      const [row] = await shop.db.query<{ serial: string; text: string }[]>(
        'SELECT serial, callbacks::text AS text FROM callbacks ORDER BY id DESC LIMIT 1',
      );
      expect(row?.serial).toHaveLength(128);
      expect(row?.text.length).toBeLessThan(800);
      expect(row?.text).not.toContain('ciphertext');
    }));
});
