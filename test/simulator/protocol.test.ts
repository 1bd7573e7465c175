import { request } from 'node:http';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { freshNumber, type Merchant, merchantOf } from './support/merchant.js';

const JSAPI = '/v3/pay/transactions/jsapi';

describe('the protocol', () => {
  let sim: Simulator;
  let merchant: Merchant;

  beforeAll(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS });
    merchant = merchantOf(sim);
  });

  afterAll(() => sim.close());

  const query = (number: string): string =>
    `/v3/pay/transactions/out-trade-no/${number}?mchid=${sim.credentials.mchid}`;

  describe('answers', () => {
    it('are signed, carry a Request-ID, and speak JSON', async () => {
      const answer = await merchant.post(JSAPI, merchant.order());
      expect(answer).toMatchObject({ status: 200, signed: true });
      expect(answer.headers.get('Request-ID')).toMatch(/^[0-9A-F]+-0$/);
      expect(answer.headers.get('Wechatpay-Signature-Type')).toBe('WECHATPAY2-SHA256-RSA2048');
      expect(answer.headers.get('Content-Type')).toContain('application/json');
    });

    it('of 204 are signed over an empty body', async () => {
      const number = await merchant.place();
      const answer = await merchant.post(`/v3/pay/transactions/out-trade-no/${number}/close`, {
        mchid: sim.credentials.mchid,
      });
      expect(answer).toMatchObject({ status: 204, text: '', signed: true });
    });

    it('of 4xx are signed too and name a code', async () => {
      const answer = await merchant.get(query('NOBODY_KNOWS'));
      expect(answer).toMatchObject({ status: 404, signed: true });
      expect(answer.body).toEqual({ code: 'ORDER_NOT_EXIST', message: '订单不存在' });
      expect(answer.headers.get('Request-ID')).toMatch(/-268512771$/);
    });

    it('to an unknown path are an empty 404, and to a wrong method an empty 405', async () => {
      expect(await merchant.get('/v3/pay/transactions/nothing')).toMatchObject({ status: 404, text: '' });
      expect(await merchant.get(JSAPI)).toMatchObject({ status: 405, text: '' });
    });
  });

  describe('the Authorization header', () => {
    it('may have its parts in any order, and is needed', async () => {
      const shuffled = await merchant.get(query(await merchant.place()), {
        authorization: (header) => {
          const [scheme = '', pairs = ''] = header.split(' ');
          return `${scheme} ${pairs.split(',').reverse().join(',')}`;
        },
      });
      expect(shuffled.status).toBe(200);
      for (const authorization of ['', 'Bearer abc', 'WECHATPAY2-SHA256-RSA2048 mchid="1"']) {
        const refused = await merchant.get('/v3/certificates', { authorization: () => authorization });
        expect(refused).toMatchObject({ status: 401, body: { code: 'SIGN_ERROR' } });
        expect(refused.body.message).toContain('Http头Authorization值格式错误');
      }
    });

    it('missing on a payment call gets another text and no Request-ID', async () => {
      const refused = await merchant.post(JSAPI, merchant.order(), { authorization: () => '' });
      expect(refused).toMatchObject({ status: 401, body: { code: 'SIGN_ERROR', message: '签名信息错误，验签失败' } });
      expect(refused.headers.get('Request-ID')).toBeNull();
    });

    it('is refused when the clock is more than five minutes off, before the signature is looked at', async () => {
      const number = await merchant.place();
      expect((await merchant.get(query(number), { clockOff: 290 })).status).toBe(200);
      expect((await merchant.get(query(number), { clockOff: -290 })).status).toBe(200);
      for (const clockOff of [310, -310]) {
        const spoiled = (header: string): string => header.replace(/signature="[^"]+"/, 'signature="AAAA"');
        const refused = await merchant.get(query(number), { clockOff, authorization: spoiled });
        expect(refused.status).toBe(401);
        expect(refused.body.message).toContain('不得超过5分钟');
      }
    });

    it('is refused for another serial', async () => {
      const refused = await merchant.get(query('ANY_NUMBER'), {
        authorization: (header) => header.replace(/serial_no="[^"]+"/, 'serial_no="5157F09EFDC096DE15EBE81A47057A72"'),
      });
      expect(refused).toMatchObject({ status: 401, body: { code: 'SIGN_ERROR' } });
      expect(refused.body.message).toContain('商户证书序列号有误');
    });

    it('is refused for a merchant nobody knows: 400 on payments, 404 on refunds', async () => {
      const authorization = (header: string): string => header.replace(/mchid="\d+"/, 'mchid="1999999999"');
      expect(await merchant.get(query('ANY_NUMBER'), { authorization })).toMatchObject({
        status: 400,
        body: { code: 'MCH_NOT_EXISTS' },
      });
      expect(await merchant.get('/v3/refund/domestic/refunds/ANY', { authorization })).toMatchObject({
        status: 404,
        body: { code: 'MCH_NOT_EXISTS' },
      });
    });
  });

  describe('the signature', () => {
    it('is checked over the very bytes of the body', async () => {
      const order = merchant.order();
      const spaced = JSON.stringify(order, null, 2);
      expect((await merchant.post(JSAPI, null, { raw: spaced })).status).toBe(200);
      expect((await merchant.post(JSAPI, null, { raw: `${spaced}\n` })).status).toBe(200);
      const forged = await merchant.post(JSAPI, order, {
        authorization: (header) => header.replace(/nonce_str="./, 'nonce_str="?'),
      });
      expect(forged).toMatchObject({ status: 401, body: { code: 'SIGN_ERROR' } });
      expect(forged.body.detail).toMatchObject({
        detail: { issue: 'sign not match' },
        sign_information: { method: 'POST', url: JSAPI },
      });
    });

    it('is checked over the target as it stands on the wire, percent signs included', async () => {
      const number = await merchant.place({ out_trade_no: `${freshNumber('PIPE')}|*` });
      const encoded = query(encodeURIComponent(number));
      expect(encoded).toContain('%7C');
      expect(await merchant.get(encoded)).toMatchObject({ status: 200, body: { out_trade_no: number } });
      expect((await merchant.get(query(number.replace('|', '%7c')))).status).toBe(200);
    });
  });

  describe('request headers', () => {
    const bare = (method: string, path: string): Promise<number> =>
      new Promise((resolve, reject) => {
        request(sim.url + path, { method }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        })
          .on('error', reject)
          .end();
      });

    it('need a User-Agent on certificates and refunds', async () => {
      expect(await bare('GET', '/v3/certificates')).toBe(400);
      expect(await bare('GET', '/v3/refund/domestic/refunds/ANY')).toBe(400);
      expect(await bare('GET', query('ANY_NUMBER'))).toBe(401);
    });

    it('need to call the body JSON', async () => {
      const refused = await merchant.post(JSAPI, merchant.order(), { headers: { 'Content-Type': 'text/plain' } });
      expect(refused).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } });
    });

    it('may not name a platform key that does not exist', async () => {
      const refused = await merchant.get(query('ANY_NUMBER'), { headers: { 'Wechatpay-Serial': 'PUB_KEY_ID_1' } });
      expect(refused).toMatchObject({ status: 400, body: { code: 'PARAM_ERROR' } });
    });
  });

  describe('fields', () => {
    const refused = async (more: Record<string, unknown>): Promise<unknown> => {
      const answer = await merchant.post(JSAPI, merchant.order(more));
      expect(answer).toMatchObject({ status: 400, body: { code: 'PARAM_ERROR' } });
      return answer.body.detail;
    };

    it.each([
      ['a missing field', { description: undefined }, '/description'],
      ['an unknown field', { limit_pay: ['no_credit'] }, '/limit_pay'],
      ['an unknown inner field', { amount: { total: 1, payer_total: 1 } }, '/amount/payer_total'],
      ['a null', { attach: null }, '/attach'],
      ['an empty text', { attach: '' }, '/attach'],
      ['no money', { amount: { total: 0 } }, '/amount/total'],
      ['yuan with a point', { amount: { total: 1.5 } }, '/amount/total'],
      ['an amount in quotes', { amount: { total: '100' } }, '/amount/total'],
      ['another currency', { amount: { total: 1, currency: 'USD' } }, '/amount/currency'],
      ['a short number', { out_trade_no: '12345' }, '/out_trade_no'],
      ['a long number', { out_trade_no: 'A'.repeat(33) }, '/out_trade_no'],
      ['a number with a blank', { out_trade_no: 'ABC 123' }, '/out_trade_no'],
      ['a description of 129 bytes', { description: '字'.repeat(43) }, '/description'],
      ['an emoji', { description: '公仔😀' }, '/description'],
      ['a time without a zone', { time_expire: '2026-11-23T10:00:00' }, '/time_expire'],
      ['a notify_url with a query', { notify_url: 'https://shop.example.com/n?a=1' }, '/notify_url'],
      ['a notify_url of another scheme', { notify_url: 'ftp://shop.example.com/n' }, '/notify_url'],
      ['a notify_url with brackets', { notify_url: 'http://[::1]:3000/n' }, '/notify_url'],
      ['a notify_url without a path', { notify_url: 'https://shop.example.com' }, '/notify_url'],
      ['a notify_url with a leading blank', { notify_url: ' https://shop.example.com/n' }, '/notify_url'],
      [
        'goods without a number',
        { detail: { goods_detail: [{ quantity: 1 }] } },
        '/detail/goods_detail/0/merchant_goods_id',
      ],
      ['no goods in the list', { detail: { goods_detail: [] } }, '/detail/goods_detail'],
    ])('refuse %s and say where', async (_what, more, field) => {
      expect(await refused(more)).toMatchObject({ field, location: 'body' });
    });

    it('count bytes in a reason', async () => {
      const number = await merchant.paid();
      const long = await merchant.refund(number, freshNumber('R'), 1, { reason: '字'.repeat(27) });
      expect(long.body).toMatchObject({ code: 'PARAM_ERROR', detail: { field: '/reason' } });
      expect((await merchant.refund(number, freshNumber('R'), 1, { reason: '字'.repeat(26) })).status).toBe(200);
    });

    it('refuse a detail of more than 6144 bytes as a whole', async () => {
      const goods = (count: number): object => ({
        goods_detail: Array.from({ length: count }, (_, index) => ({
          merchant_goods_id: `G${index}`,
          goods_name: '货'.repeat(200),
          quantity: 1,
          unit_price: 1,
        })),
      });
      expect(await refused({ detail: goods(10) })).toMatchObject({ field: '/detail' });
      expect((await merchant.post(JSAPI, merchant.order({ detail: goods(9) }))).status).toBe(200);
    });

    it('refuse a body that is no JSON, and one whose mchid did not sign', async () => {
      expect(await merchant.post(JSAPI, null, { raw: '{"appid":' })).toMatchObject({
        status: 400,
        body: { code: 'PARAM_ERROR' },
      });
      const other = await merchant.post(JSAPI, merchant.order({ mchid: '1900000001' }));
      expect(other).toMatchObject({ status: 400, body: { code: 'PARAM_ERROR' } });
      expect(other.body.message).toBe('http header中的mchid与post payload中的mchid不匹配');
    });

    it('refuse an appid that is not bound, and an openid that is none', async () => {
      expect((await merchant.post(JSAPI, merchant.order({ appid: 'wx0000000000000000' }))).body.code).toBe(
        'APPID_MCHID_NOT_MATCH',
      );
      const openid = await merchant.post(JSAPI, merchant.order({ payer: { openid: '张三' } }));
      expect(openid.body).toMatchObject({ code: 'INVALID_REQUEST', message: '无效的openid' });
    });

    it('of a query string are as strict', async () => {
      const number = await merchant.place();
      for (const target of [
        `/v3/pay/transactions/out-trade-no/${number}`,
        `${query(number)}&extra=1`,
        `${query(number)}&mchid=${sim.credentials.mchid}`,
        `/v3/pay/transactions/out-trade-no/${number}?mchid=1900000001`,
      ]) {
        expect(await merchant.get(target)).toMatchObject({ status: 400, body: { code: 'PARAM_ERROR' } });
      }
    });
  });
});
