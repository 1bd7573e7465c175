import { ServerResponse } from 'node:http';
import { after, DAY, HOUR, ManualClock } from '../../../src/common/clock.js';
import { fromCertificate, issuerOf, KeyRing, PlatformKey } from '../../../src/provider/wechat/key-ring.js';
import { WechatV3Provider } from '../../../src/provider/wechat/wechat-v3.provider.js';
import {
  answer,
  callbackOf,
  makeCertificate,
  makePair,
  merchantPair,
  notice,
  NOW,
  ORDER,
  otherPair,
  PAID,
  Pair,
  platformPair,
  PUBLIC_KEY_ID,
  Received,
  seal,
  settingsOf,
  StandIn,
  standIn,
  YEAR_FROM,
  YEAR_TO,
} from './support.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

interface Issued {
  pem: string;
  serial: string;
  pair: Pair;
  from: Date;
}

function issue(pair: Pair, from: Date, to = YEAR_TO): Issued {
  return { ...makeCertificate(pair, from, to), pair, from };
}

/** WeChat Pay in certificate mode: lists certificates, and signs with the one named `signing`. */
class CertificateSide {
  listed: Issued[] = [];
  signing!: Issued;
  now = NOW;

  respond(request: Received, response: ServerResponse): void {
    const signedAs = { key: this.signing.pair.privateKey, serial: this.signing.serial, at: this.now };
    if (request.url !== '/v3/certificates') return answer(response, 200, PAID, signedAs);
    const data = this.listed.map(({ pem, serial, from }) => ({
      serial_no: serial,
      'effective_time ': from.toISOString(), // the blank is the manual's own
      expire_time: YEAR_TO.toISOString(),
      encrypt_certificate: seal(pem, 'certificate'),
    }));
    answer(response, 200, { data }, signedAs);
  }
}

async function providerOf(
  side: { respond(request: Received, response: ServerResponse): void },
  clock: ManualClock,
  changes: Parameters<typeof settingsOf>[0],
): Promise<{ provider: WechatV3Provider; server: StandIn; problems: string[] }> {
  const server = await standIn((request, response) => side.respond(request, response));
  const problems: string[] = [];
  const provider = new WechatV3Provider(settingsOf({ baseUrl: server.url, ...changes }), clock, {
    retryPauseMs: 1,
    onProblem: (message) => problems.push(message),
  });
  open.push(provider, server);
  return { provider, server, problems };
}

const asked = (server: StandIn, path: string): Received[] => server.received.filter(({ url }) => url.startsWith(path));

/** A certificate as the channel's list gave it. */
const fetched = ({ pem }: { pem: string }, changes: Partial<PlatformKey> = {}): PlatformKey => ({
  ...fromCertificate(pem, 'downloaded'),
  ...changes,
});
const serials = (keys: readonly PlatformKey[]): string[] => keys.map(({ serial }) => serial);

describe('the key ring', () => {
  const clock = new ManualClock(NOW);
  const older = makeCertificate(platformPair, YEAR_FROM, YEAR_TO);
  const newer = makeCertificate(otherPair, after(YEAR_FROM, DAY), YEAR_TO);
  const coming = makeCertificate(otherPair, after(NOW, DAY), YEAR_TO);
  const ended = makeCertificate(otherPair, after(NOW, -400 * DAY), after(NOW, -DAY));

  it('asks for the public key when there is one', () => {
    const ring = new KeyRing(settingsOf({ platformCerts: [newer.pem] }), clock);
    expect(ring.preferred()?.serial).toBe(PUBLIC_KEY_ID);
    expect(ring.usesCertificates).toBe(true);
    expect(new KeyRing(settingsOf(), clock).usesCertificates).toBe(false);
  });

  it('asks for the certificate that became effective last, but not before it did', () => {
    const ring = new KeyRing(settingsOf({ publicKey: null, platformCerts: [newer.pem, coming.pem, older.pem] }), clock);
    expect(ring.preferred()?.serial).toBe(newer.serial);
  });

  it('finds by exact serial only, and never what has ended', () => {
    const ring = new KeyRing(settingsOf({ publicKey: null, platformCerts: [older.pem, ended.pem] }), clock);
    expect(ring.find(older.serial)).not.toBeNull();
    expect(ring.find(older.serial.toLowerCase())).toBeNull();
    expect(ring.find(older.serial.slice(1))).toBeNull();
    expect(ring.find(ended.serial)).toBeNull();
  });

  it('warns of the newest platform certificate and the merchant certificate, thirty days before they end', () => {
    const mine = makeCertificate(merchantPair, YEAR_FROM, after(NOW, 29 * DAY));
    const platformCerts = [older.pem, newer.pem];
    const own = { merchantCert: mine.pem, serialNo: mine.serial };
    const ring = new KeyRing(settingsOf({ publicKey: null, platformCerts, ...own }), clock);
    expect(ring.expiryWarnings(NOW)).toEqual([
      { what: 'merchant_certificate', serial: mine.serial, expiresAt: after(NOW, 29 * DAY), days: 29 },
    ]);
    expect(ring.expiryWarnings(after(YEAR_TO, -29 * DAY)).map(({ what }) => what)).toEqual([
      'merchant_certificate',
      'platform_certificate',
    ]);
  });

  it('reloads all or nothing', () => {
    const ring = new KeyRing(settingsOf(), clock);
    const before = ring.merchant;
    expect(() => ring.reload(settingsOf({ privateKey: 'no key', apiV3Key: 'short' }))).toThrow(
      /WECHAT_PAY_PRIVATE_KEY holds no key in PEM form.*\nWECHAT_PAY_API_V3_KEY must be 32 bytes, not 5/,
    );
    expect(ring.merchant).toBe(before);
    ring.reload(settingsOf({ publicKey: null, platformCerts: [older.pem] }));
    expect(ring.find(PUBLIC_KEY_ID)).toBeNull();
    expect(ring.find(older.serial)).not.toBeNull();
  });

  it('writes the serial of the merchant certificate in upper case, as WeChat does', () => {
    expect(new KeyRing(settingsOf({ serialNo: 'abcdef0123456789' }), clock).merchant.serialNo).toBe('ABCDEF0123456789');
  });

  it('keeps what was fetched over a reload while certificates are in use, and forgets it when they are not', () => {
    const ring = new KeyRing(settingsOf({ publicKey: null }), clock);
    ring.addDownloaded([fetched(newer)]);
    ring.reload(settingsOf({ publicKey: null, platformCerts: [older.pem] }));
    expect(serials(ring.validKeys())).toEqual([older.serial, newer.serial]);
    ring.reload(settingsOf());
    expect(serials(ring.validKeys())).toEqual([PUBLIC_KEY_ID]);
    expect(ring.find(newer.serial)).toBeNull();
  });

  it('believes the last list: an end that was moved forward counts', () => {
    const moving = new ManualClock(NOW);
    const ring = new KeyRing(settingsOf({ publicKey: null }), moving);
    ring.addDownloaded([fetched(newer)]);
    ring.addDownloaded([fetched(newer, { expiresAt: after(NOW, HOUR) })]);
    expect(ring.find(newer.serial)).not.toBeNull();
    moving.advance(HOUR);
    expect(ring.find(newer.serial)).toBeNull();
    expect(ring.validKeys()).toEqual([]);
  });

  it('uses a certificate from the very moment on from which it is valid', () => {
    const moving = new ManualClock(after(NOW, DAY - 1));
    const ring = new KeyRing(settingsOf({ publicKey: null, platformCerts: [older.pem, coming.pem] }), moving);
    expect(ring.preferred()?.serial).toBe(older.serial);
    moving.advance(1);
    expect(ring.preferred()?.serial).toBe(coming.serial);
  });

  it('asks for the one listed later of two that became effective together', () => {
    const ring = new KeyRing(settingsOf({ publicKey: null }), clock);
    const twin = makeCertificate(otherPair, YEAR_FROM, YEAR_TO);
    for (const list of [
      [older, twin],
      [twin, older],
    ]) {
      ring.addDownloaded(list.map((one) => fetched(one)));
      expect(ring.preferred()?.serial).toBe(list[1]?.serial);
    }
  });

  it('never asks for, nor counts as valid, what has ended', () => {
    const ring = new KeyRing(settingsOf({ publicKey: null, platformCerts: [ended.pem] }), clock);
    expect(ring.validKeys()).toEqual([]);
    expect(ring.preferred()).toBeNull();
  });

  it('knows of no end where there is only the public key', () => {
    expect(new KeyRing(settingsOf(), clock).expiries(NOW)).toEqual([]);
  });

  it('does not warn yet on the thirtieth day before an end', () => {
    const ring = new KeyRing(settingsOf({ publicKey: null, platformCerts: [older.pem] }), clock);
    const end = { what: 'platform_certificate', serial: older.serial, expiresAt: YEAR_TO };
    expect(ring.expiryWarnings(after(YEAR_TO, -30 * DAY))).toEqual([]);
    expect(ring.expiries(after(YEAR_TO, -30 * DAY))).toEqual([{ ...end, days: 30 }]);
    expect(ring.expiryWarnings(after(YEAR_TO, 1 - 30 * DAY))).toEqual([{ ...end, days: 29 }]);
  });
});

describe('a certificate', () => {
  const commonName = (value: string) => ({ name: 'commonName', value });
  const organisation = (value: string) => ({ name: 'organizationName', value });

  it.each([
    ['its O=', [commonName('sign'), organisation('Tenpay.com')], 'Tenpay.com'],
    ['nothing without one', [commonName('Tenpay.com')], ''],
    ['not what another field pretends', [commonName('O=Tenpay.com'), organisation('Somebody')], 'Somebody'],
  ])('names as the organisation of its issuer %s', (_what, issuer, expected) => {
    expect(issuerOf(makeCertificate(otherPair, YEAR_FROM, YEAR_TO, issuer).pem)).toBe(expected);
  });
});

describe('certificates', () => {
  it('are fetched at the start when there is none: opened first, then proven with what came out', async () => {
    const side = new CertificateSide();
    side.listed = [(side.signing = issue(platformPair, YEAR_FROM))];
    const { provider, server } = await providerOf(side, new ManualClock(NOW), { publicKey: null });
    await provider.start();
    expect(await provider.queryPayment(ORDER)).toMatchObject({ state: 'succeeded' });
    expect(asked(server, '/v3/certificates')[0]?.headers['wechatpay-serial']).toBeUndefined();
    expect(asked(server, '/v3/pay')[0]?.headers['wechatpay-serial']).toBe(side.signing.serial);
  });

  it('are not believed when the list is signed by none of them', async () => {
    const side = new CertificateSide();
    const listed = issue(platformPair, YEAR_FROM);
    side.listed = [listed];
    side.signing = { ...listed, pair: otherPair };
    const { provider, problems, server } = await providerOf(side, new ManualClock(NOW), { publicKey: null });
    await provider.start();
    expect(problems).toEqual([expect.stringContaining('bad_signature')]);
    await expect(provider.queryPayment(ORDER)).rejects.toMatchObject({ outcome: 'unknown', code: 'no_platform_key' });
    expect(asked(server, '/v3/pay')).toHaveLength(0);
  });

  it('are not believed when they were sealed with another key', async () => {
    const side = new CertificateSide();
    side.listed = [(side.signing = issue(platformPair, YEAR_FROM))];
    const changes = { publicKey: null, apiV3Key: 'AnotherTestApiV3KeyOf32Bytes0000' };
    const { provider, problems } = await providerOf(side, new ManualClock(NOW), changes);
    await provider.start();
    expect(problems).toEqual([expect.stringContaining('cannot be decrypted')]);
  });

  it('rotate: the new one is learned in the background and both verify while both live', async () => {
    const clock = new ManualClock(NOW);
    const side = new CertificateSide();
    const old = issue(platformPair, YEAR_FROM);
    side.listed = [(side.signing = old)];
    const { provider, server } = await providerOf(side, clock, { publicKey: null, platformCerts: [old.pem] });
    await provider.start();
    await provider.renewCertificates();

    const fresh = issue(makePair(), after(YEAR_FROM, DAY));
    side.listed = [old, fresh];
    await provider.renewCertificates();
    side.signing = fresh;
    expect(await provider.queryPayment(ORDER)).toMatchObject({ state: 'succeeded' });
    expect(asked(server, '/v3/pay').at(-1)?.headers['wechatpay-serial']).toBe(fresh.serial);
    const body = notice('TRANSACTION.SUCCESS', PAID);
    for (const { pair, serial } of [old, fresh]) {
      expect(await provider.readCallback(callbackOf(body, { key: pair.privateKey, serial }))).toMatchObject({
        kind: 'payment',
      });
    }
  });

  it('are never asked for because a callback named an unknown serial', async () => {
    const side = new CertificateSide();
    side.listed = [(side.signing = issue(platformPair, YEAR_FROM))];
    const { provider, server } = await providerOf(side, new ManualClock(NOW), { publicKey: null });
    await provider.start();
    const before = server.received.length;
    const forged = callbackOf(notice('TRANSACTION.SUCCESS', PAID), {
      serial: '5157F09EFDC096DE15EBE81A47057A7232F1B8E1',
    });
    for (let i = 0; i < 20; i += 1)
      await expect(provider.readCallback(forged)).rejects.toMatchObject({ code: 'unknown_serial' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.received).toHaveLength(before);
  });

  it('are asked for because an answer named an unknown serial, without being told to', async () => {
    const side = new CertificateSide();
    const old = issue(platformPair, YEAR_FROM);
    side.listed = [(side.signing = old)];
    const { provider } = await providerOf(side, new ManualClock(NOW), { publicKey: null });
    await provider.start();
    const fresh = issue(otherPair, after(YEAR_FROM, DAY));
    side.listed = [old, fresh];
    side.signing = fresh;
    const states: string[] = [];
    for (let tries = 0; states.length === 0 && tries < 20; tries += 1) {
      await provider.queryPayment(ORDER).then(
        ({ state }) => states.push(state),
        () => undefined,
      );
    }
    expect(states).toEqual(['succeeded']);
  });

  it('are asked for at most once in five minutes because an answer named an unknown serial', async () => {
    const clock = new ManualClock(NOW);
    const side = new CertificateSide();
    const old = issue(platformPair, YEAR_FROM);
    side.listed = [(side.signing = old)];
    const { provider, server } = await providerOf(side, clock, { publicKey: null });
    await provider.start();
    const fresh = issue(otherPair, after(YEAR_FROM, DAY));
    side.signing = fresh; // signed with what is not listed: no renewal helps
    await expect(provider.queryPayment(ORDER)).rejects.toMatchObject({ code: 'unverified_answer' });
    await expect(provider.queryPayment(ORDER)).rejects.toMatchObject({ code: 'unverified_answer' });
    await provider.renewCertificates().catch(() => undefined);
    const hurried = asked(server, '/v3/certificates').length;
    await expect(provider.queryPayment(ORDER)).rejects.toMatchObject({ code: 'unverified_answer' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(asked(server, '/v3/certificates')).toHaveLength(hurried);
  });

  it('that left the list verify to their end, but are not asked for any more', async () => {
    const side = new CertificateSide();
    const old = issue(platformPair, YEAR_FROM);
    const withdrawn = issue(otherPair, after(YEAR_FROM, DAY));
    side.listed = [old, withdrawn];
    side.signing = old;
    const { provider, server } = await providerOf(side, new ManualClock(NOW), { publicKey: null });
    await provider.start();
    side.listed = [old];
    await provider.renewCertificates();
    await provider.queryPayment(ORDER);
    expect(asked(server, '/v3/pay').at(-1)?.headers['wechatpay-serial']).toBe(old.serial);
    const late = callbackOf(notice('TRANSACTION.SUCCESS', PAID), {
      key: otherPair.privateKey,
      serial: withdrawn.serial,
    });
    expect(await provider.readCallback(late)).toMatchObject({ kind: 'payment' });
  });

  it('are not fetched at all in pure public-key mode', async () => {
    const side = { respond: (_request: Received, response: ServerResponse) => answer(response, 200, PAID) };
    const { provider, server } = await providerOf(side, new ManualClock(NOW), {});
    await provider.start();
    await provider.queryPayment(ORDER);
    expect(asked(server, '/v3/certificates')).toHaveLength(0);
  });

  it('that have ended leave nothing to verify with until new ones came', async () => {
    const clock = new ManualClock(NOW);
    const side = new CertificateSide();
    const old = issue(platformPair, YEAR_FROM, after(NOW, HOUR));
    side.listed = [(side.signing = old)];
    const { provider } = await providerOf(side, clock, { publicKey: null });
    await provider.start();
    clock.advance(HOUR);
    side.now = clock.now();
    await expect(provider.queryPayment(ORDER)).rejects.toMatchObject({ outcome: 'unknown' });
    side.listed = [(side.signing = issue(otherPair, NOW))];
    await provider.renewCertificates();
    expect(await provider.queryPayment(ORDER)).toMatchObject({ state: 'succeeded' });
  });

  it('come into use by a reload, without a restart', async () => {
    const side = new CertificateSide();
    side.listed = [(side.signing = issue(otherPair, YEAR_FROM))];
    const { provider, server } = await providerOf(side, new ManualClock(NOW), {});
    await provider.start();
    await expect(provider.queryPayment(ORDER)).rejects.toMatchObject({ code: 'unverified_answer' });
    const settings = settingsOf({ baseUrl: server.url, publicKey: null, platformCerts: [side.signing.pem] });
    provider.reload(settings);
    expect(await provider.queryPayment(ORDER)).toMatchObject({ state: 'succeeded' });
    expect(() => provider.reload({ ...settings, mchid: '1900000001' })).toThrow(
      'mchid cannot change without a restart',
    );
  });
});
