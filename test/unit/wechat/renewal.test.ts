import { jest } from '@jest/globals';
import { after, DAY, HOUR, ManualClock, MINUTE, SECOND } from '../../../src/common/clock.js';
import type { WechatClient } from '../../../src/provider/wechat/client.js';
import { KeyRing } from '../../../src/provider/wechat/key-ring.js';
import { CertificateRenewal, openCertificate, type RenewalOptions } from '../../../src/provider/wechat/renewal.js';
import type { WechatSettings } from '../../../src/provider/wechat/settings.js';
import type { SignatureFailure } from '../../../src/provider/wechat/signature.js';
import {
  API_V3_KEY,
  makeCertificate,
  NOW,
  otherPair,
  platformPair,
  seal,
  settingsOf,
  signatureHeaders,
  YEAR_FROM,
  YEAR_TO,
} from './support.js';

const FETCHED = { json: {} };
const DOWN = new Error('the channel is down');
const KEY = Buffer.from(API_V3_KEY);

const listed = ({ pem, serial }: { pem: string; serial: string }, changes: object = {}): Record<string, unknown> => ({
  serial_no: serial,
  effective_time: YEAR_FROM.toISOString(),
  expire_time: YEAR_TO.toISOString(),
  encrypt_certificate: seal(pem, 'certificate'),
  ...changes,
});
const issued = makeCertificate(platformPair, YEAR_FROM, YEAR_TO);
const successor = makeCertificate(otherPair, YEAR_FROM, YEAR_TO);

describe('platform certificates', () => {
  const open: CertificateRenewal[] = [];
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'performance'] });
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((renewal) => renewal.stop()));
    jest.useRealTimers();
  });

  /** What fetches them, and a channel that does as it is told. */
  function renewing(
    changes: Partial<WechatSettings> = { publicKey: null },
    options: RenewalOptions = { issuer: null },
  ): { renewal: CertificateRenewal; ring: KeyRing; clock: ManualClock; ask: jest.Mock<WechatClient['call']> } {
    const clock = new ManualClock(NOW);
    const ring = new KeyRing(settingsOf(changes), clock);
    const ask = jest.fn<WechatClient['call']>().mockResolvedValue(FETCHED);
    const renewal = new CertificateRenewal({ call: ask }, ring, clock, options);
    open.push(renewal);
    return { renewal, ring, clock, ask };
  }
  const pass = (milliseconds: number): Promise<void> => jest.advanceTimersByTimeAsync(milliseconds);
  const withOne = { publicKey: null, platformCerts: [issued.pem] };

  it('are fetched at the start, and every six hours', async () => {
    const { renewal, ask } = renewing();
    await renewal.start();
    expect(ask).toHaveBeenCalledTimes(1);
    await pass(6 * HOUR - 1);
    expect(ask).toHaveBeenCalledTimes(1);
    await pass(1);
    expect(ask).toHaveBeenCalledTimes(2);
    await pass(6 * HOUR);
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it('are fetched again after 30 seconds when that fails, then after twice the time, at last every half hour', async () => {
    const problems: string[] = [];
    const { renewal, ask } = renewing(withOne, { issuer: null, onProblem: (message) => problems.push(message) });
    ask.mockRejectedValue(DOWN);
    await renewal.start();
    await pass(0);
    const gaps: number[] = [];
    for (let gap = 0; gaps.length < 8; await pass(10 * SECOND), gap += 10) {
      if (ask.mock.calls.length === gaps.length + 1) continue;
      gaps.push(gap);
      gap = 0;
    }
    expect(gaps).toEqual([30, 60, 120, 240, 480, 960, 1800, 1800]);
    expect(problems[0]).toBe('platform certificates were not renewed: the channel is down');
    ask.mockReset().mockResolvedValue(FETCHED);
    await pass(30 * MINUTE);
    expect(ask).toHaveBeenCalledTimes(1);
    await pass(6 * HOUR - MINUTE);
    expect(ask).toHaveBeenCalledTimes(1);
    ask.mockRejectedValue(DOWN);
    await pass(MINUTE);
    await pass(30 * SECOND);
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it('are fetched before the first call of a process that does not renew, once however many calls there are', async () => {
    for (const settings of [{ publicKey: null }, withOne]) {
      const { renewal, ask } = renewing(settings);
      expect(ask).not.toHaveBeenCalled();
      await Promise.all([renewal.beforeCall(), renewal.beforeCall()]);
      await renewal.beforeCall();
      await pass(24 * HOUR);
      expect(ask).toHaveBeenCalledTimes(1);
    }
  });

  it('that cannot be fetched before a call are told once, and the call goes on', async () => {
    const problems: string[] = [];
    const { renewal, ask } = renewing(withOne, { issuer: null, onProblem: (message) => problems.push(message) });
    ask.mockRejectedValue(DOWN);
    await renewal.beforeCall();
    await renewal.beforeCall();
    expect([ask.mock.calls.length, problems]).toEqual([
      1,
      ['platform certificates were not renewed: the channel is down'],
    ]);
  });

  it('are not waited for before a call of the service, nor where the public key is used', async () => {
    const service = renewing(withOne);
    await service.renewal.start();
    await pass(0);
    expect([service.renewal.beforeCall(), service.ask.mock.calls.length]).toEqual([null, 1]);
    const keyed = renewing({});
    expect([keyed.renewal.beforeCall(), keyed.ask.mock.calls.length]).toEqual([null, 0]);
  });

  it('that cannot be fetched stop nobody, whether anybody is told or not', async () => {
    const { renewal, ask } = renewing();
    ask.mockRejectedValue(DOWN);
    await expect(renewal.start()).resolves.toBeUndefined();
  });

  it.each([
    ['waited for when nothing could be verified without them', { publicKey: null }, false],
    ['not waited for when there are some', withOne, true],
  ])('are %s', async (_what, settings, started) => {
    const { renewal, ask } = renewing(settings);
    let come = (): void => undefined;
    ask.mockReturnValue(new Promise((resolve) => (come = () => resolve(FETCHED))));
    let isStarted = false;
    void renewal.start().then(() => (isStarted = true));
    await pass(10);
    expect(isStarted).toBe(started);
    come();
    await pass(0);
    expect(isStarted).toBe(true);
  });

  it('are not fetched after the end, which waits for those under way', async () => {
    const { renewal, ask } = renewing(withOne);
    await renewal.start();
    await pass(0);
    let come = (): void => undefined;
    ask.mockReturnValue(new Promise((resolve) => (come = () => resolve(FETCHED))));
    await pass(6 * HOUR);
    expect(ask).toHaveBeenCalledTimes(2);
    let ended = false;
    void renewal.stop().then(() => (ended = true));
    await pass(10);
    expect(ended).toBe(false);
    come();
    await pass(0);
    expect(ended).toBe(true);
    renewal.requestEarlyRefresh();
    renewal.afterReload();
    await pass(24 * HOUR);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it('are not fetched when the time comes after the end', async () => {
    const { renewal, ask } = renewing(withOne);
    await renewal.start();
    await pass(0);
    await renewal.stop();
    await pass(24 * HOUR);
    expect(ask).toHaveBeenCalledTimes(1);
  });

  it('are not fetched before the start', async () => {
    const { renewal, ask } = renewing();
    renewal.requestEarlyRefresh();
    renewal.afterReload();
    await pass(24 * HOUR);
    expect(ask).not.toHaveBeenCalled();
  });

  it('are fetched sooner in a hurry, but not twice in five minutes, and six hours later again', async () => {
    const { renewal, clock, ask } = renewing(withOne);
    await renewal.start();
    await pass(3 * HOUR);
    for (const wait of [0, 5 * MINUTE - 1, 1]) {
      clock.advance(wait);
      renewal.requestEarlyRefresh();
      await pass(0);
    }
    expect(ask).toHaveBeenCalledTimes(3);
    await pass(6 * HOUR - 1);
    expect(ask).toHaveBeenCalledTimes(3);
    await pass(1);
    expect(ask).toHaveBeenCalledTimes(4);
  });

  it('are fetched after a change of keys', async () => {
    const { renewal, ask } = renewing(withOne);
    await renewal.start();
    renewal.afterReload();
    await pass(0);
    renewal.afterReload();
    await pass(0);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it('are not fetched where a public key is used alone', async () => {
    const { renewal, ask } = renewing({});
    await renewal.start();
    renewal.requestEarlyRefresh();
    await pass(24 * HOUR);
    expect(ask).not.toHaveBeenCalled();
  });

  it('are asked for by the public key, and by the name of no certificate', async () => {
    const another = makeCertificate(otherPair, YEAR_FROM, YEAR_TO).pem;
    const [alone, both] = [renewing(withOne), renewing({ platformCerts: [another] })];
    for (const { renewal } of [alone, both]) await renewal.renew();
    expect(alone.ask.mock.calls[0]?.[0].named).toBeNull();
    expect(both.ask.mock.calls[0]?.[0].named).toMatchObject({ from: 'public_key' });
  });

  describe('in a list', () => {
    /** What is made of a list that is signed with a key under a serial. */
    async function believed(
      list: object[],
      { pair = platformPair, serial = issued.serial, at = NOW } = {},
    ): Promise<{ failure: SignatureFailure | null; ring: KeyRing }> {
      const { renewal, ring, clock, ask } = renewing();
      clock.set(at);
      const body = Buffer.from(JSON.stringify({ data: list }));
      let failure: SignatureFailure | null = null;
      ask.mockImplementation(({ prove }) => {
        const headers = signatureHeaders(body, { key: pair.privateKey, serial, at });
        failure = prove?.({ status: 200, headers, body }) ?? null;
        return failure ? Promise.reject(new Error(failure)) : Promise.resolve(FETCHED);
      });
      await renewal.renew().catch(() => undefined);
      return { failure, ring };
    }

    it('prove the list that they came in, each by its own serial', async () => {
      const list = [listed(issued), listed(successor)];
      const { failure, ring } = await believed(list, { pair: otherPair, serial: successor.serial });
      expect(failure).toBeNull();
      expect([ring.find(issued.serial), ring.find(successor.serial)]).not.toContain(null);
    });

    it.each([
      ['has ended', YEAR_TO, 'unknown_serial'],
      ['has not', after(YEAR_TO, -1), null],
    ])('prove nothing when their time %s', async (_what, at, expected) => {
      expect((await believed([listed(issued)], { at })).failure).toBe(expected);
    });

    it('beyond twenty are not looked at', async () => {
      const list = [...Array.from({ length: 20 }, () => listed(issued)), listed(successor)];
      const { failure, ring } = await believed(list);
      expect(failure).toBeNull();
      expect(ring.find(successor.serial)).toBeNull();
    });
  });
});

describe('a certificate in a list', () => {
  const times = (changes: object): { effectiveAt: Date | null; expiresAt: Date | null } =>
    openCertificate(listed(issued, changes), KEY, null);

  it('ends when the list says so, if that is before it ends by itself', () => {
    const sooner = after(YEAR_TO, -DAY);
    expect(times({ expire_time: sooner.toISOString() }).expiresAt).toEqual(sooner);
    expect(times({ expire_time: after(YEAR_TO, DAY).toISOString() }).expiresAt).toEqual(YEAR_TO);
    expect(times({ expire_time: undefined }).expiresAt).toEqual(YEAR_TO);
  });

  it('begins when the list says so, or by itself', () => {
    const later = after(YEAR_FROM, DAY);
    expect(times({ effective_time: later.toISOString() }).effectiveAt).toEqual(later);
    expect(times({ effective_time: undefined }).effectiveAt).toEqual(YEAR_FROM);
  });

  it('is read where the names of its times end in a blank, as in the manual', () => {
    const sooner = after(YEAR_TO, -DAY);
    const entry = listed(issued, { expire_time: undefined, 'expire_time ': sooner.toISOString() });
    expect(openCertificate(entry, KEY, null).expiresAt).toEqual(sooner);
  });

  it.each([
    ['is called otherwise', listed(issued, { serial_no: successor.serial }), null, 'serial_no'],
    ['was issued by somebody else', listed(issued), 'Somebody', 'issuer'],
    ['is none', listed(issued, { encrypt_certificate: seal('hello', 'certificate') }), null, 'not a certificate'],
  ])('is not taken when it %s', (_what, entry, issuer, why) => {
    expect(() => openCertificate(entry, KEY, issuer)).toThrow(why);
  });

  it('is taken from its issuer', () => {
    expect(openCertificate(listed(issued), KEY, 'Tenpay.com').serial).toBe(issued.serial);
  });
});
