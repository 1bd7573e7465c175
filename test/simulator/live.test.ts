import { once } from 'node:events';
import { connect } from 'node:net';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { type Answer, freshNumber, type Merchant, merchantOf } from './support/merchant.js';
import { type Receiver, startReceiver } from './support/receiver.js';

const JSAPI = '/v3/pay/transactions/jsapi';

/**
 * The simulator beside answers of the live service that merchants have published: the fields that are there, and those
 * that are not.
 */
describe('like the live service', () => {
  let sim: Simulator;
  let merchant: Merchant;
  let receiver: Receiver;

  beforeAll(async () => {
    sim = await startSimulator({ seed: 3 });
    receiver = await startReceiver(() => sim);
    merchant = merchantOf(sim, receiver.url);
  });
  beforeEach(() => {
    sim.reset();
    receiver.arrivals.length = 0;
  });
  afterAll(async () => {
    await sim.close();
    await receiver.close();
  });

  const query = async (number: string): Promise<Record<string, unknown>> =>
    (await merchant.get(`/v3/pay/transactions/out-trade-no/${number}?mchid=${sim.credentials.mchid}`)).body;
  const text = expect.any(String) as string;

  describe('an order', () => {
    const open = (state: string, words: string, number: string): object => ({
      amount: { payer_currency: 'CNY', total: 100 },
      appid: sim.credentials.appid,
      mchid: sim.credentials.mchid,
      out_trade_no: number,
      promotion_detail: [],
      scene_info: { device_id: '' },
      trade_state: state,
      trade_state_desc: words,
    });

    it('that is not paid has no currency and no payer_total, an empty device and an empty list of coupons', async () => {
      const number = await merchant.place();
      expect(await query(number)).toEqual(open('NOTPAY', '订单未支付', number));
      await merchant.post(`/v3/pay/transactions/out-trade-no/${number}/close`, { mchid: sim.credentials.mchid });
      expect(await query(number)).toEqual(open('CLOSED', '订单已关闭', number));
    });

    it('that is paid has an empty attach and an empty list of coupons, and no scene_info', async () => {
      const number = await merchant.paid();
      const { appid, mchid } = sim.credentials;
      const paid = {
        amount: { currency: 'CNY', payer_currency: 'CNY', payer_total: 100, total: 100 },
        appid,
        attach: '',
        bank_type: 'OTHERS',
        mchid,
        out_trade_no: number,
        payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
        success_time: text,
        trade_state: 'SUCCESS',
        trade_state_desc: '支付成功',
        trade_type: 'JSAPI',
        transaction_id: text,
      };
      expect(await query(number)).toEqual({ ...paid, promotion_detail: [] });
      await sim.settled();
      // The notice of a payment without a coupon does not even have the list.
      expect(receiver.arrivals.map(({ content }) => content)).toEqual([paid]);
    });

    it('has the device and the attach that were sent', async () => {
      const sent = { attach: 'shop 7', scene_info: { payer_client_ip: '::1', device_id: 'D1' } };
      const seen = { attach: 'shop 7', scene_info: { device_id: 'D1' } };
      const number = await merchant.place(sent);
      expect(await query(number)).toMatchObject({ ...seen, trade_state: 'NOTPAY' });
      sim.pay(number);
      expect(await query(number)).toMatchObject({ ...seen, trade_state: 'SUCCESS' });
    });
  });

  describe('a refund', () => {
    it('has an empty amount.from and an empty list of coupons', async () => {
      const number = await merchant.paid();
      const { body } = await merchant.refund(number, 'R_1', 40);
      expect(body).toEqual({
        amount: {
          currency: 'CNY',
          discount_refund: 0,
          from: [],
          payer_refund: 40,
          payer_total: 100,
          refund: 40,
          refund_fee: 0,
          settlement_refund: 40,
          settlement_total: 100,
          total: 100,
        },
        channel: 'ORIGINAL',
        create_time: text,
        funds_account: 'AVAILABLE',
        out_refund_no: 'R_1',
        out_trade_no: number,
        promotion_detail: [],
        refund_id: text,
        status: 'PROCESSING',
        transaction_id: text,
        user_received_account: '支付用户零钱',
      });
      sim.settleRefund('R_1', 'SUCCESS');
      const settled = await merchant.get('/v3/refund/domestic/refunds/R_1');
      expect(settled.body).toEqual({ ...body, status: 'SUCCESS', success_time: text });
    });

    it.each([
      ['CASH', 'COUPON'],
      ['NOCASH', 'DISCOUNT'],
    ] as const)('calls a %s coupon %s', async (coupon_type, type) => {
      const number = await merchant.place();
      sim.pay(number, { coupon_fen: 50, coupon_type });
      expect(await query(number)).toMatchObject({ promotion_detail: [{ type: coupon_type, amount: 50 }] });
      const { body } = await merchant.refund(number, 'R_1', 40);
      expect(body).toMatchObject({ promotion_detail: [{ type, amount: 50, refund_amount: 20 }] });
    });
  });

  describe('a refusal', () => {
    it('is signed like a success: NOT_ENOUGH', async () => {
      const number = await merchant.paid();
      await sim.faults({ balance_fen: 0 });
      const refused = await merchant.refund(number, 'R_1', 100);
      expect(refused).toMatchObject({ status: 403, signed: true, body: { code: 'NOT_ENOUGH' } });
      for (const name of ['Wechatpay-Nonce', 'Wechatpay-Timestamp', 'Wechatpay-Serial', 'Wechatpay-Signature-Type'])
        expect(refused.headers.get(name)).not.toBeNull();
      expect(refused.headers.get('Request-ID')).toMatch(/-268892709$/);
    });

    it('of who has not proven who it is has no signature', async () => {
      const target = `/v3/pay/transactions/out-trade-no/ANY_NUMBER?mchid=${sim.credentials.mchid}`;
      const doctored = (from: RegExp, to: string): Promise<Answer> =>
        merchant.get(target, { authorization: (header) => header.replace(from, to) });
      const unproven = await Promise.all([
        doctored(/.*/, ''),
        doctored(/nonce_str="./, 'nonce_str="?'),
        doctored(/mchid="\d+"/, 'mchid="1999999999"'),
        merchant.get(target, { clockOff: 310 }),
      ]);
      for (const answer of unproven) expect(answer.headers.get('Wechatpay-Signature')).toBeNull();
      expect(unproven.map(({ status }) => status)).toEqual([401, 401, 400, 401]);
    });

    it.each(['wrong_signature', 'signtest', 'unknown_serial', 'stale_timestamp', 'unsigned', 'flip_body'] as const)(
      'may be struck by %s as a success may',
      async (fault) => {
        const target = '/v3/refund/domestic/refunds/R_20261123';
        await sim.faults({ rules: [{ at: 'refund_query', do: fault, times: 1 }] });
        expect(await merchant.get(target)).toMatchObject({ status: 404, signed: false });
        expect(await merchant.get(target)).toMatchObject({ status: 404, signed: true });
      },
    );

    it('that an error rule asks for is signed, but for those of a front and those of failed authentication', async () => {
      const number = await merchant.place();
      const target = `/v3/pay/transactions/out-trade-no/${number}?mchid=${sim.credentials.mchid}`;
      const signed: Record<number, boolean> = {};
      for (const status of [400, 401, 403, 404, 429, 500, 502, 503]) {
        await sim.faults({ rules: [{ at: 'query', do: 'error', status }] });
        const answer = await merchant.get(target);
        expect(answer.status).toBe(status);
        signed[status] = answer.signed;
      }
      const of = { 400: true, 401: false, 403: true, 404: true, 429: true, 500: true, 502: false, 503: false };
      expect(signed).toEqual(of);
    });

    it('says uri_template where a number in the path is wrong', async () => {
      const { mchid } = sim.credentials;
      const long = 'A'.repeat(33);
      const at = async (call: Promise<Answer>): Promise<unknown> => (await call).body.detail;
      expect(await at(merchant.get(`/v3/pay/transactions/out-trade-no/ab%20cd12?mchid=${mchid}`))).toMatchObject({
        location: 'uri_template',
        field: '/out_trade_no',
        value: 'ab cd12',
      });
      const uriTemplate = { location: 'uri_template' };
      const abnormal = `/v3/refund/domestic/refunds/${long}/apply-abnormal-refund`;
      for (const call of [
        merchant.get(`/v3/pay/transactions/id/${long}?mchid=${mchid}`),
        merchant.post('/v3/pay/transactions/out-trade-no/short/close', { mchid }),
        merchant.get(`/v3/refund/domestic/refunds/${encodeURIComponent('字')}`),
        merchant.post(abnormal, { out_refund_no: 'R_1', type: 'MERCHANT_BANK_CARD' }),
      ])
        expect(await at(call)).toMatchObject(uriTemplate);
    });
  });

  describe('what may be sent', () => {
    const placed = async (more: Record<string, unknown>): Promise<Answer> => merchant.post(JSAPI, merchant.order(more));

    it.each([
      ['attach', 128],
      ['description', 127],
    ])('%s: as many bytes of UTF-8 as %i, and a refusal shows how many there were', async (name, bytes) => {
      const longest = '字'.repeat(Math.floor(bytes / 3)) + 'a'.repeat(bytes % 3);
      expect((await placed({ [name]: longest })).status).toBe(200);
      const refused = await placed({ [name]: `${longest}a` });
      expect(refused.body).toMatchObject({
        code: 'PARAM_ERROR',
        message: `参数错误: 字节数 ${bytes + 1}，大于最大值 ${bytes}`,
        detail: { field: `/${name}`, location: 'body', value: bytes + 1 },
      });
    });

    it.each([
      ['with the offset of China', '+08:00', ''],
      ['with another offset', '-05:30', ''],
      ['with Z', 'Z', ''],
      ['with a fraction of a second', '+08:00', '.5'],
      ['with nine digits of a second and Z', 'Z', '.123456789'],
      ['in lower case', 'z', '.001'],
    ])('a time_expire %s', async (_form, offset, fraction) => {
      const time_expire = `2099-01-02T03:04:05${fraction}${offset}`;
      const spelled = offset === 'z' ? time_expire.toLowerCase() : time_expire;
      expect((await placed({ time_expire: spelled })).status).toBe(200);
    });

    it('a time_expire means the same moment in every form', async () => {
      const inTenMinutes = Math.ceil(Date.parse(sim.now()) / 1000) * 1000 + 600_000;
      const inZone = (hours: number): string => new Date(inTenMinutes + hours * 3_600_000).toISOString().slice(0, 19);
      const forms = [`${inZone(8)}+08:00`, `${inZone(0)}Z`, `${inZone(-5)}.000-05:00`];
      const numbers = await Promise.all(forms.map((time_expire) => merchant.place({ time_expire })));
      const ends = numbers.map((out_trade_no) => sim.ledger({ out_trade_no }).transactions[0]?.expires_at);
      expect(new Set(ends).size).toBe(1);
    });

    it.each(['2099-01-02T03:04:05', '2099-01-02 03:04:05+08:00', '2099-02-30T03:04:05Z', '2099-01-02T03:04:05+0800'])(
      'no time_expire like %s',
      async (time_expire) => {
        expect((await placed({ time_expire })).body).toMatchObject({ detail: { field: '/time_expire' } });
      },
    );

    it.each(['http://shop.example.com/n', 'http://192.168.1.7:8080/n', 'https://localhost/n', 'http://shop/n'])(
      'a notify_url like %s',
      async (notify_url) => {
        expect((await placed({ notify_url })).status).toBe(200);
      },
    );

    it('an empty Wechatpay-Serial, which is none', async () => {
      const number = await merchant.place();
      const headers = { 'Wechatpay-Serial': '' };
      const target = `/v3/pay/transactions/out-trade-no/${number}?mchid=${sim.credentials.mchid}`;
      expect(await merchant.get(target, { headers })).toMatchObject({ status: 200, signed: true });
      const echo = await merchant.post('/v3/security/echo', { echo_message: 'x' }, { headers });
      expect(echo.body).toMatchObject({ code: 'PARAM_ERROR', detail: { location: 'header' } });
    });
  });

  it('an idle connection is announced to end after 8 seconds, and the server ends it', async () => {
    const socket = connect(Number(new URL(sim.url).port), '127.0.0.1');
    let head = '';
    socket.on('data', (bytes: Buffer) => (head += bytes.toString('latin1')));
    socket.write(`GET /v3/${freshNumber()} HTTP/1.1\r\nHost: api.mch.weixin.qq.com\r\n\r\n`);
    await once(socket, 'end');
    socket.destroy();
    expect(head).toMatch(/^HTTP\/1\.1 404 /);
    expect(head).toMatch(/\r\nKeep-Alive: timeout=8\r\n/);
  });
});
