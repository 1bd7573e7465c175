import { byTimer, type Cause } from '../../src/common/cause.js';
import { HOUR, MINUTE, SECOND } from '../../src/common/clock.js';
import { Instruments } from '../../src/metrics/instruments.js';
import { PaymentHistory } from '../../src/payments/payment-history.js';
import { PaymentStarter } from '../../src/payments/payment-starter.js';
import { PaymentsService } from '../../src/payments/payments.service.js';
import { type ChannelPayment, ProviderError } from '../../src/provider/payment-provider.js';
import type { TestApp } from '../support/app.js';
import { type Bought, buy, buyAndStart, movesOf, placePayment, statesOf } from '../support/flows.js';
import { paidWord, unpaidWord } from '../support/rows.js';
import { BROKEN, NO_ANSWER, REFUSED, type ScriptedProvider, startScripted } from '../support/scripted-provider.js';

const BY_REQUEST: Cause = { kind: 'request', actor: 'usr_1', requestId: 'req_1' };

describe('a call to the channel', () => {
  let paydesk: TestApp;
  let channel: ScriptedProvider;
  let payments: PaymentsService;
  let transactions = 0;

  beforeAll(async () => {
    ({ channel, ...paydesk } = await startScripted());
    payments = paydesk.app.get(PaymentsService);
  });
  afterAll(() => paydesk.close());
  afterEach(() => channel.forget());

  function paid({ paymentId }: Bought): ChannelPayment {
    transactions += 1;
    return paidWord({ outTradeNo: paymentId, transactionId: `T${transactions}`, account: channel.account });
  }
  const start = ({ paymentId }: Bought): Promise<unknown> =>
    paydesk.app.get(PaymentStarter).start(paymentId, BY_REQUEST);
  const change = (bought: Bought, set: string, ...values: unknown[]): Promise<unknown> =>
    paydesk.db.query(`UPDATE payments SET ${set} WHERE id = $1`, [bought.paymentId, ...values]);
  const later = (milliseconds: number): Date => new Date(paydesk.clock.now().getTime() + milliseconds);

  describe('that places a payment', () => {
    it.each([
      ['another prepay id while the last one lives for five more minutes', 5 * MINUTE, 2],
      ['the same while it lives longer', 5 * MINUTE + 1, 1],
    ])('gets %s', async (_what, life, calls) => {
      const bought = await buy(paydesk);
      await start(bought);
      await change(bought, 'prepay_expires_at = $2', later(life));
      await start(bought);
      expect(channel.asked('prepay')).toHaveLength(calls);
    });

    it('is not begun for a payer without an openid where the provider needs one', async () => {
      channel.rules = { ...channel.rules, needsOpenid: true };
      const bought = await buy(paydesk);
      await paydesk.db.query(`UPDATE users SET appid = 'wx_another_app' WHERE id = $1`, [bought.customer.id]);
      await expect(start(bought)).rejects.toMatchObject({ code: 'payer_unknown' });
      expect(channel.asked('prepay')).toEqual([]);
      expect(await payments.get(bought.paymentId)).toMatchObject({ status: 'init', startedAt: null });
      expect(await movesOf(paydesk, bought.orderId)).not.toContain('payment processing by request');
    });

    it('leaves behind when', async () => {
      const bought = await buy(paydesk);
      await start(bought);
      expect(await payments.get(bought.paymentId)).toMatchObject({
        ...{ status: 'processing', startedAt: paydesk.clock.now(), checks: 0 },
        ...{ prepayExpiresAt: later(2 * HOUR), nextCheckAt: later(5 * SECOND) },
      });
    });

    it('and gets no answer leaves it open', async () => {
      const bought = await buy(paydesk);
      channel.next('prepay', NO_ANSWER);
      await expect(start(bought)).rejects.toMatchObject({ code: 'channel_unavailable' });
      expect(await statesOf(bought)).toBe('processing/pending');
      await start(bought);
    });

    it('and breaks in our own program is no answer', async () => {
      const bought = await buy(paydesk);
      channel.next('prepay', BROKEN);
      await expect(start(bought)).rejects.toBe(BROKEN);
      expect(channel.asked('closePayment')).toEqual([]);
      expect(await statesOf(bought)).toBe('processing/pending');
    });

    describe('and is answered that the order is there already', () => {
      let bought: Bought;
      beforeEach(async () => {
        bought = await buy(paydesk);
        channel.next('prepay', new ProviderError('rejected', 'SOME_CODE', 'refused', 400, 'query'));
      });
      afterEach(() => expect(channel.asked('closePayment')).toEqual([]));

      it('asks, and takes over that it was paid', async () => {
        channel.next('queryPayment', () => paid(bought));
        await expect(start(bought)).rejects.toMatchObject({ code: 'payment_not_open' });
        expect(await statesOf(bought)).toBe('succeeded/paid');
      });

      it('asks, and leaves open what is open', async () => {
        channel.next('queryPayment', () => unpaidWord(bought.paymentId, 'open'));
        await expect(start(bought)).rejects.toMatchObject({ code: 'channel_rejected' });
        expect(await statesOf(bought)).toBe('processing/pending');
      });

      it.each([
        ['gives no answer', NO_ANSWER, { code: 'channel_unavailable' }],
        ['breaks in our own program', BROKEN, BROKEN],
      ])('asks, and leaves it open where that call %s', async (_what, error, refusal) => {
        channel.next('queryPayment', error);
        await expect(start(bought)).rejects.toMatchObject(refusal);
        expect(await statesOf(bought)).toBe('processing/pending');
      });
    });

    describe('and is refused', () => {
      let bought: Bought;
      beforeEach(async () => {
        bought = await buy(paydesk);
        channel.next('prepay', REFUSED);
      });

      it('closes what an earlier one may have placed, and has failed', async () => {
        channel.next('closePayment', () => unpaidWord(bought.paymentId, 'closed'));
        await expect(start(bought)).rejects.toMatchObject({ code: 'channel_rejected' });
        expect(await payments.get(bought.paymentId)).toMatchObject({ status: 'failed', failureCode: 'PARAM_ERROR' });
      });

      it('finds what an earlier one had placed paid', async () => {
        channel.next('closePayment', () => paid(bought));
        await expect(start(bought)).rejects.toMatchObject({ code: 'channel_rejected' });
        expect(await payments.get(bought.paymentId)).toMatchObject({ status: 'succeeded', failureCode: null });
      });

      it.each([
        ['gives no answer', NO_ANSWER, { code: 'channel_rejected' }],
        ['breaks in our own program', BROKEN, BROKEN],
      ])('leaves it open where closing %s', async (_what, error, refusal) => {
        channel.next('closePayment', error);
        await expect(start(bought)).rejects.toMatchObject(refusal);
        expect(await statesOf(bought)).toBe('processing/pending');
      });
    });

    describe('that was cancelled meanwhile', () => {
      let bought: Bought;
      beforeEach(async () => {
        bought = await buy(paydesk);
        channel.next('prepay', async () => {
          await payments.cancel(bought.paymentId, BY_REQUEST);
          return { scene: 'jsapi', prepayId: 'wx_late', expiresAt: later(2 * HOUR) };
        });
      });

      it('hands nothing out, though an older prepay id is known', async () => {
        await change(
          bought,
          `status = 'processing', started_at = $2, prepay_id = 'wx_old', prepay_expires_at = $2`,
          later(0),
        );
        await expect(start(bought)).rejects.toMatchObject({ code: 'payment_not_open' });
      });

      it('closes it again, and hands nothing out', async () => {
        await expect(start(bought)).rejects.toMatchObject({ code: 'payment_not_open' });
        expect(channel.asked('closePayment')).toHaveLength(2);
        expect(await payments.get(bought.paymentId)).toMatchObject({ status: 'closed', prepayId: null });
      });

      it.each([
        ['gives no answer', NO_ANSWER, { code: 'payment_not_open' }],
        ['breaks in our own program', BROKEN, BROKEN],
      ])('hands nothing out where closing again %s', async (_what, error, refusal) => {
        channel.next('closePayment', () => unpaidWord(bought.paymentId, 'closed'));
        channel.next('closePayment', error);
        await expect(start(bought)).rejects.toMatchObject(refusal);
      });
    });
  });

  describe('that closes a payment', () => {
    it('is not made for one that was never sent', async () => {
      const bought = await buy(paydesk);
      expect(await payments.cancel(bought.paymentId, BY_REQUEST)).toMatchObject({ status: 'closed' });
      expect(channel.asked('closePayment')).toEqual([]);
    });

    it.each([
      ['gets no answer', NO_ANSWER, { code: 'channel_unavailable' }],
      ['is refused', REFUSED, { code: 'channel_rejected' }],
      ['breaks in our own program', BROKEN, BROKEN],
    ])('and %s leaves it open', async (_what, error, refusal) => {
      const bought = await buyAndStart(paydesk);
      channel.next('closePayment', error);
      await expect(payments.cancel(bought.paymentId, BY_REQUEST)).rejects.toMatchObject(refusal);
      expect(await statesOf(bought)).toBe('processing/pending');
    });
  });

  describe.each(['sync', 'recheck'] as const)('of %s', (name) => {
    const ask = ({ paymentId }: Bought): Promise<object> => payments[name](paymentId, BY_REQUEST);

    it('takes over what the channel says', async () => {
      const bought = await buyAndStart(paydesk);
      channel.next('queryPayment', () => paid(bought));
      expect(await ask(bought)).toMatchObject({ status: 'succeeded' });
      expect(await statesOf(bought)).toBe('succeeded/paid');
    });

    it.each([
      ['gets no answer', NO_ANSWER, { code: 'channel_unavailable' }],
      ['is refused', REFUSED, { code: 'channel_rejected' }],
      ['breaks in our own program', BROKEN, BROKEN],
    ])('that %s moves nothing', async (_what, error, refusal) => {
      const bought = await buyAndStart(paydesk);
      channel.next('queryPayment', error);
      await expect(ask(bought)).rejects.toMatchObject(refusal);
      expect(await statesOf(bought)).toBe('processing/pending');
    });

    it("is not made about the other provider's payment", async () => {
      const bought = await buyAndStart(paydesk);
      await change(bought, `provider = 'wechat'`);
      await expect(ask(bought)).rejects.toMatchObject({ code: 'other_provider' });
    });

    it('is refused for a payment that is not there', async () => {
      await expect(payments[name]('pay_0', BY_REQUEST)).rejects.toMatchObject({ code: 'not_found' });
    });
  });

  it('about a payment that is known as paid is made by recheck alone, which says what the channel says', async () => {
    const bought = await buyAndStart(paydesk);
    await payments.settle(paid(bought), BY_REQUEST);
    channel.always('queryPayment', () => unpaidWord(bought.paymentId, 'open'));
    expect(await payments.sync(bought.paymentId, BY_REQUEST)).toMatchObject({ status: 'succeeded' });
    expect(channel.asked('queryPayment')).toEqual([]);
    expect(await payments.recheck(bought.paymentId, BY_REQUEST)).toEqual({ status: 'succeeded', channel: 'open' });
  });

  it('that tells of a number that is not ours settles nothing', async () => {
    await expect(payments.settle(unpaidWord('pay_0', 'closed'), BY_REQUEST)).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(paydesk.app.get(PaymentStarter).start('pay_0', BY_REQUEST)).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('leaves every move behind, with who and why', async () => {
    const moves = paydesk.app.get(Instruments).moves;
    moves.reset();
    const bought = await buyAndStart(paydesk);
    await payments.settle(paid(bought), byTimer('check_payments'));
    const rows = await paydesk.app.get(PaymentHistory).of(bought.paymentId);
    const by = { payment_id: bought.paymentId, refund_id: null, note: null };
    expect(rows).toMatchObject([
      { entity: 'payment', from_status: null, to_status: 'init', cause: 'request', actor: bought.customer.id, ...by },
      { entity: 'payment', from_status: 'init', to_status: 'processing', cause: 'request', ...by },
      { entity: 'payment', from_status: 'processing', to_status: 'succeeded', actor: 'check_payments', ...by },
      { entity: 'order', from_status: 'pending', to_status: 'paid', cause: 'timer', request_id: null },
    ]);
    expect(rows.slice(0, 2).every(({ request_id }) => (request_id ?? '').length > 0)).toBe(true);
    const { values } = await moves.get();
    expect(values).toContainEqual({ labels: { entity: 'payment', to: 'succeeded', trigger: 'timer' }, value: 1 });
  });

  it('answers the open payment again to whoever creates one for the order, started or not', async () => {
    const bought = await buyAndStart(paydesk);
    const [other, cancelled] = [await buyAndStart(paydesk), await buyAndStart(paydesk)];
    const again = await payments.create(bought.orderId, 'pay_0', BY_REQUEST);
    expect([again.payment.id, again.created]).toEqual([bought.paymentId, false]);
    await payments.cancel(cancelled.paymentId, BY_REQUEST);
    const next = await placePayment(cancelled.customer, cancelled.orderId);
    expect([other.paymentId, cancelled.paymentId]).not.toContain(next);
    expect(await payments.get(next)).toMatchObject({ orderId: cancelled.orderId, late: false, status: 'init' });
  });
});
