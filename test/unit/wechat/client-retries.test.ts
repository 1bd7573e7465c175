import type { ServerResponse } from 'node:http';
import { after, ManualClock, SECOND } from '../../../src/common/clock.js';
import type { WechatCallError } from '../../../src/provider/wechat/call-error.js';
import { type Call, type CallReport, WechatClient } from '../../../src/provider/wechat/client.js';
import { fromPublicKey, KeyRing } from '../../../src/provider/wechat/key-ring.js';
import type { WechatSettings } from '../../../src/provider/wechat/settings.js';
import { readAll, Transport } from '../../../src/provider/wechat/transport.js';
import {
  answer,
  NOW,
  otherPair,
  type Received,
  settingsOf,
  signatureHeaders,
  type StandIn,
  standIn,
} from './support.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

type Answering = (request: Received, response: ServerResponse, count: number) => void;
const well: Answering = (_request, response) => answer(response, 200, { from: 'here' });
const silent: Answering = () => undefined;
const breaking: Answering = (_request, response) => void response.destroy();
const refusing =
  (status: number, code: string, number = '268435461'): Answering =>
  (_request, response) => {
    response.setHeader('request-id', `08F5-${number}`);
    answer(response, status, { code });
  };
/** The first requests are answered like this, one after another, and all others well. */
const first =
  (...answerings: Answering[]): Answering =>
  (request, response, count) =>
    (answerings[count - 1] ?? well)(request, response, count);

async function server(answering: Answering): Promise<StandIn> {
  const one = await standIn(answering);
  open.push(one);
  return one;
}

interface Setting {
  client: WechatClient;
  main: StandIn;
  clock: ManualClock;
  reports: CallReport[];
  /** One entry for each time that somebody was told of an unknown serial. */
  unknownSerials: number[];
}

interface Wishes extends Partial<WechatSettings> {
  retryPauseMs?: number | null;
  /** Whether anybody hears of calls and serials. Default true. */
  heard?: boolean;
}

async function clientOf(answering: Answering, wishes: Wishes = {}): Promise<Setting> {
  const { retryPauseMs = 1, heard = true, ...changes } = wishes;
  const main = await server(answering);
  const settings = settingsOf({ baseUrl: main.url, ...changes });
  const transport = new Transport(settings);
  open.push(transport);
  const clock = new ManualClock(NOW);
  const reports: CallReport[] = [];
  const unknownSerials: number[] = [];
  const client = new WechatClient(settings, new KeyRing(settings, clock), transport, clock, {
    ...(retryPauseMs !== null && { retryPauseMs }),
    ...(heard && { onCall: (report) => reports.push(report), onUnknownSerial: () => unknownSerials.push(1) }),
  });
  return { client, main, clock, reports, unknownSerials };
}

const CALL: Call = { operation: 'query', method: 'GET', target: '/v3/pay/transactions/id/1' };

const failureOf = (call: Promise<unknown>): Promise<WechatCallError> =>
  call.then(
    () => Promise.reject(new Error('it went well')),
    (error: WechatCallError) => error,
  );
const told = (reports: CallReport[]): string[] => reports.map(({ outcome, code }) => `${outcome} ${code}`);

describe('the pause before a further try', () => {
  it('is between half and all of what was asked for, and twice that the next time', async () => {
    const times = new Map<string, number[]>();
    const { client } = await clientOf(
      (request, response) => {
        times.set(request.url, [...(times.get(request.url) ?? []), performance.now()]);
        answer(response, 500, { code: 'SYSTEM_ERROR' });
      },
      { retryPauseMs: 80 },
    );
    await Promise.all([1, 2, 3, 4, 5].map((n) => failureOf(client.call({ ...CALL, target: `/v3/${n}` }))));
    const pauses = [...times.values()].map(([one = NaN, two = NaN, three = NaN]) => [two - one, three - two] as const);
    expect(pauses).toHaveLength(5);
    // A timer may be a millisecond early, and a busy machine late: then at least one of them is not.
    expect(Math.min(...pauses.map(([once]) => once))).toBeGreaterThanOrEqual(39);
    expect(Math.min(...pauses.map(([once]) => once))).toBeLessThan(160);
    expect(Math.min(...pauses.map(([, twice]) => twice))).toBeGreaterThanOrEqual(79);
    expect(Math.min(...pauses.map(([, twice]) => twice))).toBeLessThan(320);
  });
});

describe('how often a call is sent', () => {
  it.each<[name: string, Answering, tries: number]>([
    ['once when a 400 is somebody else’s', (_q, response) => void response.writeHead(400).end('<html>'), 1],
    ['once when a 400 says nothing sure', refusing(400, 'SYSTEM_ERROR'), 1],
    ['once when a 499 says nothing sure', refusing(499, 'SYSTEM_ERROR'), 1],
    ['three times when a 500 says nothing sure', refusing(500, 'SYSTEM_ERROR'), 3],
    ['three times when the platform key it named is refused', refusing(400, 'PARAM_ERROR', '269546507'), 3],
  ])('is %s', async (_name, answering, tries) => {
    const { client, main } = await clientOf(answering);
    await failureOf(client.call(CALL));
    expect(main.received).toHaveLength(tries);
  });

  it('is not at all when too many are under way, and it does not come back by itself', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const waiting: Answering = (...asked) => void released.then(() => well(...asked));
    const { client, reports } = await clientOf(waiting, { maxConcurrency: 1 });
    // One runs, sixteen wait, and the eighteenth is the first to have an end.
    const calls = Array.from({ length: 18 }, () => client.call(CALL));
    const failure = await failureOf(Promise.race(calls));
    expect(failure).toMatchObject({ outcome: 'unknown', code: 'overloaded' });
    expect(failure.message).toBe('query: too many concurrent calls');
    release();
    const ends = await Promise.allSettled(calls);
    expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(reports.filter(({ code }) => code === 'overloaded')).toHaveLength(1);
  });

  it('is once when our own program fails, which is thrown on as it is', async () => {
    const { client, main, reports } = await clientOf(well);
    const fault = new TypeError('a fault of our own');
    const prove = (): never => {
      throw fault;
    };
    expect(await failureOf(client.call({ ...CALL, prove }))).toBe(fault);
    expect(main.received).toHaveLength(1);
    expect(told(reports)).toEqual(['unknown internal_error']);
  });
});

describe('the host of the next try', () => {
  it.each<[name: string, Answering, from: 'backup' | 'main']>([
    ['is the other after a broken connection', breaking, 'backup'],
    ['is the other after no answer in time', silent, 'backup'],
    ['is the other after a 502', (_q, response) => void response.writeHead(502).end(), 'backup'],
    ['is the other after a 503', (_q, response) => void response.writeHead(503).end(), 'backup'],
    ['is the same after a 500', (_q, response) => void response.writeHead(500).end(), 'main'],
    ['is the same after a 504', (_q, response) => void response.writeHead(504).end(), 'main'],
    ['is the same after an answer that is not proven', (_q, response) => void response.end('{}'), 'main'],
  ])('%s', async (_name, failing, from) => {
    const backup = await server((_request, response) => answer(response, 200, { from: 'backup' }));
    // Only where the time runs out on purpose may it run out soon.
    const timeouts = { connectMs: 100, answerMs: failing === silent ? 200 : 5_000 };
    const { client } = await clientOf(
      first(failing, (_request, response) => answer(response, 200, { from: 'main' })),
      { backupBaseUrl: backup.url, timeouts },
    );
    expect(await client.call(CALL)).toEqual({ json: { from } });
  });

  it('changes with each network failure, beginning with the main one', async () => {
    const backup = await server(breaking);
    const { client, main } = await clientOf(first(breaking, well), { backupBaseUrl: backup.url });
    expect(await client.call(CALL)).toEqual({ json: { from: 'here' } });
    expect([main.received.length, backup.received.length]).toEqual([2, 1]);
  });

  it('is the main one again when the backup fails within the minute that calls begin there', async () => {
    const backup = await server(first(well, breaking));
    const { client, main } = await clientOf(first(breaking), { backupBaseUrl: backup.url });
    await client.call(CALL);
    await client.call(CALL);
    expect([main.received.length, backup.received.length]).toEqual([2, 2]);
  });

  it('is never the backup while the main one answers, in whatever way', async () => {
    const backup = await server(well);
    const { client, main } = await clientOf(first(refusing(500, 'SYSTEM_ERROR')), { backupBaseUrl: backup.url });
    for (let call = 1; call <= 3; call += 1) await client.call(CALL);
    expect([main.received.length, backup.received.length]).toEqual([4, 0]);
  });

  it('is the backup for a minute to the millisecond, which its own successes do not make longer', async () => {
    const backup = await server(well);
    const { client, main, clock } = await clientOf(
      first(breaking, (_q, response) => answer(response, 200, { from: 'main' }, { at: after(NOW, 60 * SECOND) })),
      { backupBaseUrl: backup.url },
    );
    await client.call(CALL);
    clock.advance(60 * SECOND - 1);
    await client.call(CALL);
    expect([main.received.length, backup.received.length]).toEqual([1, 2]);
    clock.advance(1);
    expect(await client.call(CALL)).toEqual({ json: { from: 'main' } });
  });
});

describe('the platform key that a call names', () => {
  const named = fromPublicKey('PUB_KEY_ID_OF_ANOTHER', otherPair.publicPem);

  it.each([
    ['is none when none is wanted', null, undefined],
    ['is the one that is wanted', named, named.serial],
    ['is the preferred one otherwise', undefined, settingsOf().publicKey?.id],
  ])('%s', async (_name, key, serial) => {
    const { client, main } = await clientOf(well);
    await client.call(key === undefined ? CALL : { ...CALL, named: key });
    expect(main.received.map(({ headers }) => headers['wechatpay-serial'])).toEqual([serial]);
  });

  const strange: Answering = (_q, response) => {
    const body = Buffer.from('{}');
    response.writeHead(200, signatureHeaders(body, { serial: 'PUB_KEY_ID_OF_NOBODY' })).end(body);
  };
  const changed: Answering = (_q, response) => {
    response.writeHead(200, signatureHeaders(Buffer.from('{}'))).end('{"a":1}');
  };
  const keyless: Partial<WechatSettings> = { publicKey: null };

  it.each<[name: string, Answering, Partial<WechatSettings>, code: string, times: number]>([
    ['is told when WeChat refuses it', refusing(400, 'PARAM_ERROR', '269546507'), {}, 'PLATFORM_SERIAL_REFUSED', 1],
    ['is told when the answer names one that is not known', strange, {}, 'unverified_answer', 1],
    ['is told when there is none yet', well, keyless, 'no_platform_key', 1],
    ['is no matter when another thing is refused', refusing(400, 'PARAM_ERROR'), {}, 'PARAM_ERROR', 0],
    ['is no matter when the signature does not fit', changed, {}, 'unverified_answer', 0],
  ])('%s, whether somebody hears it or not', async (_name, answering, changes, code, times) => {
    const loud = await clientOf(answering, changes);
    expect(await failureOf(loud.client.call({ ...CALL, attempts: 1 }))).toMatchObject({ code });
    expect(loud.unknownSerials).toHaveLength(times);
    const silent = await clientOf(answering, { ...changes, heard: false });
    expect(await failureOf(silent.client.call({ ...CALL, attempts: 1 }))).toMatchObject({ code });
  });
});

describe('the report of a try', () => {
  it.each<[name: string, Answering, outcome: string]>([
    ['went well', well, 'ok null'],
    ['was refused for sure', refusing(400, 'PARAM_ERROR'), 'rejected PARAM_ERROR'],
    ['has no sure end', refusing(500, 'SYSTEM_ERROR'), 'unknown SYSTEM_ERROR'],
  ])('says that it %s, when, and how long it took', async (_name, answering, outcome) => {
    const { client, reports } = await clientOf((...asked) => void setTimeout(() => answering(...asked), 30));
    const began = performance.now();
    await client.call({ ...CALL, attempts: 1 }).catch(() => undefined);
    expect(told(reports)).toEqual([outcome]);
    expect(reports[0]?.milliseconds).toBeGreaterThan(25);
    expect(reports[0]?.milliseconds).toBeLessThan(performance.now() - began);
    expect(reports[0]?.clockSkewMs).toBe(500);
  });
});

describe('a download', () => {
  const sent: Answering = (_q, response) => void response.writeHead(200, { date: NOW.toUTCString() }).end('a,b\n');

  it('goes to the address given, signed, and hands over what comes without a proof', async () => {
    const { client, main, reports } = await clientOf(sent);
    const body = await client.download('bill_download', new URL('/v3/file?token=a%2Bb', main.url));
    expect((await readAll('bill_download', body, 100)).toString()).toBe('a,b\n');
    expect(main.received).toMatchObject([{ method: 'GET', url: '/v3/file?token=a%2Bb', body: '' }]);
    expect(main.received[0]?.headers.authorization).toMatch(/^WECHATPAY2-SHA256-RSA2048 mchid=/);
    expect(told(reports)).toEqual(['ok null']);
    expect(reports[0]).toMatchObject({ operation: 'bill_download', clockSkewMs: 500 });
  });

  it.each<[name: string, Answering, outcome: 'rejected' | 'unknown', code: string]>([
    ['it is refused', refusing(400, 'PARAM_ERROR'), 'rejected', 'PARAM_ERROR'],
    ['it is not there', (_q, response) => void response.writeHead(404).end(), 'unknown', 'http_404'],
    ['nothing comes', (_q, response) => void response.writeHead(204).end(), 'unknown', 'http_204'],
    ['a part comes', (_q, response) => void response.writeHead(206).end('a,'), 'unknown', 'http_206'],
    ['it is elsewhere', (_q, response) => void response.writeHead(302, { location: '/' }).end(), 'unknown', 'http_302'],
    [
      'it is refused at length',
      (_q, response) => void response.writeHead(400).end(Buffer.alloc(64 * 1024 + 1)),
      'unknown',
      'answer_too_large',
    ],
    ['the connection breaks', breaking, 'unknown', 'network_failure'],
  ])('fails once and is reported when %s', async (_name, answering, outcome, code) => {
    const { client, main, reports } = await clientOf(answering);
    const failure = await failureOf(client.download('bill_download', new URL('/v3/file', main.url)));
    expect(failure).toMatchObject({ name: 'WechatCallError', outcome, code });
    expect(main.received).toHaveLength(1);
    expect(told(reports)).toEqual([`${outcome} ${code}`]);
  });
});
