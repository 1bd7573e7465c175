import { type FaultRule, type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { type Answer, type Merchant, merchantOf } from './support/merchant.js';
import { type Arrival, type Receiver, startReceiver } from './support/receiver.js';

const JSAPI = '/v3/pay/transactions/jsapi';

describe('faults', () => {
  let sim: Simulator;
  let merchant: Merchant;
  let receiver: Receiver;

  beforeAll(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS, seed: 5, notifyTimeoutMs: 2000 });
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

  const rules = (...given: FaultRule[]): Promise<object> => sim.faults({ rules: given });
  const query = (number: string): Promise<Answer> =>
    merchant.get(`/v3/pay/transactions/out-trade-no/${number}?mchid=${sim.credentials.mchid}`);
  const events = (): string[] => receiver.arrivals.map((one) => one.eventType);

  describe('of notices', () => {
    /** One payment under a fault that strikes once; what arrives at once, and after the first retry. */
    const firstAndNext = async (fault: FaultRule['do']): Promise<[Arrival | undefined, Arrival | undefined]> => {
      await rules({ at: 'payment_notice', do: fault, times: 1 });
      receiver.answer = 401;
      await merchant.paid();
      await sim.settled();
      receiver.answer = 200;
      await sim.advance(15);
      return [receiver.arrivals[0], receiver.arrivals[1]];
    };

    it.each(['wrong_signature', 'unknown_serial', 'stale_timestamp', 'unsigned'] as const)(
      '%s: the first send does not verify, its retry does',
      async (fault) => {
        const [first, next] = await firstAndNext(fault);
        expect(first?.signed).toBe(false);
        expect(next?.signed).toBe(true);
        expect(next?.content).toEqual(first?.content);
      },
    );

    it('signtest: a probe whose signature begins with WECHATPAY/SIGNTEST/, then the same notice rightly signed', async () => {
      const [probe, next] = await firstAndNext('signtest');
      expect(probe?.signature).toMatch(/^WECHATPAY\/SIGNTEST\//);
      expect(probe?.signed).toBe(false);
      expect(next).toMatchObject({ signed: true, id: probe?.id });
    });

    it.each(['flip_ciphertext', 'wrong_key'] as const)('%s: rightly signed, but does not open', async (fault) => {
      const [first, next] = await firstAndNext(fault);
      expect(first).toMatchObject({ signed: true, content: null });
      expect(next?.content).not.toBeNull();
    });

    it('wrong contents under a right signature', async () => {
      await rules({ at: 'notice', do: 'wrong_amount' }, { at: 'notice', do: 'wrong_mchid' });
      await merchant.paid();
      await sim.settled();
      expect(receiver.arrivals[0]).toMatchObject({ signed: true, content: { amount: { total: 101 } } });
      expect(receiver.arrivals[0]?.content?.mchid).not.toBe(sim.credentials.mchid);
      await rules({ at: 'notice', do: 'wrong_appid' }, { at: 'notice', do: 'wrong_currency' });
      await merchant.paid();
      await sim.settled();
      expect(receiver.arrivals[1]?.content).toMatchObject({ amount: { total: 100, currency: 'USD' } });
      expect(receiver.arrivals[1]?.content?.appid).not.toBe(sim.credentials.appid);
    });

    it('empty associated data, an unheard-of event, another id', async () => {
      await rules({ at: 'notice', do: 'no_associated_data' }, { at: 'notice', do: 'unknown_event' });
      const order = await merchant.paid();
      await sim.settled();
      expect(receiver.arrivals[0]).toMatchObject({ associatedData: '', content: { out_trade_no: order } });
      expect(events()).toEqual(['SIMULATOR.UNHEARD_OF']);
      receiver.answer = 500;
      await rules({ at: 'notice', do: 'new_id' });
      await merchant.paid();
      await sim.advance(15);
      expect(receiver.arrivals[1]?.id).not.toBe(receiver.arrivals[2]?.id);
    });

    it('drop: the first two sends get lost, the third arrives', async () => {
      await rules({ at: 'payment_notice', do: 'drop', times: 2 });
      await merchant.paid();
      await sim.advance(60);
      expect(receiver.arrivals).toHaveLength(1);
      expect(sim.notices()[0]?.sends.map((send) => send.outcome)).toEqual([
        'lost on the way',
        'lost on the way',
        'received',
      ]);
    });

    it('lose: the notice never comes', async () => {
      await rules({ at: 'payment_notice', do: 'lose', times: 1 });
      await merchant.paid();
      await sim.advance(2 * 86_400);
      expect(receiver.arrivals).toHaveLength(0);
      expect(sim.notices()[0]?.state).toBe('lost');
    });

    it('double: it comes twice at the same time', async () => {
      await rules({ at: 'notice', do: 'double', times: 1 });
      await merchant.paid();
      await sim.settled();
      expect(receiver.arrivals.map((one) => one.id)).toEqual([receiver.arrivals[0]?.id, receiver.arrivals[0]?.id]);
      expect(receiver.arrivals).toHaveLength(2);
    });

    it('hold_back: it comes so many seconds later', async () => {
      await rules({ at: 'notice', do: 'hold_back', seconds: 3600, times: 1 });
      await merchant.paid();
      await sim.advance(3599);
      expect(receiver.arrivals).toHaveLength(0);
      await sim.advance(2);
      expect(receiver.arrivals).toHaveLength(1);
    });

    it('reorder: it comes after the next one, or alone when there is none', async () => {
      await rules({ at: 'notice', do: 'reorder', times: 1 });
      const first = await merchant.paid();
      const second = await merchant.paid();
      await sim.settled();
      expect(receiver.arrivals.map((one) => one.content?.out_trade_no)).toEqual([second, first]);
      await rules({ at: 'notice', do: 'reorder', times: 1 });
      await merchant.paid();
      await sim.advance(61);
      expect(receiver.arrivals).toHaveLength(3);
    });

    it('after_refund: the refund is announced before the payment', async () => {
      await rules({ at: 'payment_notice', do: 'after_refund', times: 1 });
      const order = await merchant.paid();
      await merchant.refund(order, 'R_1', 100);
      await sim.advance(600);
      expect(events()).toEqual(['REFUND.SUCCESS', 'TRANSACTION.SUCCESS']);
      expect(receiver.arrivals[1]?.content?.out_trade_no).toBe(order);
    });

    it('strike only what they match, after what they skip', async () => {
      const orders = [await merchant.place(), await merchant.place(), await merchant.place()];
      await rules({ at: 'notice', do: 'lose', match: orders[1] });
      for (const order of orders) sim.pay(order);
      await sim.settled();
      expect(sim.notices().map((one) => one.state)).toEqual(['received', 'lost', 'received']);
      await rules({ at: 'notice', do: 'lose', skip: 1, times: 1 });
      for (let more = 0; more < 3; more += 1) await merchant.paid();
      await sim.settled();
      expect(
        sim
          .notices()
          .slice(3)
          .map((one) => one.state),
      ).toEqual(['received', 'lost', 'received']);
    });

    it('strike with a probability that one seed always draws the same', async () => {
      const course = async (seed: number): Promise<string> => {
        sim.reset();
        await sim.faults({ seed, rules: [{ at: 'notice', do: 'lose', probability: 0.5 }] });
        for (let more = 0; more < 24; more += 1) await merchant.paid();
        await sim.settled();
        return sim
          .notices()
          .map((one) => (one.state === 'lost' ? '-' : '+'))
          .join('');
      };
      const one = await course(42);
      expect(await course(42)).toBe(one);
      expect(await course(43)).not.toBe(one);
      expect(one).toMatch(/-/);
      expect(one).toMatch(/\+/);
    });
  });

  describe('of calls', () => {
    it.each([
      [500, 'SYSTEM_ERROR', true],
      [503, 'SERVICE_UNAVAILABLE', false],
      [429, 'FREQUENCY_LIMITED', true],
    ])('%d before the work: nothing was done', async (status, code, signed) => {
      await rules({ at: 'order', do: 'error', status, times: 1 });
      const order = merchant.order();
      expect(await merchant.post(JSAPI, order)).toMatchObject({ status, body: { code }, signed });
      expect((await query(String(order.out_trade_no))).status).toBe(404);
      expect((await merchant.post(JSAPI, order)).status).toBe(200);
    });

    it('any documented code has its own status', async () => {
      await rules({ at: 'refund', do: 'error', code: 'NOT_ENOUGH', times: 1 });
      const order = await merchant.paid();
      expect(await merchant.refund(order, 'R_1', 1)).toMatchObject({ status: 403, body: { code: 'NOT_ENOUGH' } });
      expect((await merchant.refund(order, 'R_1', 1)).status).toBe(200);
    });

    it('429 after the work: the refund was created nevertheless', async () => {
      await rules({ at: 'refund', do: 'error', status: 429, code: 'RATELIMIT_EXCEEDED', when: 'after', times: 1 });
      const order = await merchant.paid();
      const answer = await merchant.refund(order, 'R_1', 100);
      expect(answer).toMatchObject({ status: 429, body: { code: 'RATELIMIT_EXCEEDED' } });
      expect((await merchant.get('/v3/refund/domestic/refunds/R_1')).body.status).toBe('PROCESSING');
      expect((await merchant.refund(order, 'R_1', 100)).status).toBe(200);
      expect(sim.ledger().totals.refunds).toBe(1);
    });

    it.each([
      ['before', 404],
      ['after', 200],
    ] as const)('the connection cut %s the work leaves the order at %d', async (when, status) => {
      await rules({ at: 'order', do: 'disconnect', when, times: 1 });
      const order = merchant.order();
      await expect(merchant.post(JSAPI, order)).rejects.toThrow();
      expect((await query(String(order.out_trade_no))).status).toBe(status);
    });

    it('hang: no answer comes, but the work is done if it was to be', async () => {
      await rules({ at: 'order', do: 'hang', when: 'after', times: 1 });
      const order = merchant.order();
      const winner = await Promise.race([
        merchant.post(JSAPI, order).catch(() => 'broken'),
        new Promise((resolve) => setTimeout(() => resolve('still waiting'), 200)),
      ]);
      expect(winner).toBe('still waiting');
      expect((await query(String(order.out_trade_no))).status).toBe(200);
    });

    it.each(['unsigned', 'wrong_signature', 'signtest', 'unknown_serial', 'stale_timestamp', 'flip_body'] as const)(
      '%s: a 200 that does not verify, once',
      async (fault) => {
        const order = await merchant.place();
        await rules({ at: 'query', do: fault, times: 1 });
        expect(await query(order)).toMatchObject({ status: 200, signed: false });
        expect(await query(order)).toMatchObject({ status: 200, signed: true });
      },
    );

    it('wrong contents under a right signature', async () => {
      const order = await merchant.paid();
      await rules({ at: 'query', do: 'wrong_amount', times: 1 });
      expect(await query(order)).toMatchObject({ signed: true, body: { amount: { total: 101 } } });
      expect(await query(order)).toMatchObject({ body: { amount: { total: 100 } } });
    });

    it('delay, a slow body, and half a body', async () => {
      const order = await merchant.place();
      await rules({ at: 'query', do: 'delay', ms: 60, times: 1 }, { at: 'query', do: 'slow_body', ms: 60, times: 1 });
      const start = performance.now();
      expect(await query(order)).toMatchObject({ status: 200, signed: true });
      expect(performance.now() - start).toBeGreaterThan(110);
      await rules({ at: 'query', do: 'cut_body', times: 1 });
      await expect(query(order)).rejects.toThrow();
    });

    it('of one kind of call leave the others alone; of "call" strike them all', async () => {
      const order = await merchant.place();
      await rules({ at: 'refund', do: 'error' });
      expect((await query(order)).status).toBe(200);
      await rules({ at: 'call', do: 'error' });
      expect((await query(order)).status).toBe(500);
      await rules();
      expect((await query(order)).status).toBe(200);
    });

    it('that cannot happen where they are put are refused', async () => {
      await expect(rules({ at: 'notice', do: 'hang' })).rejects.toThrow('"hang" cannot happen at "notice"');
      await expect(rules({ at: 'order', do: 'double' })).rejects.toThrow('cannot happen');
    });
  });
});
