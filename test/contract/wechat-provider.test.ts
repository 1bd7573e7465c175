import { KeyMode } from '../../simulator/index.js';
import { DAY, HOUR, SECOND } from '../../src/common/clock.js';
import { ErrorCode } from '../../src/common/errors.js';
import { checkWechat } from '../../src/provider/wechat/doctor.js';
import { WechatLogin } from '../../src/provider/wechat/wechat-login.js';
import { makePair } from '../unit/wechat/support.js';
import {
  always,
  endOf,
  freshOrder,
  freshRefund,
  IMPATIENT,
  NO_FAULTS,
  openShop,
  paidOrder,
  Shop,
  SimulatorClock,
} from './wechat-provider.support.js';

const MODES: KeyMode[] = ['public_key', 'certificate', 'both'];

describe.each(MODES)('the real provider before the simulator, in %s mode', (mode) => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop(mode);
  });
  beforeEach(() => shop.sim.faults(NO_FAULTS));
  afterAll(() => shop.close());

  it('goes from order over paySign to the paid notice', async () => {
    const order = freshOrder(shop);
    const prepay = await shop.provider.prepay(order);
    expect(await shop.provider.queryPayment(order)).toMatchObject({ state: 'open', transactionId: null });
    const sheet = shop.sim.requestPayment(await shop.provider.clientParams(prepay));
    expect(sheet.out_trade_no).toBe(order.outTradeNo);

    shop.sim.pay(order.outTradeNo, { coupon_fen: 500 });
    await shop.sim.settled();
    const queried = await shop.provider.queryPayment(order);
    expect(queried).toMatchObject({
      state: 'succeeded',
      amountFen: 1990,
      currency: 'CNY',
      account: shop.provider.account,
    });
    const fact = shop.heard.at(-1)?.fact;
    expect(fact).toMatchObject({ kind: 'payment', payment: queried });
  });

  it('gives a live prepay id for the same order again, and none for a changed one', async () => {
    const order = freshOrder(shop);
    const first = await shop.provider.prepay(order);
    const second = await shop.provider.prepay(order);
    expect(second.prepayId).not.toBe(first.prepayId);
    expect(await endOf(shop.provider.prepay({ ...order, amountFen: 1 }))).toBe('rejected OUT_TRADE_NO_USED');
  });

  it('says when a number is paid or closed', async () => {
    const paid = await paidOrder(shop);
    expect(await endOf(shop.provider.prepay(paid))).toBe('rejected ORDERPAID');
    expect(await shop.provider.closePayment(paid)).toMatchObject({ state: 'succeeded', amountFen: 1990 });

    const closed = freshOrder(shop);
    await shop.provider.prepay(closed);
    expect(await shop.provider.closePayment(closed)).toMatchObject({ state: 'closed' });
    expect(await shop.provider.closePayment(closed)).toMatchObject({ state: 'closed' });
    expect(await shop.provider.queryPayment(closed)).toMatchObject({ state: 'closed' });
    expect(await endOf(shop.provider.prepay(closed))).toBe('rejected ORDER_CLOSED');
  });

  it('knows a number that was never placed', async () => {
    const order = freshOrder(shop);
    expect(await shop.provider.queryPayment(order)).toMatchObject({ state: 'not_found' });
    expect(await shop.provider.closePayment(order)).toMatchObject({ state: 'closed' });
  });

  it('refunds in part, hears of it at either address, and sees the order as paid still', async () => {
    const order = await paidOrder(shop);
    const refund = freshRefund(order, 700);
    expect(await shop.provider.queryRefund(refund)).toMatchObject({ state: 'not_found' });
    const accepted = await shop.provider.refund(refund);
    expect(accepted).toMatchObject({
      state: 'processing',
      amountFen: 700,
      totalFen: 1990,
      outTradeNo: order.outTradeNo,
    });
    expect(await shop.provider.refund(refund)).toEqual(accepted);
    shop.sim.settleRefund(refund.outRefundNo, 'SUCCESS');
    await shop.sim.settled();
    expect(shop.heard.at(-1)?.fact).toMatchObject({
      kind: 'refund',
      refund: { outRefundNo: refund.outRefundNo, state: 'succeeded', mchid: shop.settings.mchid },
    });
    expect(await shop.provider.queryRefund(refund)).toMatchObject({
      state: 'succeeded',
      succeededAt: expect.any(Date) as Date,
    });
    expect(await shop.provider.queryPayment(order)).toMatchObject({ state: 'succeeded' });
  });

  it('keeps apart what refuses a refund', async () => {
    const order = await paidOrder(shop);
    expect(await endOf(shop.provider.refund(freshRefund(freshOrder(shop))))).toBe('rejected RESOURCE_NOT_EXISTS');
    expect(await endOf(shop.provider.refund({ ...freshRefund(order), amountFen: 5000 }))).toMatch(/^rejected /);
    const { balance } = shop.sim.ledger().totals;
    await shop.sim.faults({ balance_fen: 0 });
    const refund = freshRefund(order, 100);
    expect(await endOf(shop.provider.refund(refund))).toBe('rejected NOT_ENOUGH');
    await shop.sim.faults({ balance_fen: balance });
    expect(await endOf(shop.provider.refund(refund))).toBe('ok');
    const other = { ...refund, amountFen: 200 };
    expect(await endOf(shop.provider.refund(other))).toBe('unknown REFUND_FEE_MISMATCH');
  });

  it.each([
    { to: 'merchant_card' } as const,
    { to: 'user_card', bankType: 'CMB_DEBIT', bankAccount: '6214830000000000', realName: '李四' } as const,
  ])('sends an abnormal refund on: %j', async (target) => {
    const refund = freshRefund(await paidOrder(shop), 700);
    await shop.provider.refund(refund);
    shop.sim.settleRefund(refund.outRefundNo, 'ABNORMAL');
    await shop.sim.settled();
    expect(shop.heard.at(-1)?.fact).toMatchObject({ refund: { state: 'abnormal' } });
    expect(await shop.provider.retryAbnormalRefund(refund, target)).toMatchObject({ state: 'abnormal' });
    shop.sim.settleRefund(refund.outRefundNo, 'SUCCESS');
    expect(await shop.provider.queryRefund(refund)).toMatchObject({ state: 'succeeded' });
  });

  it('passes the checks of doctor', async () => {
    const checks = await checkWechat(shop.settings, new SimulatorClock(() => shop.sim));
    expect(checks.filter(({ ok }) => ok === 'fail')).toEqual([]);
    expect(checks.find(({ name }) => name === 'self test with WeChat Pay')).toMatchObject({ ok: 'ok' });
    expect(checks.find(({ name }) => name === 'mini-program login')).toMatchObject({ ok: 'ok' });
  });
});

describe('the days of a switch from certificate to public key', () => {
  it('miss no notice and no answer, on any day, and after the switch the certificates are not missed', async () => {
    const shop = await openShop('certificate');
    try {
      const both = shop.settingsFor('both');
      await shop.sim.faults({ keys: { mode: 'both', switch_day: 0 } });
      shop.provider.reload(both);
      const serials = new Set<string>();
      for (let day = 1; day <= 8; day += 1) {
        await shop.sim.faults({ keys: { switch_day: day } });
        const before = shop.heard.length;
        for (let i = 0; i < 8; i += 1) await paidOrder(shop);
        const heard = shop.heard.slice(before);
        expect(heard.filter(({ fact }) => fact?.kind === 'payment')).toHaveLength(8);
        for (const { serial } of heard) serials.add(serial);
      }
      expect([...serials].sort()).toEqual(
        [shop.sim.credentials.platformCertificates[0]?.serial, shop.sim.credentials.publicKeyId].sort(),
      );

      await shop.sim.faults({ keys: { mode: 'public_key' } });
      expect(await endOf(shop.provider.renewCertificates())).toBe('rejected RESOURCE_NOT_EXISTS');
      await paidOrder(shop);
      shop.provider.reload(shop.settingsFor('public_key'));
      await paidOrder(shop);
      expect(shop.heard.every(({ refused }) => refused === null)).toBe(true);
    } finally {
      await shop.close();
    }
  });

  it('may be stopped: everything comes by certificate again', async () => {
    const shop = await openShop('both');
    try {
      await paidOrder(shop);
      await shop.sim.faults({ keys: { mode: 'certificate' } });
      await paidOrder(shop);
      expect(shop.heard.every(({ refused }) => refused === null)).toBe(true);
    } finally {
      await shop.close();
    }
  });
});

describe('a rotation of the platform certificate', () => {
  it('is followed from the first sight of the new one to the end of the old one', async () => {
    const shop = await openShop('certificate');
    try {
      await shop.sim.faults({ keys: { rotate: true, rotation_share: 0 } });
      await shop.provider.renewCertificates();
      for (const rotation_share of [0, 0.5, 1]) {
        await shop.sim.faults({ keys: { rotation_share } });
        for (let i = 0; i < 6; i += 1) await shop.provider.queryPayment(await paidOrder(shop));
      }
      await shop.sim.faults({ keys: { retire_old: true } });
      await paidOrder(shop);
      expect(shop.heard.every(({ refused }) => refused === null)).toBe(true);
      expect(new Set(shop.heard.map(({ serial }) => serial)).size).toBe(2);
    } finally {
      await shop.close();
    }
  });

  it('that came unseen is learned from the first answer, and notices in between are sent again', async () => {
    const shop = await openShop('certificate');
    try {
      const order = freshOrder(shop);
      await shop.provider.prepay(order);
      await shop.sim.faults({ keys: { rotate: true, rotation_share: 1, retire_old: true } });
      shop.sim.pay(order.outTradeNo);
      await shop.sim.settled();
      expect(shop.heard.at(-1)).toMatchObject({ refused: 'unknown_serial' });

      await endOf(shop.provider.queryPayment(order)); // its answer names the new one, and hurries the renewal
      for (let i = 0; i < 50 && (await endOf(shop.provider.queryPayment(order))) !== 'ok'; i += 1);
      await shop.sim.advance(15);
      await shop.sim.settled();
      expect(shop.heard.at(-1)?.fact).toMatchObject({ kind: 'payment' });
    } finally {
      await shop.close();
    }
  });

  it('is no matter to a command, which fetches the list with its first call, and without a call asks nobody', async () => {
    const shop = await openShop('certificate');
    try {
      const order = await paidOrder(shop);
      const refund = freshRefund(order);
      const { refundId } = await shop.provider.refund(refund);
      shop.sim.settleRefund(refund.outRefundNo, 'ABNORMAL');
      await shop.sim.faults({ keys: { rotate: true, rotation_share: 1, retire_old: true } });
      const card = {
        to: 'user_card',
        bankType: 'ICBC_DEBIT',
        bankAccount: '6222000000000000',
        realName: '张三',
      } as const;
      // Without a certificate of its own, and with one that has been withdrawn.
      for (const platformCerts of [[], shop.settings.platformCerts]) {
        const command = shop.providerFor({ ...shop.settings, platformCerts });
        shop.calls.length = 0;
        await command.clientParams({ scene: 'jsapi', prepayId: 'wx1', expiresAt: new Date() });
        command.keyExpiries(new Date());
        await endOf(command.readCallback({ headers: {}, body: Buffer.from('{}') }).catch(() => null));
        expect(shop.calls).toEqual([]);
        if (platformCerts.length === 0) await command.retryAbnormalRefund({ ...refund, refundId }, card);
        else expect(await command.queryPayment(order)).toMatchObject({ state: 'succeeded' });
        await command.queryRefund(refund);
        const of = platformCerts.length === 0 ? 'abnormal_refund' : 'query_payment';
        expect(shop.calls.map(({ operation, outcome }) => `${operation} ${outcome}`)).toEqual([
          'certificates ok',
          `${of} ok`,
          'query_refund ok',
        ]);
      }
    } finally {
      await shop.close();
    }
  });

  it('needs no certificate to begin with: the first list brings it', async () => {
    const shop = await openShop('certificate');
    try {
      const provider = shop.providerFor({ ...shop.settings, platformCerts: [] });
      await provider.start();
      expect(await provider.queryPayment(await paidOrder(shop))).toMatchObject({ state: 'succeeded' });
    } finally {
      await shop.close();
    }
  });
});

describe('bills', () => {
  let shop: Shop;
  let day: string;
  beforeAll(async () => {
    shop = await openShop('public_key', { signatureClock: 'virtual' });
    day = shop.sim.now().slice(0, 10);
    const order = await paidOrder(shop);
    await shop.provider.refund(freshRefund(order, 700));
  });
  afterAll(() => shop.close());

  const readBill = async (kind: 'trade' | 'fund_flow'): Promise<string> => {
    const parts: Buffer[] = [];
    for await (const part of (await shop.provider.downloadBill(day, kind)) ?? []) parts.push(part as Buffer);
    return Buffer.concat(parts).toString();
  };

  it('are not ready in the morning, and then show the day', async () => {
    const midnight = new Date(`${day}T00:00:00+08:00`).getTime() + DAY;
    const until = (at: number): Promise<string> =>
      shop.sim.advance(Math.ceil((at - new Date(shop.sim.now()).getTime()) / SECOND));
    await until(midnight + 9.5 * HOUR);
    expect(await endOf(shop.provider.downloadBill(day, 'trade'))).toBe('unknown STATEMENT_CREATING');
    await until(midnight + 10.5 * HOUR);
    const trade = await readBill('trade');
    expect(trade).toContain('交易时间,公众账号ID');
    expect(trade.split('\r\n').filter((line) => line.startsWith('`')).length).toBeGreaterThanOrEqual(3);
    expect(await readBill('fund_flow')).toContain('资金流水单号');
  });

  it('do not exist for a day without trade', async () => {
    const yesterday = new Date(new Date(`${day}T12:00:00Z`).getTime() - DAY).toISOString().slice(0, 10);
    expect(await shop.provider.downloadBill(yesterday, 'trade')).toBeNull();
  });

  it.each([
    ['wrong_hash', 'tradebill', 'unknown bill_hash_mismatch'],
    ['cut_body', 'download', 'unknown bill_not_downloaded'],
    ['disconnect', 'download', 'unknown network_failure'],
    ['unsigned', 'tradebill', 'unknown unverified_answer'],
  ] as const)('with %s at %s are not handed on', async (fault, at, end) => {
    await shop.sim.faults(always({ at, do: fault }));
    const ended = await endOf(shop.provider.downloadBill(day, 'trade'));
    await shop.sim.faults(NO_FAULTS);
    // A stream that the simulator sends cannot be cut by it: then it is whole.
    expect(fault === 'cut_body' ? ['ok', end] : [end]).toContain(ended);
    expect(await readBill('trade')).toContain('交易时间');
  });
});

describe('login', () => {
  let shop: Shop;
  let login: WechatLogin;
  beforeAll(async () => {
    shop = await openShop('public_key');
    login = new WechatLogin({ ...shop.settings, timeouts: IMPATIENT });
  });
  beforeEach(() => shop.sim.faults(NO_FAULTS));
  afterAll(async () => {
    await login.close();
    await shop.close();
  });

  it('gives the openid and nothing else, once for each code', async () => {
    const { code, openid } = shop.sim.loginCode('alice');
    expect(await login.openidOf(code)).toBe(openid);
    await expect(login.openidOf(code)).rejects.toMatchObject({ code: 'login_failed' });
  });

  it.each<[number, ErrorCode]>([
    [40029, 'login_failed'],
    [40163, 'login_failed'],
    [40226, 'login_failed'],
    [45011, 'too_many_requests'],
    [-1, 'channel_unavailable'],
    [40013, 'channel_rejected'],
    [41002, 'channel_rejected'],
    [41004, 'channel_rejected'],
  ])('errcode %i is %s', async (errcode, code) => {
    await shop.sim.faults(always({ at: 'login', do: 'errcode', errcode }));
    await expect(login.openidOf('code')).rejects.toMatchObject({ code });
  });

  it.each([
    { at: 'login', do: 'hang' },
    { at: 'login', do: 'disconnect' },
    { at: 'login', do: 'error', status: 500 },
    { at: 'login', do: 'cut_body' },
  ] as const)('%j is channel_unavailable, and does not tell the secret', async (rule) => {
    await shop.sim.faults(always(rule));
    const failure = await login.openidOf('code').catch((error: unknown) => error as Error);
    expect(failure).toMatchObject({ code: 'channel_unavailable' });
    expect(JSON.stringify([failure, (failure as Error).stack])).not.toContain(shop.settings.appSecret);
  });

  it('with a wrong secret is for the shop to put right', async () => {
    const wrong = new WechatLogin({ ...shop.settings, appSecret: 'f'.repeat(32) });
    await expect(wrong.openidOf('code')).rejects.toMatchObject({ code: 'channel_rejected' });
    await wrong.close();
  });

  it.each(['', ' ', 'a b', 'ä', 'x'.repeat(300)])('does not even send the code %j', async (code) => {
    await expect(login.openidOf(code)).rejects.toMatchObject({ code: 'login_failed' });
  });
});

describe('doctor', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop('certificate', { mode: 'certificate' });
  });
  beforeEach(() => shop.sim.faults(NO_FAULTS));
  afterAll(() => shop.close());

  const found = async (
    changes: Partial<Shop['settings']>,
    mode: KeyMode = 'certificate',
  ): Promise<Record<string, string>> => {
    const checks = await checkWechat({ ...shop.settingsFor(mode), ...changes }, new SimulatorClock(() => shop.sim));
    const secrets = [shop.settings.apiV3Key, shop.settings.appSecret, shop.settings.privateKey.slice(40, 90)];
    for (const secret of secrets) expect(JSON.stringify(checks)).not.toContain(secret);
    for (const { ok, advice, name } of checks) if (ok === 'fail') expect(`${name}: ${advice}`).toMatch(/: .{10}/);
    return Object.fromEntries(checks.map(({ name, ok, message }) => [name, `${ok}: ${message}`]));
  };

  it('names a private key that is not of the certificate, and asks nobody', async () => {
    const checks = await found({ privateKey: makePair().privatePem, merchantCert: shop.settings.merchantCert });
    expect(checks['merchant certificate']).toContain('fail: WECHAT_PAY_MERCHANT_CERT is not the certificate of the');
    expect(checks['calls to WeChat']).toContain('warn: WeChat was not called');
  });

  it('names a serial that is not of the certificate', async () => {
    const checks = await found({ serialNo: '5'.repeat(40) });
    expect(checks['merchant serial']).toContain('fail: WECHAT_PAY_SERIAL_NO is not the serial of the merchant');
    const blind = await found({ serialNo: '5'.repeat(40), merchantCert: null });
    expect(blind['platform certificates']).toContain('refuses our signature');
  });

  it('names a wrong APIv3 key: the certificate list does not open', async () => {
    const checks = await found({ apiV3Key: 'x'.repeat(32) });
    expect(checks['platform certificates']).toContain('cannot be decrypted');
  });

  it('names a public key that WeChat does not use yet', async () => {
    const checks = await found({}, 'public_key');
    expect(checks['self test with WeChat Pay']).toMatch(/^fail: /);
  });

  it('names an address that does not answer', async () => {
    const checks = await found({ baseUrl: 'http://127.0.0.1:9', apiBaseUrl: 'http://127.0.0.1:9' });
    expect(checks['platform certificates']).toContain('fail: WeChat Pay did not answer');
    expect(checks['mini-program login']).toContain('fail: ');
    expect(checks.clock).toContain('warn: unknown');
  });

  it('names a wrong secret of the mini-program', async () => {
    expect((await found({ appSecret: 'f'.repeat(32) }))['mini-program login']).toContain(
      'fail: WeChat refuses appid or secret',
    );
  });

  it('names a clock that is off, and calls nobody when the settings are wrong', async () => {
    class Late extends SimulatorClock {
      override now(): Date {
        return new Date(super.now().getTime() - 200 * SECOND);
      }
    }
    const checks = await checkWechat(shop.settings, new Late(() => shop.sim));
    expect(checks.find(({ name }) => name === 'clock')).toMatchObject({
      ok: 'warn',
      message: expect.stringMatching(/^ours is (199|200|201) s behind/) as string,
    });

    const wrong = await found({ apiV3Key: 'short', notifyUrl: 'https://shop.example.com/?a=b', privateKey: 'no' });
    expect(wrong).toMatchObject({
      'APIv3 key': 'fail: WECHAT_PAY_API_V3_KEY must be 32 bytes, not 5 (the APIv3 key, not the key of API v2)',
      'payment notify_url': 'fail: WECHAT_PAY_NOTIFY_URL must not have a query string',
      'paySign example of the manual': expect.stringContaining('ok: ') as string,
    });
    expect(Object.keys(wrong)).not.toContain('self test with WeChat Pay');
  });
});
