import { constants, publicEncrypt } from 'node:crypto';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { type Answer, freshNumber, type Merchant, merchantOf } from './support/merchant.js';

const MINUTE = 60;
const DAY = 86_400;

describe('a refund', () => {
  let sim: Simulator;
  let merchant: Merchant;

  beforeAll(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS, seed: 11 });
    merchant = merchantOf(sim);
  });

  beforeEach(() => sim.reset());

  afterAll(() => sim.close());

  const queryRefund = (number: string): Promise<Answer> => merchant.get(`/v3/refund/domestic/refunds/${number}`);
  const tradeState = async (number: string): Promise<unknown> =>
    (await merchant.get(`/v3/pay/transactions/out-trade-no/${number}?mchid=${sim.credentials.mchid}`)).body.trade_state;

  it('is accepted as PROCESSING, turns the order to REFUND even if partial, and arrives after five minutes', async () => {
    const order = await merchant.paid({ amount: { total: 1000 } });
    const accepted = await merchant.refund(order, 'R_1', 300, { reason: '不合适' });
    expect(accepted).toMatchObject({ status: 200, signed: true });
    expect(accepted.body).toMatchObject({
      out_refund_no: 'R_1',
      out_trade_no: order,
      status: 'PROCESSING',
      channel: 'ORIGINAL',
      funds_account: 'AVAILABLE',
      amount: { total: 1000, refund: 300, payer_total: 1000, payer_refund: 300, refund_fee: 2, currency: 'CNY' },
    });
    expect(accepted.body).not.toHaveProperty('success_time');
    expect(await tradeState(order)).toBe('REFUND');
    await sim.advance(5 * MINUTE);
    const arrived = await queryRefund('R_1');
    expect(arrived.body).toMatchObject({ status: 'SUCCESS', refund_id: accepted.body.refund_id });
    expect(arrived.body).toHaveProperty('success_time');
  });

  it('under a number nobody knows is 404, and so is one of an order that is unknown or unpaid', async () => {
    expect(await queryRefund('R_NOBODY')).toMatchObject({ status: 404, body: { code: 'RESOURCE_NOT_EXISTS' } });
    const unpaid = await merchant.place();
    for (const order of [unpaid, 'NOBODY_KNOWS']) {
      const answer = await merchant.refund(order, 'R_1', 1, { amount: { refund: 1, total: 100, currency: 'CNY' } });
      expect(answer).toMatchObject({ status: 404, body: { code: 'RESOURCE_NOT_EXISTS' } });
    }
  });

  it('names its order by exactly one of the two numbers', async () => {
    const order = await merchant.paid();
    const { transaction_id: transactionId } = sim.ledger().transactions[0] ?? {};
    const both = await merchant.refund(order, 'R_1', 1, { transaction_id: transactionId });
    const none = await merchant.refund(order, 'R_1', 1, { out_trade_no: undefined });
    expect([both.body.code, none.body.code]).toEqual(['PARAM_ERROR', 'PARAM_ERROR']);
    const byId = await merchant.refund(order, 'R_1', 1, { out_trade_no: undefined, transaction_id: transactionId });
    expect(byId.body.out_trade_no).toBe(order);
  });

  it('repeated with the same parameters is the same refund, with others it is refused', async () => {
    const order = await merchant.paid();
    const other = await merchant.paid();
    const first = await merchant.refund(order, 'R_1', 40);
    const again = await merchant.refund(order, 'R_1', 40);
    expect(again.body).toEqual(first.body);
    expect(sim.ledger().totals.refunding).toBe(40);
    expect((await merchant.refund(order, 'R_1', 41)).body.message).toBe('订单金额或退款金额与之前请求不一致');
    expect((await merchant.refund(other, 'R_1', 40)).body.message).toBe('支付单号校验不一致');
    expect((await merchant.refund(order, 'R_1', 40, { reason: 'x' })).body.code).toBe('INVALID_REQUEST');
    await sim.advance(5 * MINUTE);
    expect((await merchant.refund(order, 'R_1', 40)).body).toMatchObject({ status: 'SUCCESS' });
  });

  it('never takes more than is left, and an order can be refunded in full only once', async () => {
    const order = await merchant.paid();
    await merchant.refund(order, 'R_1', 60);
    await sim.advance(MINUTE);
    expect((await merchant.refund(order, 'R_2', 41)).body).toMatchObject({
      code: 'INVALID_REQUEST',
      message: '申请退款金额大于订单可退金额',
    });
    expect((await merchant.refund(order, 'R_2', 40)).status).toBe(200);
    await sim.advance(MINUTE);
    expect((await merchant.refund(order, 'R_3', 1)).body.message).toBe('订单已全额退款');
    expect(sim.ledger().totals).toMatchObject({ taken: 100, refunds: 2, fees: 0, balance: 0 });
  });

  it('must give the order total', async () => {
    const order = await merchant.paid();
    const answer = await merchant.refund(order, 'R_1', 1, { amount: { refund: 1, total: 99, currency: 'CNY' } });
    expect(answer.body.code).toBe('INVALID_REQUEST');
  });

  it('follows the one before it after a minute, not sooner', async () => {
    const order = await merchant.paid();
    await merchant.refund(order, 'R_1', 1);
    const soon = await merchant.refund(order, 'R_2', 1);
    expect(soon).toMatchObject({ status: 429, body: { code: 'FREQUENCY_LIMITED' } });
    expect((await queryRefund('R_2')).status).toBe(404);
    await sim.advance(MINUTE);
    expect((await merchant.refund(order, 'R_2', 1)).status).toBe(200);
  });

  it('comes in fifty parts at most', async () => {
    const order = await merchant.paid();
    for (let part = 1; part <= 50; part += 1) {
      expect((await merchant.refund(order, `R_${part}`, 1)).status).toBe(200);
      await sim.advance(MINUTE);
    }
    expect((await merchant.refund(order, 'R_51', 1)).body).toMatchObject({ code: 'INVALID_REQUEST' });
  });

  it('is possible for a year', async () => {
    const order = await merchant.paid();
    await sim.advance(365 * DAY - 10);
    expect((await merchant.refund(order, 'R_1', 1)).status).toBe(200);
    await sim.advance(2 * MINUTE);
    expect((await merchant.refund(order, 'R_2', 1)).body).toMatchObject({
      code: 'INVALID_REQUEST',
      message: '订单已经超过可退款的最大期限',
    });
  });

  it('needs money in the account, and works under the same number once it is there', async () => {
    const order = await merchant.paid();
    await sim.faults({ balance_fen: 10 });
    expect(await merchant.refund(order, 'R_1', 100)).toMatchObject({ status: 403, body: { code: 'NOT_ENOUGH' } });
    expect((await queryRefund('R_1')).status).toBe(404);
    await sim.faults({ balance_fen: 1000 });
    expect((await merchant.refund(order, 'R_1', 100)).status).toBe(200);
  });

  it('that is closed gives its money back to the merchant and frees the amount for a new number', async () => {
    const order = await merchant.paid();
    await merchant.refund(order, 'R_1', 100);
    sim.settleRefund('R_1', 'CLOSED');
    expect((await queryRefund('R_1')).body.status).toBe('CLOSED');
    expect((await merchant.refund(order, 'R_1', 100)).body.status).toBe('CLOSED');
    expect(sim.ledger().totals).toMatchObject({ refunding: 0, refunded: 0, balance: 99, fees: 1 });
    await sim.advance(MINUTE);
    expect((await merchant.refund(order, 'R_2', 100)).status).toBe(200);
    expect(() => sim.settleRefund('R_1', 'SUCCESS')).toThrow('CLOSED');
  });

  it('gives back cash and coupon in proportion, rounded half up, and adds up to the fen', async () => {
    const order = await merchant.place({ amount: { total: 1000 } });
    sim.pay(order, { coupon_fen: 200, coupon_type: 'CASH' });
    const half = await merchant.refund(order, 'R_1', 500);
    expect(half.body.amount).toMatchObject({ payer_total: 800, payer_refund: 400, discount_refund: 100 });
    await sim.advance(MINUTE);
    const odd = await merchant.refund(order, 'R_2', 333);
    expect(odd.body.amount).toMatchObject({ payer_refund: 266 });
    await sim.advance(MINUTE);
    const rest = await merchant.refund(order, 'R_3', 167);
    expect(rest.body.amount).toMatchObject({ payer_refund: 134 });
  });

  describe('that is abnormal', () => {
    const abnormal = async (): Promise<string> => {
      const order = await merchant.paid();
      const accepted = await merchant.refund(order, 'R_1', 100);
      sim.settleRefund('R_1', 'ABNORMAL');
      return `/v3/refund/domestic/refunds/${String(accepted.body.refund_id)}/apply-abnormal-refund`;
    };

    it('can be sent to the merchant, once, and arrives', async () => {
      const path = await abnormal();
      expect((await queryRefund('R_1')).body.status).toBe('ABNORMAL');
      const form = { out_refund_no: 'R_1', type: 'MERCHANT_BANK_CARD' };
      expect((await merchant.post(path, form)).status).toBe(200);
      expect(await merchant.post(path, form)).toMatchObject({ status: 429, body: { code: 'FREQUENCY_LIMITED' } });
      await sim.advance(5 * MINUTE);
      expect((await queryRefund('R_1')).body).toMatchObject({
        status: 'SUCCESS',
        user_received_account: '商户结算银行账户',
      });
      expect(await merchant.post(path, form)).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } });
    });

    it('can be sent to a card whose number only WeChat Pay can read', async () => {
      const path = await abnormal();
      const { publicKeyPem, publicKeyId } = sim.credentials;
      const encrypt = (text: string): string =>
        publicEncrypt(
          { key: publicKeyPem, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
          Buffer.from(text),
        ).toString('base64');
      const form = {
        out_refund_no: 'R_1',
        type: 'USER_BANK_CARD',
        bank_type: 'ICBC_DEBIT',
        bank_account: encrypt('6222020000000000000'),
        real_name: encrypt('张三'),
      };
      const headers = { 'Wechatpay-Serial': publicKeyId };
      expect((await merchant.post(path, form)).body).toMatchObject({ code: 'PARAM_ERROR' });
      expect((await merchant.post(path, { ...form, real_name: '张三' }, { headers })).body).toMatchObject({
        code: 'PARAM_ERROR',
        detail: { field: '/real_name' },
      });
      expect((await merchant.post(path, { ...form, bank_type: undefined }, { headers })).body).toMatchObject({
        detail: { field: '/bank_type' },
      });
      expect((await merchant.post(path, form, { headers })).body).toMatchObject({
        status: 'ABNORMAL',
        user_received_account: 'ICBC借记卡',
      });
    });

    it('is not found under another id', async () => {
      const form = { out_refund_no: 'R_1', type: 'MERCHANT_BANK_CARD' };
      const answer = await merchant.post('/v3/refund/domestic/refunds/50300000/apply-abnormal-refund', form);
      expect(answer).toMatchObject({ status: 404, body: { code: 'RESOURCE_NOT_EXISTS' } });
    });
  });

  it('can be held to 150 a second, and to six refusals a second', async () => {
    await sim.faults({ limits: { refund_failures_per_second: 6 } });
    const failing = (): Promise<Answer> =>
      merchant.refund('NOBODY_KNOWS', freshNumber('R'), 1, { amount: { refund: 1, total: 1, currency: 'CNY' } });
    const statuses: number[] = [];
    while (!statuses.includes(429) && statuses.length < 100) statuses.push((await failing()).status);
    expect(statuses.slice(0, 6)).toEqual([404, 404, 404, 404, 404, 404]);
    expect(statuses.at(-1)).toBe(429);
    await sim.faults({ limits: { refund_per_second: 0 } });
    expect((await failing()).status).toBe(429);
  });

  it('made in the console has a number of its own, obeys the same rules, and is announced where the payment was', async () => {
    const order = await merchant.paid({ amount: { total: 1000 } });
    expect(() => sim.refundInConsole(order, { amount: 1001 })).toThrow('申请退款金额大于订单可退金额');
    expect(() => sim.refundInConsole('NOBODY_KNOWS')).toThrow('There is no order');
    const part = await fetch(`${sim.url}/_sim/transactions/${order}/console-refund`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"amount": 300}',
    });
    const { out_refund_no: number } = (await part.json()) as { out_refund_no: string };
    expect((await queryRefund(number)).body).toMatchObject({ out_trade_no: order, amount: { refund: 300 } });
    await sim.advance(5 * MINUTE);
    const [notice] = sim.notices({ out_trade_no: order }).filter((one) => one.out_refund_no === number);
    expect(notice).toMatchObject({ event_type: 'REFUND.SUCCESS', url: sim.ledger().transactions[0]?.notify_url });
    expect(sim.refundInConsole(order)).toMatchObject({ amount: { refund: 700 }, status: 'PROCESSING' });
  });
});
