import type { ServerResponse } from 'node:http';
import { ManualClock } from '../../../src/common/clock.js';
import type { ProviderError } from '../../../src/provider/payment-provider.js';
import { WechatV3Provider } from '../../../src/provider/wechat/wechat-v3.provider.js';
import { answer, NOW, ORDER, type Received, REFUND, REFUNDED, settingsOf, type StandIn, standIn } from './support.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

type Answering = (request: Received, response: ServerResponse) => void;

async function channel(
  answering: Answering,
  changes: Parameters<typeof settingsOf>[0] = {},
): Promise<{ provider: WechatV3Provider; server: StandIn }> {
  const server = await standIn(answering);
  const settings = settingsOf({ baseUrl: server.url, ...changes });
  const provider = new WechatV3Provider(settings, new ManualClock(NOW), { retryPauseMs: 1 });
  open.push(provider, server);
  return { provider, server };
}

const always =
  (status: number, body: unknown): Answering =>
  (_request, response) =>
    answer(response, status, body);

/** The call is answered with this refusal, the question after it with that answer. */
const refusedThen =
  (refusal: [status: number, code: string], then: [status: number, body: unknown]): Answering =>
  ({ method }, response) =>
    method === 'POST' ? answer(response, refusal[0], { code: refusal[1] }) : answer(response, ...then);

const failureOf = (call: Promise<unknown>): Promise<ProviderError> =>
  call.then(
    () => Promise.reject(new Error('it went well')),
    (error: ProviderError) => error,
  );
const methods = ({ received }: StandIn): string[] => received.map(({ method }) => method);

const ACCEPTED = { ...REFUNDED, status: 'PROCESSING', refund_status: undefined, mchid: undefined };

describe('a number is unknown to the channel', () => {
  it('only when the channel refuses it by that code, for payments', async () => {
    for (const [status, code] of [
      [500, 'ORDER_NOT_EXIST'],
      [404, 'NOT_FOUND'],
    ] as const) {
      const { provider } = await channel(always(status, { code }));
      expect(await failureOf(provider.queryPayment(ORDER))).toMatchObject({ name: 'WechatCallError', code });
    }
    const { provider } = await channel(always(404, { code: 'ORDER_NOT_EXIST' }));
    expect(await provider.queryPayment(ORDER)).toMatchObject({ state: 'not_found', account: null });
  });

  it('only when the channel refuses it by that code, for refunds', async () => {
    for (const [status, code] of [
      [500, 'RESOURCE_NOT_EXISTS'],
      [403, 'NO_AUTH'],
    ] as const) {
      const { provider } = await channel(always(status, { code }));
      expect(await failureOf(provider.queryRefund(REFUND))).toMatchObject({ name: 'WechatCallError', code });
    }
  });
});

describe('a payment is closed', () => {
  it('at once, with the account that asked, when the channel never saw its number', async () => {
    const { provider, server } = await channel(always(404, { code: 'ORDER_NOT_EXIST' }));
    const { mchid, appid } = settingsOf();
    expect(await provider.closePayment(ORDER)).toMatchObject({ state: 'closed', account: { mchid, appid } });
    expect(methods(server)).toEqual(['POST']);
  });

  it('when closing is refused and the number is then not known', async () => {
    const answering = refusedThen([400, 'INVALID_REQUEST'], [404, { code: 'ORDER_NOT_EXIST' }]);
    const { provider } = await channel(answering);
    expect(await provider.closePayment(ORDER)).toMatchObject({ state: 'closed' });
  });

  it('not, and not asked about either, while closing has no sure end', async () => {
    const { provider, server } = await channel(refusedThen([500, 'SYSTEM_ERROR'], [404, { code: 'ORDER_NOT_EXIST' }]));
    expect(await failureOf(provider.closePayment(ORDER))).toMatchObject({ outcome: 'unknown', code: 'SYSTEM_ERROR' });
    expect(methods(server)).not.toContain('GET');
  });
});

describe('a refund', () => {
  it('without a sure end is not asked about on the way: whoever waits asks later', async () => {
    const { provider, server } = await channel(refusedThen([500, 'SYSTEM_ERROR'], [200, ACCEPTED]));
    expect(await failureOf(provider.refund(REFUND))).toMatchObject({ outcome: 'unknown', code: 'SYSTEM_ERROR' });
    expect(methods(server)).toEqual(['POST', 'POST']);
  });

  it.each([
    { total: 1990, refund: 499 },
    { total: 1991, refund: 500 },
  ])('that met %j under its number ends neither well nor refused', async (amount) => {
    const { provider } = await channel(refusedThen([400, 'INVALID_REQUEST'], [200, { ...ACCEPTED, amount }]));
    const failure = await failureOf(provider.refund(REFUND));
    expect(failure).toMatchObject({ outcome: 'unknown', code: 'REFUND_FEE_MISMATCH' });
  });

  it('is not told by an answer about another one', async () => {
    const { provider } = await channel(always(200, { ...ACCEPTED, out_refund_no: 'ref_another' }));
    const unreadable = { outcome: 'unknown', code: 'unreadable_answer' };
    expect(await failureOf(provider.queryRefund(REFUND))).toMatchObject(unreadable);
    expect(await failureOf(provider.refund(REFUND))).toMatchObject(unreadable);
  });

  it('that the channel does not know cannot be sent elsewhere', async () => {
    const { provider, server } = await channel(always(404, { code: 'RESOURCE_NOT_EXISTS' }));
    const call = provider.retryAbnormalRefund(REFUND, { to: 'merchant_card' });
    expect(await failureOf(call)).toMatchObject({ outcome: 'rejected', code: 'RESOURCE_NOT_EXISTS', httpStatus: 404 });
    expect(methods(server)).toEqual(['GET']);
  });

  it('cannot go to a card while there is no key to encrypt its number with', async () => {
    const { provider, server } = await channel(always(200, ACCEPTED), { publicKey: null });
    const card = { to: 'user_card', bankType: 'ICBC_DEBIT', bankAccount: '6222', realName: '张三' } as const;
    const call = provider.retryAbnormalRefund({ ...REFUND, refundId: '5000' }, card);
    expect(await failureOf(call)).toMatchObject({ outcome: 'unknown', code: 'no_platform_key' });
    // The certificate list was asked for, the refund was not.
    expect(new Set(server.received.map(({ url }) => url))).toEqual(new Set(['/v3/certificates']));
  });
});
