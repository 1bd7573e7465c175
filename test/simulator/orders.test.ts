import { type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { type Answer, freshNumber, type Merchant, merchantOf } from './support/merchant.js';

const JSAPI = '/v3/pay/transactions/jsapi';
const HOUR = 3600;
const DAY = 24 * HOUR;

describe('an order', () => {
  let sim: Simulator;
  let merchant: Merchant;

  beforeAll(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS, seed: 7 });
    merchant = merchantOf(sim);
  });

  beforeEach(() => sim.reset());

  afterAll(() => sim.close());

  const place = (order: object): Promise<Answer> => merchant.post(JSAPI, order);
  const query = (number: string): Promise<Answer> =>
    merchant.get(`/v3/pay/transactions/out-trade-no/${number}?mchid=${sim.credentials.mchid}`);
  const close = (number: string): Promise<Answer> =>
    merchant.post(`/v3/pay/transactions/out-trade-no/${number}/close`, { mchid: sim.credentials.mchid });
  /** A time from now as the protocol writes it. */
  const inSeconds = (seconds: number): string =>
    `${new Date(Date.parse(sim.now()) + (seconds + 8 * HOUR) * 1000).toISOString().slice(0, 19)}+08:00`;

  it('asked for again with the same parameters gets a prepay id again, whatever the order of the keys', async () => {
    const order = merchant.order({ attach: 'A' });
    const reversed = Object.fromEntries(Object.entries(order).reverse());
    const first = await place(order);
    const again = await place(reversed);
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(sim.ledger().transactions).toHaveLength(1);
    expect(sim.ledger().transactions[0]?.prepay_ids).toEqual([first.body.prepay_id, again.body.prepay_id]);
  });

  it('asked for again with another amount, text or time is refused', async () => {
    const order = merchant.order({ time_expire: inSeconds(HOUR) });
    await place(order);
    for (const other of [
      { amount: { total: 101, currency: 'CNY' } },
      { description: 'other' },
      { time_expire: undefined },
    ]) {
      expect(await place({ ...order, ...other })).toMatchObject({
        status: 400,
        body: { code: 'INVALID_REQUEST', message: '请求重入时参数与首次请求不一致' },
      });
    }
  });

  it('that is paid is refused to be placed or closed again', async () => {
    const order = merchant.order();
    await place(order);
    sim.pay(String(order.out_trade_no));
    expect(await place(order)).toMatchObject({ status: 400, body: { code: 'ORDERPAID' } });
    expect(await close(String(order.out_trade_no))).toMatchObject({ status: 400, body: { code: 'ORDER_PAID' } });
    expect((await query(String(order.out_trade_no))).body.trade_state).toBe('SUCCESS');
  });

  it('is NOTPAY until it is paid, and then tells who paid how much and when', async () => {
    const number = await merchant.place({ attach: 'shop 7', scene_info: { payer_client_ip: '::1', device_id: 'D1' } });
    const before = await query(number);
    expect(before.body).toMatchObject({ trade_state: 'NOTPAY', attach: 'shop 7' });
    expect(before.body).not.toHaveProperty('transaction_id');
    sim.pay(number, { bank_type: 'CMB_DEBIT' });
    const after = await query(number);
    expect(after.body).toMatchObject({
      appid: sim.credentials.appid,
      trade_state: 'SUCCESS',
      trade_type: 'JSAPI',
      bank_type: 'CMB_DEBIT',
      payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
      amount: { total: 100, payer_total: 100, currency: 'CNY', payer_currency: 'CNY' },
      scene_info: { device_id: 'D1' },
    });
    expect(String(after.body.success_time)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$/);
    const id = String(after.body.transaction_id);
    expect(id).toMatch(/^\d{28}$/);
    const byId = await merchant.get(`/v3/pay/transactions/id/${id}?mchid=${sim.credentials.mchid}`);
    expect(byId.body).toEqual(after.body);
  });

  it('paid with a coupon keeps its total and shows the cash beside it', async () => {
    const number = await merchant.place();
    sim.pay(number, { coupon_fen: 30, coupon_type: 'NOCASH' });
    const { body } = await query(number);
    expect(body.amount).toMatchObject({ total: 100, payer_total: 70 });
    expect(body.promotion_detail).toMatchObject([{ type: 'NOCASH', amount: 30 }]);
  });

  it('stays open when a payment fails, and can be paid afterwards', async () => {
    const number = await merchant.place();
    sim.fail(number);
    expect((await query(number)).body.trade_state).toBe('NOTPAY');
    expect(sim.pay(number)).toMatchObject({ trade_state: 'SUCCESS' });
    expect(sim.ledger().transactions[0]).toMatchObject({ failed_attempts: 1, trade_state: 'SUCCESS' });
  });

  it('cannot be paid twice, by somebody else, or once it is closed', async () => {
    const number = await merchant.place();
    expect(() => sim.pay(number, { openid: 'oSomebodyElse' })).toThrow('下单账号与支付账号不一致');
    sim.pay(number);
    expect(() => sim.pay(number)).toThrow('该订单已支付');
    const closed = await merchant.place();
    await close(closed);
    expect(() => sim.pay(closed)).toThrow('订单已关闭');
    expect(sim.ledger().totals).toMatchObject({ paid: 1, taken: 100 });
  });

  it('cannot be paid by a prepay id of two hours, but by a fresh one', async () => {
    const order = merchant.order();
    await place(order);
    await sim.advance(2 * HOUR + 1);
    expect(() => sim.pay(String(order.out_trade_no))).toThrow('prepay_id 已过期');
    expect((await place(order)).status).toBe(200);
    expect(sim.pay(String(order.out_trade_no))).toMatchObject({ trade_state: 'SUCCESS' });
  });

  it('past its time_expire cannot be paid or placed again, stays NOTPAY, and can be closed', async () => {
    const order = merchant.order({ time_expire: inSeconds(600) });
    const number = String(order.out_trade_no);
    await place(order);
    await sim.advance(601);
    expect(() => sim.pay(number)).toThrow('订单已过期');
    expect(await place(order)).toMatchObject({ status: 400, body: { code: 'ORDER_CLOSED' } });
    expect((await query(number)).body.trade_state).toBe('NOTPAY');
    expect((await close(number)).status).toBe(204);
    expect((await query(number)).body.trade_state).toBe('CLOSED');
  });

  it('gets a minute at least and fifteen days at most', async () => {
    const soon = await merchant.place({ time_expire: inSeconds(-HOUR) });
    const late = await merchant.place({ time_expire: inSeconds(40 * DAY) });
    const until = (number: string): number =>
      Date.parse(sim.ledger({ out_trade_no: number }).transactions[0]?.expires_at ?? '') - Date.parse(sim.now());
    expect(until(soon) / 1000).toBeGreaterThan(55);
    expect(until(soon) / 1000).toBeLessThanOrEqual(60);
    expect(until(late) / 1000).toBeLessThanOrEqual(15 * DAY);
    expect(until(late) / 1000).toBeGreaterThan(15 * DAY - 5);
  });

  it('closes by itself after seven days', async () => {
    const number = await merchant.place({ time_expire: inSeconds(14 * DAY) });
    await sim.advance(7 * DAY - 60);
    expect((await query(number)).body.trade_state).toBe('NOTPAY');
    await sim.advance(60);
    expect((await query(number)).body.trade_state).toBe('CLOSED');
  });

  it('can be closed again and again; a number nobody knows can be closed too', async () => {
    const order = merchant.order();
    await place(order);
    const number = String(order.out_trade_no);
    expect((await close(number)).status).toBe(204);
    expect((await close(number)).status).toBe(204);
    expect((await close(freshNumber('NOBODY'))).status).toBe(204);
    expect(await place(order)).toMatchObject({ status: 400, body: { code: 'ORDER_CLOSED' } });
    expect(await place({ ...order, attach: 'other' })).toMatchObject({
      status: 403,
      body: { code: 'OUT_TRADE_NO_USED' },
    });
  });

  it('can be held to the old rule of five minutes before closing', async () => {
    await sim.faults({ limits: { close_min_age_seconds: 300 } });
    const number = await merchant.place();
    expect(await close(number)).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } });
    await sim.advance(300);
    expect((await close(number)).status).toBe(204);
  });

  it('can be held to a limit of calls in a second', async () => {
    await sim.faults({ limits: { order_per_second: 2, query_per_second: 0 } });
    const statuses: number[] = [];
    while (!statuses.includes(429) && statuses.length < 60) statuses.push((await place(merchant.order())).status);
    expect(statuses.slice(0, 2)).toEqual([200, 200]);
    expect(statuses.at(-1)).toBe(429);
    expect(await query('ANY_NUMBER')).toMatchObject({ status: 429, body: { code: 'FREQUENCY_LIMITED' } });
  });
});
