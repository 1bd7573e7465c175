import {
  CallbackRefused,
  type ChannelOrder,
  type ChannelRefundOrder,
  type PaymentProvider,
  ProviderError,
  type RawCallback,
} from '../../src/provider/payment-provider.js';
import type { Prepay } from '../../src/provider/prepay.js';

/** A channel with a stage manager: what payer and channel do behind the provider's back. */
export interface Stage {
  provider: PaymentProvider;
  now(): Date;
  freshOrder(): ChannelOrder;
  /** The payer pays. Answers the order as it is asked about from now on. */
  pay(order: ChannelOrder): Promise<ChannelOrder>;
  /** The notice that announced it, as it came in. */
  noticeOf(order: ChannelOrder): Promise<RawCallback>;
  /** A call for this order gets no answer. */
  silent(order: ChannelOrder): Promise<ChannelOrder>;
  /** A call for this order is refused for good. */
  refusing(order: ChannelOrder): Promise<ChannelOrder>;
  freshRefund(order: ChannelOrder, amountFen: number): ChannelRefundOrder;
  /** The channel carries a refund that it accepted to this end. */
  settle(refund: ChannelRefundOrder, end: 'succeeded' | 'closed' | 'abnormal'): Promise<ChannelRefundOrder>;
  /** The merchant's account holds nothing. */
  withoutMoney(refund: ChannelRefundOrder): Promise<ChannelRefundOrder>;
  /** All is well again. */
  calm(): Promise<void>;
  close(): Promise<void>;
}

/** What every provider keeps to, whatever channel is behind it. */
export function keepsTheContract(name: string, open: () => Promise<Stage>): void {
  describe(`${name} as a PaymentProvider`, () => {
    let stage: Stage;
    let provider: PaymentProvider;

    beforeAll(async () => {
      stage = await open();
      provider = stage.provider;
    });
    afterEach(() => stage.calm());
    afterAll(() => stage.close());

    async function placed(): Promise<ChannelOrder> {
      const order = stage.freshOrder();
      await provider.prepay({ ...order, placed: false });
      return order;
    }
    const paid = async (): Promise<ChannelOrder> => stage.pay(await placed());

    async function failure(call: Promise<unknown>): Promise<ProviderError> {
      const error: unknown = await call.then(
        () => null,
        (caught: unknown) => caught,
      );
      if (!(error instanceof ProviderError)) throw new Error('it did not fail as a ProviderError');
      return error;
    }

    async function refusal(call: Promise<unknown>): Promise<CallbackRefused> {
      const error: unknown = await call.then(
        () => null,
        (caught: unknown) => caught,
      );
      if (!(error instanceof CallbackRefused)) throw new Error('it was not refused');
      return error;
    }

    it('says whom the channel pays', () => {
      expect(provider.account.mchid).not.toBe('');
      expect(provider.account.appid).not.toBe('');
    });

    it('places an order and gives a prepay id that lives two hours', async () => {
      const before = stage.now().getTime();
      const { scene, prepayId, expiresAt } = await provider.prepay({ ...stage.freshOrder(), placed: false });
      expect([scene, prepayId]).toEqual(['jsapi', expect.stringMatching(/^\w{8,64}$/)]);
      expect(expiresAt.getTime()).toBeGreaterThanOrEqual(before + 7_200_000);
      expect(expiresAt.getTime()).toBeLessThanOrEqual(stage.now().getTime() + 7_200_000);
    });

    it('gives a prepay id for the same order again', async () => {
      const order = await placed();
      expect((await provider.prepay(order)).prepayId).toMatch(/^\w{8,64}$/);
    });

    it('signs what the client pays with afresh each time', async () => {
      const prepay: Prepay = { scene: 'jsapi', prepayId: 'wx201410272009395522', expiresAt: stage.now() };
      const [one, two] = [await provider.clientParams(prepay), await provider.clientParams(prepay)];
      expect(Object.keys(one).sort()).toEqual(['nonceStr', 'package', 'paySign', 'signType', 'timeStamp']);
      expect(one.package).toBe('prepay_id=wx201410272009395522');
      expect(one.timeStamp).toMatch(/^\d{10}$/);
      expect(one.nonceStr).not.toBe(two.nonceStr);
      expect(one.paySign).not.toBe(two.paySign);
    });

    it('sees an unpaid order as open', async () => {
      const order = await placed();
      expect(await provider.queryPayment(order)).toMatchObject({
        outTradeNo: order.outTradeNo,
        state: 'open',
        transactionId: null,
        paidAt: null,
      });
    });

    it('does not know a number that was never placed', async () => {
      const order = { ...stage.freshOrder(), placed: false };
      expect(await provider.queryPayment(order)).toMatchObject({ outTradeNo: order.outTradeNo, state: 'not_found' });
    });

    it('says of a paid order who was paid how much by which transaction, and the same each time', async () => {
      const order = await paid();
      const seen = await provider.queryPayment(order);
      expect(seen).toMatchObject({
        outTradeNo: order.outTradeNo,
        state: 'succeeded',
        amountFen: order.amountFen,
        currency: 'CNY',
        account: provider.account,
      });
      expect(seen.transactionId).toMatch(/^[\w-]{1,32}$/);
      expect(seen.paidAt).toBeInstanceOf(Date);
      expect((await provider.queryPayment(order)).transactionId).toBe(seen.transactionId);
    });

    it('closes what is unpaid, again and unseen too', async () => {
      const order = await placed();
      expect(await provider.closePayment(order)).toMatchObject({ outTradeNo: order.outTradeNo, state: 'closed' });
      expect(await provider.closePayment(order)).toMatchObject({ state: 'closed' });
      const unseen = { ...stage.freshOrder(), placed: false };
      expect(await provider.closePayment(unseen)).toMatchObject({ state: 'closed' });
    });

    it('answers a close of what was paid with the payment', async () => {
      const order = await paid();
      const { transactionId } = await provider.queryPayment(order);
      expect(await provider.closePayment(order)).toMatchObject({
        state: 'succeeded',
        transactionId,
        amountFen: order.amountFen,
      });
    });

    it('reads the notice of a payment as what a query says', async () => {
      const order = await paid();
      const { outTradeNo, state, transactionId, amountFen, currency, account } = await provider.queryPayment(order);
      const fact = await provider.readCallback(await stage.noticeOf(order));
      expect(fact).toMatchObject({
        kind: 'payment',
        payment: { outTradeNo, state, transactionId, amountFen, currency, account },
      });
    });

    it('refuses a notice with one byte changed, a byte more, a byte less, or no signature', async () => {
      const { headers, body } = await stage.noticeOf(await paid());
      const changed = Buffer.from(body);
      changed[body.length >> 1] = (changed[body.length >> 1] ?? 0) ^ 1;
      for (const other of [changed, Buffer.concat([body, Buffer.from(' ')]), body.subarray(1), Buffer.alloc(0)]) {
        expect((await refusal(provider.readCallback({ headers, body: other }))).reason).toBe('unverified');
      }
      const bare = { 'content-type': headers['content-type'] };
      expect((await refusal(provider.readCallback({ headers: bare, body }))).reason).toBe('unverified');
    });

    it('knows no answer from a refusal', async () => {
      const unheard = await failure(provider.prepay(await stage.silent(stage.freshOrder())));
      expect(unheard.outcome).toBe('unknown');
      await stage.calm();
      const refused = await failure(provider.prepay(await stage.refusing(stage.freshOrder())));
      expect(refused.outcome).toBe('rejected');
      expect(refused.code).toMatch(/^\w+$/);
    });

    it('refunds in part under our number, and the same call again is the same refund', async () => {
      const order = await paid();
      const refund = stage.freshRefund(order, 700);
      const accepted = await provider.refund(refund);
      expect(accepted).toMatchObject({
        outRefundNo: refund.outRefundNo,
        outTradeNo: order.outTradeNo,
        amountFen: 700,
        totalFen: order.amountFen,
        currency: 'CNY',
      });
      expect(['processing', 'succeeded']).toContain(accepted.state);
      expect(accepted.refundId).not.toBeNull();
      expect((await provider.refund(refund)).refundId).toBe(accepted.refundId);

      const done = await provider.queryRefund(await stage.settle(refund, 'succeeded'));
      expect(done).toMatchObject({ state: 'succeeded', refundId: accepted.refundId, amountFen: 700 });
      expect(done.succeededAt).toBeInstanceOf(Date);
      expect(await provider.queryPayment(order)).toMatchObject({ state: 'succeeded', amountFen: order.amountFen });
    });

    it.each(['closed', 'abnormal'] as const)('sees a refund that ends as %s', async (end) => {
      const refund = stage.freshRefund(await paid(), 700);
      await provider.refund(refund);
      const ended = await provider.queryRefund(await stage.settle(refund, end));
      expect(ended).toMatchObject({ outRefundNo: refund.outRefundNo, state: end, succeededAt: null });
    });

    it('says when there is no money for a refund', async () => {
      const refund = await stage.withoutMoney(stage.freshRefund(await paid(), 700));
      const { outcome, code } = await failure(provider.refund(refund));
      expect([outcome, code]).toEqual(['rejected', 'NOT_ENOUGH']);
      expect(await provider.queryRefund(refund)).toMatchObject({ state: 'not_found' });
    });

    it('has no bill for a day on which nothing happened', async () => {
      const day = new Date(stage.now().getTime() - 2 * 86_400_000).toISOString().slice(0, 10);
      expect(await provider.tradeBill(day)).toBeNull();
    });
  });
}
