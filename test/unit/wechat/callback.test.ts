import { ManualClock } from '../../../src/common/clock.js';
import { CallbackFact, CallbackRefused, RawCallback } from '../../../src/provider/payment-provider.js';
import { readCallback } from '../../../src/provider/wechat/callback.js';
import { KeyRing } from '../../../src/provider/wechat/key-ring.js';
import {
  callbackOf,
  makeCertificate,
  notice,
  NOW,
  otherPair,
  PAID,
  platformPair,
  REFUNDED,
  seal,
  settingsOf,
  vectors,
  vectorText,
  YEAR_FROM,
  YEAR_TO,
} from './support.js';

const clock = new ManualClock(NOW);
const ring = new KeyRing(settingsOf(), clock);

function read(callback: RawCallback): CallbackFact {
  return readCallback(callback, ring, clock);
}

function refusal(callback: RawCallback): [string, string] {
  try {
    read(callback);
  } catch (error) {
    if (error instanceof CallbackRefused) return [error.reason, error.code];
    throw error;
  }
  throw new Error('it was accepted');
}

const genuine = (): RawCallback => callbackOf(notice('TRANSACTION.SUCCESS', PAID));
const withHeader = (name: string, value: string | undefined): RawCallback => {
  const callback = genuine();
  return { ...callback, headers: { ...callback.headers, [name]: value } };
};
const withResource = (change: Record<string, unknown>): RawCallback => {
  const body = notice('TRANSACTION.SUCCESS', PAID);
  return callbackOf({ ...body, resource: { ...(body.resource as object), ...change } });
};

describe('genuine notices', () => {
  it('says what was paid: the total with coupons, and who says it', () => {
    expect(read(genuine())).toEqual({
      kind: 'payment',
      eventType: 'TRANSACTION.SUCCESS',
      notificationId: 'EV-2018022511223320873',
      payment: {
        outTradeNo: PAID.out_trade_no,
        state: 'succeeded',
        transactionId: PAID.transaction_id,
        amountFen: 1990,
        currency: 'CNY',
        paidAt: new Date('2026-11-23T03:59:58Z'),
        account: { mchid: '1900007291', appid: 'wx2421b1c4370ec43b' },
      },
    });
  });

  it.each([
    ['SUCCESS', 'succeeded'],
    ['CLOSED', 'closed'],
    ['ABNORMAL', 'abnormal'],
  ])('says that a refund is %s, by its refund_status', (status, state) => {
    const fact = read(callbackOf(notice(`REFUND.${status}`, { ...REFUNDED, refund_status: status }, 'refund')));
    expect(fact).toMatchObject({
      kind: 'refund',
      refund: {
        outRefundNo: REFUNDED.out_refund_no,
        state,
        refundId: REFUNDED.refund_id,
        amountFen: 500,
        totalFen: 1990,
        currency: null,
        succeededAt: state === 'succeeded' ? new Date('2026-11-23T03:59:58Z') : null,
        mchid: '1900007291',
      },
    });
  });

  it('hands on what must be compared with the order, even when it is of another merchant', () => {
    const fact = read(
      callbackOf(
        notice('TRANSACTION.SUCCESS', {
          ...PAID,
          mchid: '1900000001',
          appid: 'wxother',
          amount: { total: 1, currency: 'USD' },
        }),
      ),
    );
    expect(fact).toMatchObject({
      payment: { account: { mchid: '1900000001', appid: 'wxother' }, amountFen: 1, currency: 'USD' },
    });
  });

  it('takes a notice without associated data', () => {
    expect(read(withResource(seal(JSON.stringify(PAID), '')))).toMatchObject({ kind: 'payment' });
  });

  it('takes a notice whose signature type is not named', () => {
    expect(read(withHeader('wechatpay-signature-type', undefined))).toMatchObject({ kind: 'payment' });
  });

  it('ignores genuine notices of other products, whatever is in them', () => {
    expect(read(callbackOf({ id: 'EV-1', event_type: 'COUPON.USE', resource: { ciphertext: 7 } }))).toEqual({
      kind: 'ignored',
      eventType: 'COUPON.USE',
      notificationId: 'EV-1',
    });
  });

  it('still reads one that is a second short of five minutes old, and none that is five minutes old', () => {
    const body = notice('TRANSACTION.SUCCESS', PAID);
    const aged = (seconds: number): RawCallback => callbackOf(body, { at: new Date(NOW.getTime() + seconds * 1000) });
    expect(read(aged(-299))).toMatchObject({ kind: 'payment' });
    expect(read(aged(299))).toMatchObject({ kind: 'payment' });
    expect(refusal(aged(-300))).toEqual(['unverified', 'clock_skew']);
    expect(refusal(aged(300))).toEqual(['unverified', 'clock_skew']);
  });
});

describe('the callback that an official SDK publishes', () => {
  const vector = vectors<{ vectors: { headers: Record<string, string>; body: string; verify_key: string }[] }>(
    'responses-and-callbacks.json',
  ).vectors[0]!;
  const headers = Object.fromEntries(
    Object.entries(vector.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const at = new ManualClock(new Date(1624523846_000));
  const settings = settingsOf({ publicKey: null, platformCerts: [vectorText(vector.verify_key)] });
  const published = new KeyRing(settings, at);

  it('verifies with the certificate it names, while the clock stands at its time', () => {
    const fact = readCallback({ headers, body: Buffer.from(vector.body) }, published, at);
    expect(fact).toMatchObject({ kind: 'ignored', eventType: 'PAYSCORE.USER_OPEN_SERVICE' });
  });

  it('is refused five minutes later, and with one character changed', () => {
    const later = new ManualClock(new Date(1624523846_000 + 300_000));
    expect(() => readCallback({ headers, body: Buffer.from(vector.body) }, published, later)).toThrow(/five minutes/);
    const changed = Buffer.from(vector.body.replace('签约成功', '签约失败'));
    expect(() => readCallback({ headers, body: changed }, published, at)).toThrow(/signature/);
  });
});

describe('hostile callbacks prove nothing', () => {
  const body = notice('TRANSACTION.SUCCESS', PAID);
  const raw = Buffer.from(JSON.stringify(body));
  const flipped = (): RawCallback => {
    const { headers, body: bytes } = genuine();
    const changed = Buffer.from(bytes);
    changed[40] = (changed[40] ?? 0) ^ 0x20;
    return { headers, body: changed };
  };

  const unverified: [string, () => RawCallback, string][] = [
    ['signed by somebody else', () => callbackOf(body, { key: otherPair.privateKey }), 'bad_signature'],
    ['a serial that nobody knows', () => callbackOf(body, { serial: 'PUB_KEY_ID_1' }), 'unknown_serial'],
    [
      'our serial in other letters',
      () => callbackOf(body, { serial: 'pub_key_id_0115635139512024101100397200000006' }),
      'unknown_serial',
    ],
    ['replayed an hour later', () => callbackOf(body, { at: new Date(NOW.getTime() - 3_600_000) }), 'clock_skew'],
    ['from the year 2001', () => callbackOf(body, { at: new Date('2001-01-01') }), 'clock_skew'],
    ['no signature', () => withHeader('wechatpay-signature', undefined), 'missing_header'],
    ['no serial', () => withHeader('wechatpay-serial', undefined), 'missing_header'],
    ['no nonce', () => withHeader('wechatpay-nonce', undefined), 'missing_header'],
    ['no timestamp', () => withHeader('wechatpay-timestamp', undefined), 'missing_header'],
    ['a timestamp that is no number', () => withHeader('wechatpay-timestamp', '1e9'), 'missing_header'],
    ['a timestamp sent twice', () => withHeader('wechatpay-timestamp', '1, 1'), 'missing_header'],
    ['a serial sent twice', () => withHeader('wechatpay-serial', 'PUB_KEY_ID_1, PUB_KEY_ID_1'), 'missing_header'],
    ['a nonce with a line break', () => withHeader('wechatpay-nonce', 'a\nb'), 'missing_header'],
    ['a signature with a blank before it', () => withHeader('wechatpay-signature', ' YQ=='), 'missing_header'],
    ['a signature with a blank behind it', () => withHeader('wechatpay-signature', 'YQ== '), 'missing_header'],
    ['a signature without end', () => withHeader('wechatpay-signature', 'A'.repeat(4097)), 'missing_header'],
    [
      'Chinese ciphers',
      () => withHeader('wechatpay-signature-type', 'WECHATPAY2-SM2-WITH-SM3'),
      'unsupported_signature_type',
    ],
    ['an empty signature type', () => withHeader('wechatpay-signature-type', ''), 'unsupported_signature_type'],
    ['a signature that is not Base64', () => withHeader('wechatpay-signature', '%%%'), 'bad_signature'],
    [
      'a signature probe',
      () => withHeader('wechatpay-signature', `WECHATPAY/SIGNTEST/${'c0k+ZP6c'.repeat(40)}`),
      'signature_probe',
    ],
    ['a flipped bit in the body', flipped, 'bad_signature'],
    ['a truncated body', () => ({ ...callbackOf(raw), body: raw.subarray(0, -1) }), 'bad_signature'],
    ['an empty body under another signature', () => ({ ...callbackOf(raw), body: Buffer.alloc(0) }), 'bad_signature'],
    [
      'a body written again by a helpful proxy',
      () => ({ ...callbackOf(raw), body: Buffer.from(JSON.stringify(body, null, 1)) }),
      'bad_signature',
    ],
    [
      'a body in another charset',
      () => ({ ...callbackOf(raw), body: Buffer.from(raw.toString(), 'utf16le') }),
      'bad_signature',
    ],
    ['a line moved from the body into the nonce', () => movedLine(raw), 'missing_header'],
  ];
  it.each(unverified)('%s', (_name, callback, code) => {
    expect(refusal(callback())).toEqual(['unverified', code]);
  });

  const bomb = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
  const deep = `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`;
  const zeroTag = (): RawCallback => {
    const sealed = Buffer.from(seal(JSON.stringify(PAID), 'transaction').ciphertext ?? '', 'base64');
    sealed.fill(0, sealed.length - 16);
    return withResource({ ciphertext: sealed.toString('base64') });
  };
  const paid = (change: Record<string, unknown>): RawCallback =>
    callbackOf(notice('TRANSACTION.SUCCESS', { ...PAID, ...change }));

  const refunded = (change: Record<string, unknown>): RawCallback =>
    callbackOf(notice('REFUND.SUCCESS', { ...REFUNDED, ...change }, 'refund'));

  const unreadable: [string, () => RawCallback, string][] = [
    ['not JSON', () => callbackOf('SUCCESS'), 'not_json'],
    ['empty', () => callbackOf(''), 'not_json'],
    ['a list', () => callbackOf('[]'), 'not_json'],
    ['XML of API v2', () => callbackOf('<xml><return_code>SUCCESS</return_code></xml>'), 'not_json'],
    ['bytes that are not UTF-8', () => callbackOf(Buffer.from('{"event_type":"\xff"}', 'latin1')), 'not_utf8'],
    ['a byte order mark', () => callbackOf(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), raw])), 'not_json'],
    ['too large', () => callbackOf(`{"event_type":"${'x'.repeat(70_000)}"}`), 'too_large'],
    ['nested too deep', () => callbackOf(deep), 'too_large'],
    ['no event type', () => callbackOf({ id: 'EV-1' }), 'wrong_field'],
    ['an event type that is a number', () => callbackOf({ event_type: 1 }), 'wrong_field'],
    [
      'an event type out of the prototype',
      () => callbackOf('{"__proto__":{"event_type":"TRANSACTION.SUCCESS"}}'),
      'wrong_field',
    ],
    ['no resource', () => callbackOf({ event_type: 'TRANSACTION.SUCCESS' }), 'wrong_field'],
    ['a resource that is text', () => callbackOf({ event_type: 'TRANSACTION.SUCCESS', resource: 'x' }), 'wrong_field'],
    ['a refund under a payment event', () => withResource({ original_type: 'refund' }), 'wrong_field'],
    ['another algorithm', () => withResource({ algorithm: 'AEAD_SM4_GCM' }), 'not_decrypted'],
    ['a tag of zeros', zeroTag, 'not_decrypted'],
    [
      'sealed with another APIv3 key',
      () => withResource(seal(JSON.stringify(PAID), 'transaction', 'k'.repeat(32))),
      'not_decrypted',
    ],
    ['associated data that does not belong to it', () => withResource({ associated_data: 'refund' }), 'not_decrypted'],
    ['a nonce of 16 bytes', () => withResource({ nonce: '0123456789abcdef' }), 'not_decrypted'],
    ['a JSON bomb inside', () => callbackOf(notice('TRANSACTION.SUCCESS', bomb)), 'too_large'],
    ['a deep JSON bomb inside', () => callbackOf(notice('TRANSACTION.SUCCESS', deep)), 'too_large'],
    ['nothing inside', () => callbackOf(notice('TRANSACTION.SUCCESS', '')), 'not_json'],
    [
      'bytes that are not UTF-8 inside',
      () => callbackOf(notice('TRANSACTION.SUCCESS', Buffer.from([0x7b, 0xff, 0x7d]))),
      'not_utf8',
    ],
    ['no order number', () => paid({ out_trade_no: undefined }), 'wrong_field'],
    ['an order number with a NUL', () => paid({ out_trade_no: 'pay_\u0000' }), 'wrong_field'],
    ['an order number that is too long', () => paid({ out_trade_no: 'x'.repeat(33) }), 'wrong_field'],
    ['a success that is none', () => paid({ trade_state: 'NOTPAY' }), 'wrong_field'],
    ['a state that nobody knows', () => paid({ trade_state: 'toString' }), 'wrong_field'],
    ['no transaction number', () => paid({ transaction_id: '' }), 'wrong_field'],
    ['no amount', () => paid({ amount: undefined }), 'wrong_field'],
    ['an amount in yuan', () => paid({ amount: { total: 19.9, currency: 'CNY' } }), 'wrong_field'],
    ['an amount as text', () => paid({ amount: { total: '1990', currency: 'CNY' } }), 'wrong_field'],
    ['a negative amount', () => paid({ amount: { total: -1, currency: 'CNY' } }), 'wrong_field'],
    ['no currency', () => paid({ amount: { total: 1990 } }), 'wrong_field'],
    ['no time of success', () => paid({ success_time: '' }), 'wrong_field'],
    ['a time that is none', () => paid({ success_time: '2026-13-45T99:00:00+08:00' }), 'wrong_field'],
    ['no total', () => paid({ amount: { currency: 'CNY' } }), 'wrong_field'],
    ['no refund number', () => refunded({ out_refund_no: '' }), 'wrong_field'],
    ['no number of the channel for a refund', () => refunded({ refund_id: '' }), 'wrong_field'],
    ['no order number of a refund', () => refunded({ out_trade_no: '' }), 'wrong_field'],
    ['no merchant of a refund', () => refunded({ mchid: '' }), 'wrong_field'],
    ['no amount of a refund', () => refunded({ amount: { total: 1990 } }), 'wrong_field'],
    ['no total of a refund', () => refunded({ amount: { refund: 500 } }), 'wrong_field'],
    ['no amounts of a refund at all', () => refunded({ amount: undefined }), 'wrong_field'],
    ['no time of a refund that succeeded', () => refunded({ success_time: '' }), 'wrong_field'],
    ['a state of a refund that nobody knows', () => refunded({ refund_status: 'toString' }), 'wrong_field'],
    [
      'a refund whose state is called status',
      () =>
        callbackOf(notice('REFUND.SUCCESS', { ...REFUNDED, refund_status: undefined, status: 'SUCCESS' }, 'refund')),
      'wrong_field',
    ],
  ];
  it.each(unreadable)('genuine, but unreadable: %s', (_name, callback, code) => {
    expect(refusal(callback())).toEqual(['unreadable', code]);
  });

  it('never tells in a message what was in the body', () => {
    for (const [, callback] of [...unverified, ...unreadable]) {
      try {
        read(callback());
      } catch (error) {
        expect((error as Error).message).not.toMatch(/oUpF8u|PaydeskTest|4200000263|1990/);
      }
    }
  });
});

/** The signed text stays the same while its parts are cut differently. */
function movedLine(raw: Buffer): RawCallback {
  const callback = callbackOf(Buffer.concat([Buffer.from('first\n'), raw]));
  const nonce = `${callback.headers['wechatpay-nonce']}\nfirst`;
  return { headers: { ...callback.headers, 'wechatpay-nonce': nonce }, body: raw };
}

describe('while a merchant moves from certificate to public key', () => {
  const certificate = makeCertificate(otherPair, YEAR_FROM, YEAR_TO);
  const both = new KeyRing(settingsOf({ platformCerts: [certificate.pem] }), clock);
  const body = notice('TRANSACTION.SUCCESS', PAID);

  it('reads notices of either key, each by its own serial only', () => {
    const byKey = callbackOf(body);
    const byCertificate = callbackOf(body, { key: otherPair.privateKey, serial: certificate.serial });
    expect(readCallback(byKey, both, clock)).toMatchObject({ kind: 'payment' });
    expect(readCallback(byCertificate, both, clock)).toMatchObject({ kind: 'payment' });

    const crossed = callbackOf(body, { key: platformPair.privateKey, serial: certificate.serial });
    expect(() => readCallback(crossed, both, clock)).toThrow(CallbackRefused);
  });

  it('refuses a certificate that has ended', () => {
    const later = new ManualClock(YEAR_TO);
    const late = callbackOf(body, { key: otherPair.privateKey, serial: certificate.serial, at: YEAR_TO });
    expect(() =>
      readCallback(late, new KeyRing(settingsOf({ platformCerts: [certificate.pem] }), later), later),
    ).toThrow(/serial/);
  });
});
