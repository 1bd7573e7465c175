import type { ServerResponse } from 'node:http';
import { after, ManualClock, MINUTE } from '../../../src/common/clock.js';
import type { ProviderError } from '../../../src/provider/payment-provider.js';
import { WechatV3Provider } from '../../../src/provider/wechat/wechat-v3.provider.js';
import { NOW, ORDER, otherPair, REFUND, settingsOf, signatureHeaders, type StandIn, standIn } from './support.js';

/** Texts as gateways, firewalls and clouds put them before a server that they do not reach or do not let be reached. */
const GATEWAYS: [name: string, status: number, type: string, body: string][] = [
  ['nginx, forbidden', 403, 'text/html', '<html><head><title>403 Forbidden</title></head></html>'],
  ['nginx, not found', 404, 'text/html', '<html><head><title>404 Not Found</title></head></html>'],
  ['nginx, a bad request', 400, 'text/html', '<html><center>nginx</center></html>'],
  ['Kong', 404, 'application/json', '{"message":"no Route matched with those values","request_id":"5b"}'],
  ['APISIX', 404, 'application/json', '{"error_msg":"404 Route Not Found"}'],
  ['a cloud with a code', 404, 'application/json', '{"code":"NOT_FOUND","message":"route not found"}'],
  ['a cloud with a policy', 403, 'application/json', '{"code":"AccessDenied","message":"denied by policy"}'],
  ['a cloud without credentials', 401, 'application/json', '{"code":"UNAUTHORIZED","message":"no api key"}'],
  ['a code that is a number', 404, 'application/json', '{"code":404,"message":"Not Found"}'],
  ['a code that is digits', 400, 'application/json', '{"code":"40001","message":"bad request"}'],
  ['RFC 9457', 404, 'application/problem+json', '{"type":"about:blank","title":"Not Found","status":404}'],
  ['nothing at all, 404', 404, 'text/plain', ''],
  ['nothing at all, 405', 405, 'text/plain', ''],
  ['a limit of its own', 429, 'application/json', '{"code":"LIMIT_EXCEEDED","message":"slow down"}'],
];

const CALLS: [name: string, call: (provider: WechatV3Provider) => Promise<unknown>][] = [
  ['prepay', (provider) => provider.prepay(ORDER)],
  ['query', (provider) => provider.queryPayment(ORDER)],
  ['close', (provider) => provider.closePayment(ORDER)],
  ['refund', (provider) => provider.refund(REFUND)],
  ['query of a refund', (provider) => provider.queryRefund(REFUND)],
  ['abnormal refund', (provider) => provider.retryAbnormalRefund({ ...REFUND, refundId: '50300' }, CARD)],
  ['bill', (provider) => provider.downloadBill('2026-11-22', 'trade')],
];
const CARD = { to: 'merchant_card' } as const;

/** Refusals in WeChat Pay's own words, and what each call makes of them. */
const GENUINE: [name: string, call: (typeof CALLS)[number][1], status: number, code: string, outcome: object][] = [
  ['query', (provider) => provider.queryPayment(ORDER), 404, 'ORDER_NOT_EXIST', { state: 'not_found' }],
  ['close', (provider) => provider.closePayment(ORDER), 404, 'ORDER_NOT_EXIST', { state: 'closed' }],
  ['query of a refund', (provider) => provider.queryRefund(REFUND), 404, 'RESOURCE_NOT_EXISTS', { state: 'not_found' }],
  ['refund', (provider) => provider.refund(REFUND), 403, 'NOT_ENOUGH', { outcome: 'rejected', code: 'NOT_ENOUGH' }],
  ['prepay', (provider) => provider.prepay(ORDER), 403, 'NO_AUTH', { outcome: 'rejected', code: 'NO_AUTH' }],
];

type Headers = Record<string, string | string[]>;

/** What a signature that proves nothing may look like. */
const BAD_SIGNATURES: [name: string, headers: (body: Buffer) => Headers][] = [
  ['of another key', (body) => signatureHeaders(body, { key: otherPair.privateKey })],
  ['over another text', () => signatureHeaders(Buffer.from('{}'))],
  ['of long ago', (body) => signatureHeaders(body, { at: after(NOW, -10 * MINUTE) })],
  ['of a serial that is not known', (body) => signatureHeaders(body, { serial: 'PUB_KEY_ID_0' })],
  ['that is a probe', (body) => ({ ...signatureHeaders(body), 'wechatpay-signature': 'WECHATPAY/SIGNTEST/AAAA' })],
  ['of which a part is missing', (body) => ({ 'wechatpay-signature': signatureHeaders(body)['wechatpay-signature']! })],
  ['of which only the time is there', () => ({ 'wechatpay-timestamp': String(NOW.getTime() / 1000) })],
];

describe('an answer that did not come from WeChat Pay', () => {
  let server: StandIn;
  let provider: WechatV3Provider;
  let answering: (response: ServerResponse) => void;

  beforeAll(async () => {
    server = await standIn((_request, response) => answering(response));
    provider = new WechatV3Provider(settingsOf({ baseUrl: server.url }), new ManualClock(NOW), { retryPauseMs: 1 });
  });
  afterAll(async () => {
    await provider.close();
    await server.close();
  });

  const answer = (status: number, body: string, headers: Headers): void => {
    answering = (response) => void response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(body);
  };
  const outcomeOf = (call: (provider: WechatV3Provider) => Promise<unknown>): Promise<unknown> =>
    call(provider).catch(({ outcome, code }: ProviderError) => ({ outcome, code }));

  describe.each(CALLS)('settles nothing: %s', (_call, call) => {
    it.each(GATEWAYS)('%s', async (_gateway, status, type, body) => {
      answer(status, body, { 'content-type': type });
      expect(await outcomeOf(call)).toMatchObject({ outcome: 'unknown' });
    });
  });

  describe.each(GENUINE)('is told from one that did: %s', (_call, call, status, code, outcome) => {
    const body = JSON.stringify({ code, message: 'in the words of WeChat Pay' });

    it('a refusal that WeChat Pay signed', async () => {
      answer(status, body, signatureHeaders(Buffer.from(body)));
      expect(await outcomeOf(call)).toMatchObject(outcome);
    });

    it('a refusal without a signature, by its code', async () => {
      for (const empty of [{}, { 'wechatpay-signature': '' }] as Headers[]) {
        answer(status, body, empty);
        expect(await outcomeOf(call)).toMatchObject(outcome);
      }
    });

    it.each(BAD_SIGNATURES)('no refusal with a signature %s', async (_signature, headers) => {
      answer(status, body, headers(Buffer.from(body)));
      expect(await outcomeOf(call)).toMatchObject({
        outcome: 'unknown',
        code: expect.stringMatching(/^(unverified_answer|signature_probe)$/) as string,
      });
    });
  });
});
