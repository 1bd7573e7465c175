import { createPublicKey, verify } from 'node:crypto';
import { ServerResponse } from 'node:http';
import { after, DAY, HOUR, ManualClock, SECOND } from '../../../src/common/clock.js';
import { ProviderError } from '../../../src/provider/payment-provider.js';
import type { Prepay } from '../../../src/provider/prepay.js';
import { decryptField } from '../../../src/provider/wechat/encryption.js';
import { WechatV3Provider } from '../../../src/provider/wechat/wechat-v3.provider.js';
import {
  answer,
  makeCertificate,
  merchantPair,
  NOW,
  ORDER,
  PAID,
  platformPair,
  Received,
  REFUND,
  REFUNDED,
  settingsOf,
  StandIn,
  standIn,
  vectorPrivateKey,
  vectors,
  YEAR_FROM,
} from './support.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

interface Setting {
  provider: WechatV3Provider;
  server: StandIn;
  clock: ManualClock;
}

async function providerOf(
  answering: (request: Received, response: ServerResponse, count: number) => void,
  changes: Parameters<typeof settingsOf>[0] = {},
): Promise<Setting> {
  const clock = new ManualClock(NOW);
  const server = await standIn(answering);
  const provider = new WechatV3Provider(settingsOf({ baseUrl: server.url, ...changes }), clock, { retryPauseMs: 1 });
  open.push(provider, server);
  return { provider, server, clock };
}

async function failureOf(call: Promise<unknown>): Promise<ProviderError> {
  return call.then(
    () => {
      throw new Error('it went well');
    },
    (error: ProviderError) => error,
  );
}

const jsapi = (prepayId: string): Prepay => ({ scene: 'jsapi', prepayId, expiresAt: after(NOW, 2 * HOUR) });
const json = (text: string | undefined): unknown => JSON.parse(text ?? 'null');

describe('prepay', () => {
  it('sends the order as the manual wants it, and counts two hours from before the call', async () => {
    const { provider, server } = await providerOf((_request, response) =>
      answer(response, 200, { prepay_id: 'wx2014' }),
    );
    expect(await provider.prepay(ORDER)).toEqual({
      scene: 'jsapi',
      prepayId: 'wx2014',
      expiresAt: after(NOW, 2 * HOUR),
    });
    expect(server.received[0]).toMatchObject({ method: 'POST', url: '/v3/pay/transactions/jsapi' });
    expect(json(server.received[0]?.body)).toEqual({
      appid: 'wx2421b1c4370ec43b',
      mchid: '1900007291',
      description: 'Oolong tea, 100 g',
      out_trade_no: ORDER.outTradeNo,
      time_expire: '2026-11-23T12:30:00+08:00',
      attach: ORDER.outTradeNo,
      notify_url: 'https://shop.example.com/api/payments/callback/wechat/',
      amount: { total: 1990, currency: 'CNY' },
      payer: { openid: ORDER.openid },
    });
  });

  it('sends the same bytes for the same order, an hour later too', async () => {
    const { provider, server, clock } = await providerOf((_request, response) =>
      answer(response, 200, { prepay_id: 'wx2014' }, { at: clockOf() }),
    );
    const clockOf = (): Date => clock.now();
    await provider.prepay(ORDER);
    clock.advance(HOUR);
    await provider.prepay(ORDER);
    expect(server.received[0]?.body).toBe(server.received[1]?.body);
  });

  it.each([
    ['茶'.repeat(200), '茶'.repeat(42)],
    ['tea 🍵 for\ttwo\n', 'tea  for two'],
    ['🍵', ORDER.outTradeNo],
    ['half \ud83c a character', 'half  a character'],
  ])('describes %j as %j', async (description, sent) => {
    const { provider, server } = await providerOf((_request, response) =>
      answer(response, 200, { prepay_id: 'wx2014' }),
    );
    await provider.prepay({ ...ORDER, description });
    expect(json(server.received[0]?.body)).toMatchObject({ description: sent });
  });

  it('needs a payer', async () => {
    const { provider, server } = await providerOf((_request, response) => answer(response, 200, {}));
    await expect(provider.prepay({ ...ORDER, openid: null })).rejects.toBeInstanceOf(TypeError);
    expect(server.received).toHaveLength(0);
  });

  it.each([
    ['ORDERPAID', 400, 'ORDERPAID'],
    ['ORDER_PAID', 400, 'ORDERPAID'],
    ['OUT_TRADE_NO_USED', 403, 'OUT_TRADE_NO_USED'],
    ['ORDER_CLOSED', 400, 'ORDER_CLOSED'],
  ])('says that the number is used up: %s', async (code, status, told) => {
    const { provider } = await providerOf((_request, response) => answer(response, status, { code, message: '' }));
    expect(await failureOf(provider.prepay(ORDER))).toMatchObject({
      outcome: 'rejected',
      code: told,
      httpStatus: status,
    });
  });

  it('is tried again when the channel was asked too often', async () => {
    const { provider, server } = await providerOf((_request, response, count) =>
      count === 1
        ? answer(response, 429, { code: 'FREQUENCY_LIMITED' })
        : answer(response, 200, { prepay_id: 'wx2014' }),
    );
    expect(await provider.prepay(ORDER)).toMatchObject({ prepayId: 'wx2014' });
    expect(server.received).toHaveLength(2);
  });

  it('does not know the outcome when the answer is proven but lacks its prepay id', async () => {
    const { provider } = await providerOf((_request, response) => answer(response, 200, { prepay_id: '' }));
    expect(await failureOf(provider.prepay(ORDER))).toMatchObject({ outcome: 'unknown', code: 'unreadable_answer' });
  });
});

describe('the provider', () => {
  it('says whom it pays, and when the certificates end that it knows', () => {
    const mine = makeCertificate(merchantPair, YEAR_FROM, after(NOW, 10 * DAY));
    const settings = settingsOf({ merchantCert: mine.pem, serialNo: mine.serial });
    const provider = new WechatV3Provider(settings, new ManualClock(NOW));
    open.push(provider);
    expect(provider.account).toEqual({ mchid: settings.mchid, appid: settings.appid });
    const end = { what: 'merchant_certificate', serial: mine.serial, expiresAt: after(NOW, 10 * DAY), days: 10 };
    expect(provider.expiries(NOW)).toEqual([end]);
    expect(provider.expiryWarnings(NOW)).toEqual([end]);
    expect(provider.expiryWarnings(after(NOW, -30 * DAY))).toEqual([]);
  });

  it('speaks to nobody after its end', async () => {
    const { provider, server } = await providerOf((_request, response) => answer(response, 200, PAID));
    open.splice(open.indexOf(provider), 1);
    await provider.close();
    await expect(provider.queryPayment(ORDER)).rejects.toMatchObject({ outcome: 'unknown' });
    expect(server.received).toEqual([]);
  });
});

describe('clientParams', () => {
  it('are signed afresh at each call, by the second of our clock', async () => {
    const { provider } = await providerOf(() => undefined);
    const params = await provider.clientParams(jsapi('wx201410272009395522657a690389285100'));
    expect(params).toMatchObject({
      timeStamp: String(NOW.getTime() / 1000),
      package: 'prepay_id=wx201410272009395522657a690389285100',
      signType: 'RSA',
    });
    const message = `wx2421b1c4370ec43b\n${params.timeStamp}\n${params.nonceStr}\n${params.package}\n`;
    const key = createPublicKey(merchantPair.publicPem);
    expect(verify('sha256', Buffer.from(message), key, Buffer.from(params.paySign, 'base64'))).toBe(true);
    expect((await provider.clientParams(jsapi('wx1'))).nonceStr).not.toBe(params.nonceStr);
  });

  it('can be checked with the key of the published vector', async () => {
    const vector = vectors<{ vectors: { private_key: string; appId: string }[] }>('pay-sign.json').vectors[0]!;
    const privateKey = vectorPrivateKey(vector.private_key);
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const provider = new WechatV3Provider(settingsOf({ privateKey: pem, appid: vector.appId }), new ManualClock(NOW));
    open.push(provider);
    const params = await provider.clientParams(jsapi('wx1'));
    const message = `${vector.appId}\n${params.timeStamp}\n${params.nonceStr}\nprepay_id=wx1\n`;
    const key = createPublicKey(privateKey);
    expect(verify('sha256', Buffer.from(message), key, Buffer.from(params.paySign, 'base64'))).toBe(true);
  });
});

describe('queryPayment', () => {
  it.each([
    ['SUCCESS', 'succeeded'],
    ['REFUND', 'succeeded'],
    ['NOTPAY', 'open'],
    ['USERPAYING', 'open'],
    ['ACCEPT', 'open'],
    ['CLOSED', 'closed'],
    ['REVOKED', 'closed'],
    ['PAYERROR', 'failed'],
  ])('%s is %s', async (trade_state, state) => {
    const { provider, server } = await providerOf((_request, response) =>
      answer(response, 200, { ...PAID, trade_state }),
    );
    expect(await provider.queryPayment(ORDER)).toMatchObject({ state, amountFen: 1990, outTradeNo: ORDER.outTradeNo });
    expect(server.received[0]?.url).toBe(`/v3/pay/transactions/out-trade-no/${ORDER.outTradeNo}?mchid=1900007291`);
  });

  it('reads an unpaid order, which says little', async () => {
    const { provider } = await providerOf((_request, response) =>
      answer(response, 200, {
        appid: PAID.appid,
        mchid: PAID.mchid,
        out_trade_no: ORDER.outTradeNo,
        trade_state: 'NOTPAY',
      }),
    );
    expect(await provider.queryPayment(ORDER)).toEqual({
      outTradeNo: ORDER.outTradeNo,
      state: 'open',
      transactionId: null,
      amountFen: null,
      currency: null,
      paidAt: null,
      account: { mchid: PAID.mchid, appid: PAID.appid },
    });
  });

  it('says when the number is not known, by the code and not by 404 alone', async () => {
    const known = await providerOf((_request, response) => answer(response, 404, { code: 'ORDER_NOT_EXIST' }));
    expect(await known.provider.queryPayment(ORDER)).toMatchObject({
      state: 'not_found',
      outTradeNo: ORDER.outTradeNo,
    });
    const empty = await providerOf((_request, response) => response.writeHead(404).end());
    expect(await failureOf(empty.provider.queryPayment(ORDER))).toMatchObject({ code: 'http_404' });
  });

  it.each([
    ['another number', { out_trade_no: 'pay_another' }],
    ['a state that nobody knows', { trade_state: 'HAPPY' }],
    ['a success without a transaction', { transaction_id: null }],
  ])('believes nothing of an answer with %s', async (_name, change) => {
    const { provider } = await providerOf((_request, response) => answer(response, 200, { ...PAID, ...change }));
    expect(await failureOf(provider.queryPayment(ORDER))).toMatchObject({
      outcome: 'unknown',
      code: 'unreadable_answer',
    });
  });
});

describe('closePayment', () => {
  const closing =
    (status: number, code: string, queried: [number, unknown]) =>
    (request: Received, response: ServerResponse): void =>
      request.method === 'POST' ? answer(response, status, { code }) : answer(response, ...queried);

  it('is closed after a signed 204', async () => {
    const { provider, server } = await providerOf((_request, response) => answer(response, 204));
    expect(await provider.closePayment(ORDER)).toMatchObject({ state: 'closed', outTradeNo: ORDER.outTradeNo });
    expect(server.received).toMatchObject([
      { url: `/v3/pay/transactions/out-trade-no/${ORDER.outTradeNo}/close`, body: '{"mchid":"1900007291"}' },
    ]);
  });

  it.each([
    [400, 'ORDERPAID'],
    [400, 'INVALID_REQUEST'],
    [403, 'TRADE_ERROR'],
  ])('answers that it was paid when closing is refused: %i %s', async (status, code) => {
    const { provider } = await providerOf(closing(status, code, [200, PAID]));
    expect(await provider.closePayment(ORDER)).toMatchObject({
      state: 'succeeded',
      transactionId: PAID.transaction_id,
    });
  });

  it('is closed when the channel never saw the number', async () => {
    const { provider } = await providerOf((_request, response) => answer(response, 404, { code: 'ORDER_NOT_EXIST' }));
    expect(await provider.closePayment(ORDER)).toMatchObject({ state: 'closed' });
  });

  it('stays refused while the order is still open', async () => {
    const { provider } = await providerOf(closing(403, 'RULE_LIMIT', [200, { ...PAID, trade_state: 'NOTPAY' }]));
    expect(await failureOf(provider.closePayment(ORDER))).toMatchObject({ outcome: 'rejected', code: 'RULE_LIMIT' });
  });

  it('asks nothing more when our signature was refused', async () => {
    const { provider, server } = await providerOf((_request, response) =>
      answer(response, 401, { code: 'SIGN_ERROR' }),
    );
    expect(await failureOf(provider.closePayment(ORDER))).toMatchObject({ code: 'SIGN_ERROR' });
    expect(server.received).toHaveLength(1);
  });

  it('does not know after an unsigned 204', async () => {
    const { provider } = await providerOf((_request, response) => response.writeHead(204).end());
    expect(await failureOf(provider.closePayment(ORDER))).toMatchObject({ outcome: 'unknown' });
  });
});

const ACCEPTED = {
  ...REFUNDED,
  status: 'PROCESSING',
  refund_status: undefined,
  mchid: undefined,
  success_time: undefined,
};

describe('refunds', () => {
  it('are asked for by the transaction, with where to send the notice', async () => {
    const { provider, server } = await providerOf((_request, response) => answer(response, 200, ACCEPTED));
    expect(await provider.refund(REFUND)).toEqual({
      transactionId: ACCEPTED.transaction_id,
      createdAt: null,
      outRefundNo: REFUND.outRefundNo,
      outTradeNo: REFUND.outTradeNo,
      state: 'processing',
      refundId: REFUNDED.refund_id,
      amountFen: 500,
      totalFen: 1990,
      currency: null,
      succeededAt: null,
      mchid: null,
    });
    expect(json(server.received[0]?.body)).toEqual({
      transaction_id: REFUND.transactionId,
      out_refund_no: REFUND.outRefundNo,
      reason: 'arrived broken',
      notify_url: 'https://shop.example.com/api/refunds/callback/wechat/',
      amount: { refund: 500, total: 1990, currency: 'CNY' },
    });
    await provider.refund({ ...REFUND, transactionId: null, reason: null });
    const second = json(server.received[1]?.body) as Record<string, unknown>;
    expect(second).toMatchObject({ out_trade_no: REFUND.outTradeNo });
    expect(second).not.toHaveProperty('transaction_id');
    expect(second).not.toHaveProperty('reason');
  });

  it.each([
    [403, 'NOT_ENOUGH', 'rejected'],
    [403, 'USER_ACCOUNT_ABNORMAL', 'rejected'],
    [404, 'RESOURCE_NOT_EXISTS', 'rejected'],
    [429, 'FREQUENCY_LIMITED', 'unknown'],
    [500, 'SYSTEM_ERROR', 'unknown'],
  ])('%i %s is %s', async (status, code, outcome) => {
    const { provider } = await providerOf((_request, response) => answer(response, status, { code }));
    expect(await failureOf(provider.refund(REFUND))).toMatchObject({ outcome, code });
  });

  const refusedThen =
    (...queried: [number, unknown]) =>
    (request: Received, response: ServerResponse): void =>
      request.method === 'POST' ? answer(response, 400, { code: 'INVALID_REQUEST' }) : answer(response, ...queried);

  it('that were made before are met again, not refused', async () => {
    const { provider } = await providerOf(
      refusedThen(200, { ...ACCEPTED, status: 'SUCCESS', success_time: REFUNDED.success_time }),
    );
    expect(await provider.refund(REFUND)).toMatchObject({
      state: 'succeeded',
      succeededAt: new Date('2026-11-23T03:59:58Z'),
    });
  });

  it('are refused when the channel has none of this number', async () => {
    const { provider } = await providerOf(refusedThen(404, { code: 'RESOURCE_NOT_EXISTS' }));
    expect(await failureOf(provider.refund(REFUND))).toMatchObject({ outcome: 'rejected', code: 'INVALID_REQUEST' });
  });

  it('are a case for a person when the number has another amount there', async () => {
    const { provider } = await providerOf(refusedThen(200, { ...ACCEPTED, amount: { total: 1990, refund: 900 } }));
    expect(await failureOf(provider.refund(REFUND))).toMatchObject({ outcome: 'unknown', code: 'REFUND_FEE_MISMATCH' });
  });

  it('are not known to be refused while the channel cannot say', async () => {
    const { provider } = await providerOf(refusedThen(500, { code: 'SYSTEM_ERROR' }));
    expect(await failureOf(provider.refund(REFUND))).toMatchObject({ outcome: 'unknown', code: 'INVALID_REQUEST' });
  });

  it('that a first try may have made are asked for before a refusal of the second is believed', async () => {
    const { provider } = await providerOf((request, response, count) => {
      if (request.method === 'GET') answer(response, 200, ACCEPTED);
      else if (count === 1) response.destroy();
      else answer(response, 403, { code: 'NOT_ENOUGH' });
    });
    expect(await provider.refund(REFUND)).toMatchObject({ state: 'processing' });
  });

  it.each([
    ['PROCESSING', 'processing'],
    ['SUCCESS', 'succeeded'],
    ['CLOSED', 'closed'],
    ['ABNORMAL', 'abnormal'],
  ])('queried: %s is %s', async (status, state) => {
    const { provider, server } = await providerOf((_request, response) =>
      answer(response, 200, { ...ACCEPTED, status }),
    );
    expect(await provider.queryRefund(REFUND)).toMatchObject({ state, refundId: REFUNDED.refund_id });
    expect(server.received[0]?.url).toBe(`/v3/refund/domestic/refunds/${REFUND.outRefundNo}`);
  });

  it('queried: one that the channel does not know', async () => {
    const { provider } = await providerOf((_request, response) =>
      answer(response, 404, { code: 'RESOURCE_NOT_EXISTS' }),
    );
    expect(await provider.queryRefund(REFUND)).toMatchObject({ state: 'not_found', refundId: null });
  });
});

describe('abnormal refunds', () => {
  const CARD = { to: 'user_card', bankType: 'ICBC_DEBIT', bankAccount: '6222000000000000', realName: '张三' } as const;

  it('go to a card whose number only WeChat can read, under the key that is named', async () => {
    const { provider, server } = await providerOf((_request, response) => answer(response, 200, ACCEPTED));
    await provider.retryAbnormalRefund({ ...REFUND, refundId: '5000' }, CARD);
    const [request] = server.received;
    expect(request?.url).toBe('/v3/refund/domestic/refunds/5000/apply-abnormal-refund');
    const body = json(request?.body) as Record<string, string>;
    expect(body).toMatchObject({ out_refund_no: REFUND.outRefundNo, type: 'USER_BANK_CARD', bank_type: 'ICBC_DEBIT' });
    expect(decryptField(body.bank_account ?? '', platformPair.privateKey)).toBe('6222000000000000');
    expect(decryptField(body.real_name ?? '', platformPair.privateKey)).toBe('张三');
    expect(request?.body).not.toContain('6222');
  });

  it('go to the merchant, after asking for the number of the refund', async () => {
    const { provider, server } = await providerOf((_request, response) => answer(response, 200, ACCEPTED));
    await provider.retryAbnormalRefund(REFUND, { to: 'merchant_card' });
    expect(server.received.map(({ url }) => url)).toEqual([
      `/v3/refund/domestic/refunds/${REFUND.outRefundNo}`,
      `/v3/refund/domestic/refunds/${REFUNDED.refund_id}/apply-abnormal-refund`,
    ]);
    expect(json(server.received[1]?.body)).toEqual({ out_refund_no: REFUND.outRefundNo, type: 'MERCHANT_BANK_CARD' });
  });

  it('are sent once, whatever becomes of it', async () => {
    const { provider, server } = await providerOf((_request, response) => response.destroy());
    const call = provider.retryAbnormalRefund({ ...REFUND, refundId: '5000' }, CARD);
    expect(await failureOf(call)).toMatchObject({ outcome: 'unknown' });
    expect(server.received).toHaveLength(1);
  });
});

describe('the time-out of a call', () => {
  it('is kept, and the outcome is unknown', async () => {
    const { provider } = await providerOf(() => undefined, { timeouts: { connectMs: 100, answerMs: 150 } });
    const started = performance.now();
    expect(await failureOf(provider.refund(REFUND))).toMatchObject({ outcome: 'unknown', code: 'timeout' });
    expect(performance.now() - started).toBeLessThan(3 * SECOND);
  });
});
