import { type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { type Merchant, merchantOf } from './support/merchant.js';
import { type Receiver, startReceiver } from './support/receiver.js';

const GAPS = [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600];

describe('a notice', () => {
  let sim: Simulator;
  let merchant: Merchant;
  let receiver: Receiver;

  beforeAll(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS, seed: 3, notifyTimeoutMs: 150 });
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

  const notice = () => sim.notices()[0];

  it('of a payment is signed, encrypted, and says what was paid', async () => {
    const order = await merchant.paid({ attach: 'shop 7' });
    await sim.settled();
    expect(receiver.arrivals).toHaveLength(1);
    expect(receiver.arrivals[0]).toMatchObject({
      signed: true,
      eventType: 'TRANSACTION.SUCCESS',
      associatedData: 'transaction',
      content: {
        mchid: sim.credentials.mchid,
        appid: sim.credentials.appid,
        out_trade_no: order,
        trade_state: 'SUCCESS',
        trade_type: 'JSAPI',
        attach: 'shop 7',
        amount: { total: 100, payer_total: 100, currency: 'CNY', payer_currency: 'CNY' },
      },
    });
    expect(notice()).toMatchObject({ state: 'received', sends: [{ status: 200, outcome: 'received' }] });
  });

  it.each([
    ['SUCCESS', 'SUCCESS'],
    ['CLOSED', 'CLOSED'],
    ['ABNORMAL', 'ABNORMAL'],
  ] as const)('of a refund that ends as %s says so in refund_status', async (status, refundStatus) => {
    const order = await merchant.paid();
    await merchant.refund(order, 'R_1', 40);
    sim.settleRefund('R_1', status);
    await sim.settled();
    const { content, eventType } = receiver.arrivals.at(-1) ?? {};
    expect(eventType).toBe(`REFUND.${status}`);
    expect(content).toMatchObject({
      out_refund_no: 'R_1',
      refund_status: refundStatus,
      amount: { total: 100, refund: 40, payer_total: 100, payer_refund: 40 },
    });
    expect(content).not.toHaveProperty('status');
    expect('success_time' in (content ?? {})).toBe(status === 'SUCCESS');
  });

  it('of an abnormal refund is followed by one of its success', async () => {
    const order = await merchant.paid();
    await merchant.refund(order, 'R_1', 40);
    sim.settleRefund('R_1', 'ABNORMAL');
    sim.settleRefund('R_1', 'SUCCESS');
    await sim.settled();
    expect(receiver.arrivals.map((one) => one.eventType)).toEqual(
      expect.arrayContaining(['REFUND.ABNORMAL', 'REFUND.SUCCESS']),
    );
  });

  it('of a refund without an address is never sent', async () => {
    const order = await merchant.paid();
    await merchant.refund(order, 'R_1', 40, { notify_url: undefined });
    sim.settleRefund('R_1', 'SUCCESS');
    await sim.settled();
    expect(receiver.arrivals.map((one) => one.eventType)).toEqual(['TRANSACTION.SUCCESS']);
  });

  it('goes to the address the order named, and none goes out for an order that is closed', async () => {
    await merchant.paid({ notify_url: `${receiver.url}/here` });
    const closed = await merchant.place();
    await merchant.post(`/v3/pay/transactions/out-trade-no/${closed}/close`, { mchid: sim.credentials.mchid });
    await sim.advance(86_400);
    expect(receiver.arrivals.map((one) => one.path)).toEqual(['/notify/here']);
  });

  it('is received with 200 and with 204, and with nothing else', async () => {
    for (const [status, state] of [
      [200, 'received'],
      [204, 'received'],
      [201, 'waiting'],
      [202, 'waiting'],
      [302, 'waiting'],
      [401, 'waiting'],
      [500, 'waiting'],
    ] as const) {
      sim.reset();
      receiver.answer = status;
      await merchant.paid();
      await sim.settled();
      expect([status, notice()?.state]).toEqual([status, state]);
    }
  });

  it('that is not answered in time is not received', async () => {
    receiver.answer = 'silence';
    await merchant.paid();
    await sim.settled();
    expect(notice()).toMatchObject({ state: 'waiting', sends: [{ status: 0, outcome: 'no answer within 150 ms' }] });
  });

  it('to an address where nobody listens is not received', async () => {
    await merchant.paid({ notify_url: 'http://127.0.0.1:9/notify' });
    await sim.settled();
    expect(notice()?.state).toBe('waiting');
    expect(notice()?.sends[0]?.outcome).toContain('not reached');
  });

  it('that is refused comes again fifteen times at the documented gaps, then never', async () => {
    receiver.answer = 500;
    await merchant.paid();
    await sim.settled();
    await sim.advance(24 * 3600 + 4 * 60 + 60);
    const times = (notice()?.sends ?? []).map((send) => Date.parse(send.at) / 1000);
    expect(times.slice(1).map((at, index) => at - (times[index] ?? 0))).toEqual(GAPS);
    expect(notice()?.state).toBe('given_up');
    await sim.advance(7 * 86_400);
    expect(receiver.arrivals).toHaveLength(16);
  });

  it('comes again with the same id and contents, but freshly signed', async () => {
    receiver.answer = 500;
    await merchant.paid();
    await sim.advance(30);
    const [first, second, third] = receiver.arrivals;
    expect(receiver.arrivals.every((one) => one.signed)).toBe(true);
    expect([second?.id, third?.id]).toEqual([first?.id, first?.id]);
    expect(second?.content).toEqual(first?.content);
    expect(new Set(receiver.arrivals.map((one) => one.signature)).size).toBe(3);
  });

  it('that is taken at the third attempt stops there', async () => {
    receiver.answer = 500;
    await merchant.paid();
    await sim.advance(16);
    receiver.answer = 200;
    await sim.advance(86_400);
    expect(notice()?.sends.map((send) => send.status)).toEqual([500, 500, 200]);
  });

  it('that is on its way at a reset does not come back afterwards', async () => {
    receiver.answer = 'silence';
    await merchant.paid();
    await new Promise((resolve) => setTimeout(resolve, 30));
    sim.reset();
    receiver.answer = 200;
    await sim.advance(86_400);
    expect(receiver.arrivals.length).toBeLessThanOrEqual(1);
    expect(sim.notices()).toEqual([]);
  });

  it('can be sent once more by hand', async () => {
    await merchant.paid();
    await sim.settled();
    sim.resend(notice()?.id ?? '');
    await sim.settled();
    expect(receiver.arrivals).toHaveLength(2);
    expect(() => sim.resend('nobody')).toThrow('nobody');
  });

  it('waits its delay in business time', async () => {
    const delayed = await startSimulator({ keyPairs: KEY_PAIRS, notifyDelayMs: 60_000 });
    try {
      await merchantOf(delayed, receiver.url.replace('/notify', '/delayed')).paid();
      await delayed.settled();
      expect(delayed.notices()[0]?.sends).toHaveLength(0);
      await delayed.advance(60);
      expect(delayed.notices()[0]?.state).toBe('received');
    } finally {
      await delayed.close();
    }
  });

  it('goes out in the order of what happened, however far the clock is moved at once', async () => {
    const order = await merchant.paid();
    await merchant.refund(order, 'R_1', 10);
    await sim.advance(60);
    await merchant.refund(order, 'R_2', 20);
    await sim.advance(86_400);
    expect(receiver.arrivals.map((one) => one.content?.out_refund_no)).toEqual([undefined, 'R_1', 'R_2']);
  });
});
