import { createSign } from 'node:crypto';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { type Merchant, merchantOf } from './support/merchant.js';
import { type Receiver, startReceiver } from './support/receiver.js';

interface Answer {
  status: number;
  body: Record<string, unknown>;
  text: string;
  type: string;
}

describe('the control calls', () => {
  let sim: Simulator;
  let merchant: Merchant;
  let receiver: Receiver;

  beforeAll(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS, seed: 8 });
    receiver = await startReceiver(() => sim);
    merchant = merchantOf(sim, receiver.url);
  });

  beforeEach(() => {
    sim.reset();
    receiver.arrivals.length = 0;
    receiver.answer = 200;
  });

  afterAll(async () => {
    await sim.close();
    await receiver.close();
  });

  const call = async (method: string, path: string, body?: object, accept = 'application/json'): Promise<Answer> => {
    const answer = await fetch(sim.url + path, {
      method,
      headers: { Accept: accept, ...(body ? { 'Content-Type': 'application/json' } : {}) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    const json = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
    return { status: answer.status, body: json, text, type: answer.headers.get('Content-Type') ?? '' };
  };

  it('pay an order and tell what it is then', async () => {
    const order = await merchant.place();
    expect(await call('POST', `/_sim/transactions/${order}/pay`)).toMatchObject({
      status: 200,
      body: { out_trade_no: order, trade_state: 'SUCCESS' },
    });
    expect(await call('POST', `/_sim/transactions/${order}/pay`)).toMatchObject({
      status: 409,
      body: { message: '该订单已支付' },
    });
    expect((await call('POST', '/_sim/transactions/NOBODY_KNOWS/pay')).status).toBe(404);
    expect((await call('POST', `/_sim/transactions/${order}/pay`, { tip: 1 })).status).toBe(400);
  });

  it('let a payment fail', async () => {
    const order = await merchant.place();
    expect(await call('POST', `/_sim/transactions/${order}/fail`, { reason: '密码错误' })).toMatchObject({
      status: 200,
      body: { trade_state: 'NOTPAY' },
    });
    expect((await call('GET', '/_sim/ledger')).body.transactions).toMatchObject([{ failed_attempts: 1 }]);
  });

  it('settle refunds, only along the state machine', async () => {
    const order = await merchant.paid();
    await merchant.refund(order, 'R_1', 100);
    expect(await call('POST', '/_sim/refunds/R_1/abnormal')).toMatchObject({ body: { status: 'ABNORMAL' } });
    expect((await call('POST', '/_sim/refunds/R_1/close')).status).toBe(409);
    expect(await call('POST', '/_sim/refunds/R_1/succeed')).toMatchObject({ body: { status: 'SUCCESS' } });
    expect((await call('POST', '/_sim/refunds/R_1/succeed')).status).toBe(200);
    expect((await call('POST', '/_sim/refunds/NOBODY/succeed')).status).toBe(404);
    await sim.settled();
    expect(receiver.arrivals).toHaveLength(3);
  });

  it('move the clock and answer once everything due has been sent and answered', async () => {
    receiver.answer = 500;
    await merchant.paid();
    await call('POST', '/_sim/settled');
    expect(receiver.arrivals).toHaveLength(1);
    const before = Date.parse(String((await call('GET', '/_sim/clock')).body.now));
    const { body } = await call('POST', '/_sim/clock', { advance_seconds: 3600 });
    expect(Date.parse(String(body.now)) - before).toBeGreaterThanOrEqual(3_600_000);
    expect(receiver.arrivals).toHaveLength(7);
    expect((await call('POST', '/_sim/clock', { advance_seconds: -1 })).status).toBe(400);
    expect((await call('POST', '/_sim/clock', { advance: 1 })).status).toBe(400);
  });

  it('set faults, limits, keys and balance, and tell what holds', async () => {
    const plan = {
      rules: [{ at: 'payment_notice', do: 'lose', times: 1 }],
      limits: { order_per_second: 500 },
      keys: { mode: 'both', switch_day: 7 },
      balance_fen: 12_345,
    };
    const { body } = await call('PUT', '/_sim/faults', plan);
    expect(body).toMatchObject({
      rules: [{ at: 'payment_notice', do: 'lose', struck: 0 }],
      limits: { order_per_second: 500 },
      keys: { mode: 'both', switch_day: 7, callback_share_of_public_key: 1 },
      balance_fen: 12_345,
    });
    await merchant.paid();
    expect((await call('GET', '/_sim/faults')).body.rules).toMatchObject([{ struck: 1 }]);
    await call('PUT', '/_sim/faults', { keys: { mode: 'public_key' } });
    expect((await call('GET', '/_sim/faults')).body.rules).toHaveLength(1);
    for (const wrong of [
      { rules: [{ at: 'order', do: 'explode' }] },
      { rules: [{ at: 'moon', do: 'hang' }] },
      { x: 1 },
    ]) {
      expect((await call('PUT', '/_sim/faults', wrong)).status).toBe(400);
    }
  });

  it('show ledger and notices as JSON and as pages, with a stranger’s text made harmless', async () => {
    const order = await merchant.paid({ description: '<script>alert(1)</script>' });
    await sim.settled();
    const ledger = await call('GET', '/_sim/ledger');
    expect(ledger.body).toMatchObject({
      totals: { transactions: 1, paid: 1, taken: 100, refunded: 0, fees: 1, balance: 99 },
      transactions: [{ out_trade_no: order, trade_state: 'SUCCESS', total: 100, fee: 1 }],
    });
    expect((await call('GET', `/_sim/ledger?out_trade_no=OTHER_NUMBER`)).body.transactions).toEqual([]);
    expect((await call('GET', '/_sim/notices')).body.notices).toMatchObject([
      { out_trade_no: order, state: 'received', content: { out_trade_no: order } },
    ]);
    for (const path of ['/_sim/ledger', '/_sim/notices', '/_sim', '/']) {
      const page = await call('GET', path, undefined, 'text/html');
      expect([path, page.status, page.type]).toEqual([path, 200, 'text/html; charset=utf-8']);
      expect(page.text).not.toContain('<script>alert');
    }
    expect((await call('GET', '/_sim/ledger', undefined, 'text/html')).text).toContain('&lt;script&gt;alert');
  });

  it('send a notice again', async () => {
    await merchant.paid();
    await sim.settled();
    const id = String(sim.notices()[0]?.id);
    await call('POST', `/_sim/notices/${id}/send`);
    expect(receiver.arrivals).toHaveLength(2);
  });

  it('reset everything but the keys', async () => {
    const keys = sim.credentials;
    await sim.advance(3600);
    await merchant.paid();
    await sim.faults({ rules: [{ at: 'call', do: 'error' }], limits: { order_per_second: 0 } });
    await call('POST', '/_sim/reset');
    expect(sim.ledger()).toMatchObject({ totals: { transactions: 0, balance: 0 }, transactions: [] });
    expect(sim.notices()).toEqual([]);
    expect(sim.credentials).toEqual(keys);
    expect(Math.abs(Date.parse(sim.now()) - Date.now())).toBeLessThan(5000);
    await merchant.place();
  });

  it('make a day’s bill differ, give login codes and message quotas', async () => {
    const order = await merchant.paid();
    const day = sim.now().slice(0, 10);
    const made = await call('POST', `/_sim/bills/${day}/differences`, { named: [{ kind: 'amount', number: order }] });
    expect(made.body.differences).toEqual([{ kind: 'amount', number: order }]);
    expect((await call('POST', `/_sim/bills/${day}/differences`, { count: { missing: 9 } })).status).toBe(409);
    const { body } = await call('POST', '/_sim/login-codes', { user: 'alice' });
    expect(body).toMatchObject({ openid: sim.loginCode('alice').openid });
    const quota = { openid: body.openid, template_id: 'TEMPLATE_ID_0001', left: 0 };
    expect((await call('POST', '/_sim/message-quotas', quota)).status).toBe(200);
  });

  describe('wx.requestPayment', () => {
    const signed = async (more: Record<string, string> = {}): Promise<Record<string, string>> => {
      await merchant.place();
      const prepayId = sim.ledger().transactions.at(-1)?.prepay_ids[0] ?? '';
      const params = { timeStamp: '1700000000', nonceStr: 'abc', package: `prepay_id=${prepayId}`, signType: 'RSA' };
      const message = `${sim.credentials.appid}\n${params.timeStamp}\n${params.nonceStr}\n${params.package}\n`;
      const paySign = createSign('RSA-SHA256').update(message).sign(sim.credentials.merchantPrivateKeyPem, 'base64');
      return { ...params, paySign, ...more };
    };

    it('opens the payment sheet for what is rightly signed', async () => {
      const params = await signed();
      const answer = await call('POST', '/_sim/request-payment', params);
      expect(answer.status).toBe(200);
      const page = await call('GET', String(answer.body.cashier), undefined, 'text/html');
      expect(page.text).toContain('Image形象店');
      expect((await call('GET', `/_sim/cashier?${new URLSearchParams(params).toString()}`)).status).toBe(200);
    });

    it.each([
      ['another signType', { signType: 'MD5' }],
      ['a changed time', { timeStamp: '1700000001' }],
      ['an unknown prepay_id', { package: 'prepay_id=wx0' }],
      ['a package without its name', { package: 'wx0' }],
    ])('refuses %s', async (_what, more) => {
      const answer = await call('POST', '/_sim/request-payment', await signed(more));
      expect(answer).toMatchObject({
        status: 400,
        body: { message: expect.stringMatching(/^requestPayment:fail/) as string },
      });
      const query = new URLSearchParams(await signed(more)).toString();
      expect((await call('GET', `/_sim/cashier?${query}`)).status).toBe(400);
    });
  });
});
