import { createHash } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { ManualClock } from '../../../src/common/clock.js';
import { ProviderError } from '../../../src/provider/payment-provider.js';
import { WechatV3Provider } from '../../../src/provider/wechat/wechat-v3.provider.js';
import { answer, NOW, Received, settingsOf, StandIn, standIn } from './support.js';

const CSV = Buffer.from('\ufeff交易时间,商户订单号\r\n`2026-11-22 10:00:00,`pay_1\r\n总交易单数\r\n`1.0\r\n');
const sha1 = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex');

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`paydesk-bill-${process.pid}-`))).toEqual([]);
});

async function providerOf(
  hash: string,
  download: (response: ServerResponse, count: number) => void,
  changes: object = {},
): Promise<{ provider: WechatV3Provider; server: StandIn }> {
  let downloads = 0;
  const server = await standIn((request, response) => {
    if (request.url.startsWith('/v3/billdownload')) return download(response, (downloads += 1));
    const download_url = `${server.url}/v3/billdownload/file?token=a%2Bb`;
    answer(response, 200, { hash_type: 'SHA1', hash_value: hash, download_url, ...changes });
  });
  const provider = new WechatV3Provider(settingsOf({ baseUrl: server.url }), new ManualClock(NOW), { retryPauseMs: 1 });
  open.push(provider, server);
  return { provider, server };
}

async function refusing(status: number, code: string): Promise<WechatV3Provider> {
  const server = await standIn((_request, response) => answer(response, status, { code }));
  const provider = new WechatV3Provider(settingsOf({ baseUrl: server.url }), new ManualClock(NOW), { retryPauseMs: 1 });
  open.push(provider, server);
  return provider;
}

async function text(stream: Readable | undefined): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream ?? []) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** Files without a name that this process holds. */
const openFiles = (): string[] =>
  readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((path) => path.endsWith('(deleted)'));

const failureOf = (call: Promise<unknown>): Promise<ProviderError> =>
  call.then(
    () => Promise.reject(new Error('it went well')),
    (error: ProviderError) => error,
  );
const urls = (server: StandIn): string[] => server.received.map(({ url }: Received) => url);

describe('a bill', () => {
  it('is applied for, fetched with a signed request and an unsigned answer, unpacked and proven by its hash', async () => {
    const { provider, server } = await providerOf(sha1(CSV), (response) => response.end(gzipSync(CSV)));
    const bill = await provider.downloadBill('2026-11-22', 'trade');
    expect(await text(bill ?? undefined)).toBe(CSV.toString());
    expect(urls(server)).toEqual([
      '/v3/bill/tradebill?bill_date=2026-11-22&bill_type=ALL&tar_type=GZIP',
      '/v3/billdownload/file?token=a%2Bb',
    ]);
    expect(server.received[1]?.headers.authorization).toMatch(/^WECHATPAY2-SHA256-RSA2048 mchid=/);
  });

  it('of the fund flow has another address', async () => {
    const { provider, server } = await providerOf(sha1(CSV), (response) => response.end(gzipSync(CSV)));
    await text((await provider.downloadBill('2026-11-22', 'fund_flow')) ?? undefined);
    expect(urls(server)[0]).toBe('/v3/bill/fundflowbill?bill_date=2026-11-22&account_type=BASIC&tar_type=GZIP');
  });

  it('is taken when the hash is that of the packed bytes, and when it is not packed at all', async () => {
    const packed = gzipSync(CSV);
    const hashed = await providerOf(sha1(packed), (response) => response.end(packed));
    expect(await text((await hashed.provider.downloadBill('2026-11-22', 'trade')) ?? undefined)).toBe(CSV.toString());
    const plain = await providerOf(sha1(CSV), (response) => response.end(CSV));
    expect(await text((await plain.provider.downloadBill('2026-11-22', 'trade')) ?? undefined)).toBe(CSV.toString());
  });

  it('is not read by anybody when its hash is wrong, however often it is fetched', async () => {
    const { provider, server } = await providerOf(sha1(Buffer.from('another')), (response) =>
      response.end(gzipSync(CSV)),
    );
    expect(await failureOf(provider.downloadBill('2026-11-22', 'trade'))).toMatchObject({
      outcome: 'unknown',
      code: 'bill_hash_mismatch',
    });
    expect(urls(server)).toHaveLength(4);
  });

  it.each([
    [
      'the connection breaks',
      (response: ServerResponse) =>
        void response.writeHead(200, { 'content-length': 9999 }).write('x', () => response.destroy()),
    ],
    ['it comes damaged', (response: ServerResponse) => void response.end(gzipSync(CSV).subarray(0, 40))],
    ['the address has grown old', (response: ServerResponse) => answer(response, 400, { code: 'INVALID_REQUEST' })],
  ])('is applied for again when %s', async (_name, first) => {
    const { provider } = await providerOf(sha1(CSV), (response, count) =>
      count === 1 ? first(response) : response.end(gzipSync(CSV)),
    );
    expect(await text((await provider.downloadBill('2026-11-22', 'trade')) ?? undefined)).toBe(CSV.toString());
  });

  it('is not fetched again for want of an answer: the caller asks later', async () => {
    const { provider, server } = await providerOf(sha1(CSV), (response) => void response.writeHead(500).end());
    expect(await failureOf(provider.downloadBill('2026-11-22', 'trade'))).toMatchObject({ outcome: 'unknown' });
    expect(urls(server)).toHaveLength(2);
  });

  it.each([
    ['a hash of another kind', { hash_type: 'SHA256' }],
    ['no address', { download_url: 'somewhere' }],
    ['an address of another kind', { download_url: 'ftp://127.0.0.1/bill' }],
    ['an address of a kind that begins alike', { download_url: 'httpsx://127.0.0.1/bill' }],
    ['an address of a kind that ends alike', { download_url: 'xhttp://127.0.0.1/bill' }],
  ])('is not fetched when it is announced with %s', async (_name, changes) => {
    const { provider, server } = await providerOf(sha1(CSV), (response) => response.end(gzipSync(CSV)), changes);
    expect(await failureOf(provider.downloadBill('2026-11-22', 'trade'))).toMatchObject({
      outcome: 'unknown',
      code: 'unreadable_answer',
    });
    expect(urls(server)).toHaveLength(1);
  });

  (process.platform === 'linux' ? it : it.skip)('leaves no file open', async () => {
    const files = (): number => openFiles().length;
    const before = files();
    for (const hash of [sha1(CSV), sha1(gzipSync(CSV)), sha1(Buffer.from('another'))]) {
      const { provider } = await providerOf(hash, (response) => response.end(gzipSync(CSV)));
      await provider.downloadBill('2026-11-22', 'trade').then(
        (bill) => text(bill ?? undefined),
        () => undefined,
      );
    }
    for (let tries = 0; files() > before && tries < 50; tries += 1) await setTimeout(10);
    expect(files()).toBe(before);
  });

  it('may be given up half-way', async () => {
    const large = Buffer.alloc(4 * 1024 * 1024, 'line\n');
    const { provider } = await providerOf(sha1(large), (response) => response.end(gzipSync(large)));
    const bill = await provider.downloadBill('2026-11-22', 'trade');
    for await (const part of bill ?? []) {
      expect((part as Buffer).length).toBeGreaterThan(0);
      break;
    }
    expect(bill?.destroyed).toBe(true);
  });

  it('does not exist on a day without trade', async () => {
    expect(await (await refusing(400, 'NO_STATEMENT_EXIST')).downloadBill('2026-11-22', 'trade')).toBeNull();
  });

  it.each([
    ['is not ready yet: asked for again later', 'STATEMENT_CREATING', 'unknown'],
    ['is refused for good', 'PARAM_ERROR', 'rejected'],
  ])('%s', async (_what, code, outcome) => {
    const failure = await failureOf((await refusing(400, code)).downloadBill('2026-11-22', 'trade'));
    expect(failure).toMatchObject({ outcome, code });
  });

  it.each(['2026-1-2', '2026-11-221', '12026-11-22', 'x2026-11-22', ''])('has a day, which %p is not', async (day) => {
    await expect((await refusing(400, 'PARAM_ERROR')).downloadBill(day, 'trade')).rejects.toThrow(RangeError);
  });
});
