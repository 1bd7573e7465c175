import { byTimer, type Cause } from '../../src/common/cause.js';
import { DAY, MINUTE, SECOND } from '../../src/common/clock.js';
import { PaymentHistory } from '../../src/payments/payment-history.js';
import { PaymentsService } from '../../src/payments/payments.service.js';
import { type ChannelRefund, type ChannelRefundOrder, ProviderError } from '../../src/provider/payment-provider.js';
import type { Refund } from '../../src/refunds/refund.entity.js';
import { RefundExecutor } from '../../src/refunds/refund-executor.js';
import { RefundsService } from '../../src/refunds/refunds.service.js';
import type { TestApp } from '../support/app.js';
import type { Bought } from '../support/flows.js';
import { announced, askFor, casesOfRefund, paid } from '../support/refunds.js';
import { PAID_AT, refundWord } from '../support/rows.js';
import { BROKEN, NO_ANSWER, REFUSED, type ScriptedProvider, startScripted } from '../support/scripted-provider.js';

const OPERATOR: Cause = { kind: 'request', actor: 'usr_9', requestId: 'req_1' };
const TIMER = byTimer('send_and_check_refunds');
const POOR = new ProviderError('rejected', 'NOT_ENOUGH', 'out of money', 403, 'fixable');

describe('a call about a refund', () => {
  let paydesk: TestApp;
  let channel: ScriptedProvider;
  let executor: RefundExecutor;
  let refunds: RefundsService;

  beforeAll(async () => {
    ({ channel, ...paydesk } = await startScripted({ JWT_TTL_SECONDS: '2592000' }));
    executor = paydesk.app.get(RefundExecutor);
    refunds = paydesk.app.get(RefundsService);
  });
  afterAll(() => paydesk.close());
  beforeEach(() => {
    for (const call of ['refund', 'queryRefund'] as const) answer(call, 'processing', 'always');
  });
  afterEach(() => channel.forget());

  async function asked(amount = 500): Promise<{ id: string; bought: Bought }> {
    const bought = await paid(paydesk);
    return { id: await askFor(bought, amount), bought };
  }
  /** Sent, and nobody knows whether it got through. */
  async function unconfirmed(): Promise<{ id: string; bought: Bought }> {
    const made = await asked();
    channel.next('refund', NO_ANSWER);
    await executor.approve(made.id, OPERATOR);
    channel.forgetAsked();
    return made;
  }
  async function held(error = POOR): Promise<string> {
    const { id } = await asked();
    channel.next('refund', error);
    await executor.approve(id, OPERATOR);
    channel.forgetAsked();
    return id;
  }
  async function abnormal(): Promise<string> {
    const { id } = await asked();
    answer('refund', 'abnormal');
    await executor.approve(id, OPERATOR);
    channel.forgetAsked();
    return id;
  }
  const wordOf = (order: ChannelRefundOrder, state: ChannelRefund['state']): ChannelRefund => {
    const { outRefundNo, outTradeNo, amountFen, totalFen } = order;
    const refundId = state === 'not_found' ? null : `R${outRefundNo}`;
    const succeededAt = state === 'succeeded' ? PAID_AT : null;
    const { mchid } = channel.account;
    return refundWord({ outRefundNo, outTradeNo, amountFen, totalFen, state, refundId, succeededAt, mchid });
  };
  const answer = (
    call: 'refund' | 'queryRefund',
    state: ChannelRefund['state'],
    when: 'next' | 'always' = 'next',
  ): void => channel[when](call, (order) => wordOf(order, state));
  const promised = async ({ paymentId }: Bought): Promise<number> =>
    (await paydesk.app.get(PaymentsService).get(paymentId)).reservedFen;
  const now = (): Date => paydesk.clock.now();
  const later = (milliseconds: number): Date => new Date(now().getTime() + milliseconds);
  const set = (id: string, what: string, ...values: unknown[]): Promise<unknown> =>
    paydesk.db.query(`UPDATE refunds SET ${what} WHERE id = $1`, [id, ...values]);
  const calls = (): [sent: number, asked: number] => [
    channel.asked('refund').length,
    channel.asked('queryRefund').length,
  ];

  it('is prepared for once, however often it is asked for under one number', async () => {
    const { id, bought } = await asked();
    const request = { id, paymentId: bought.paymentId, amountFen: 500, reason: null, requestedBy: 'usr_1' };
    expect(await refunds.request(request, OPERATOR)).toMatchObject({ id, status: 'requested' });
    expect(await promised(bought)).toBe(500);
  });

  describe('that sends it', () => {
    it('is made once at a word, and leaves behind who gave it and when', async () => {
      const { id, bought } = await asked();
      await executor.approve(id, OPERATOR);
      await executor.approve(id, OPERATOR);
      expect(calls()).toEqual([1, 0]);
      expect(channel.asked('refund')[0]).toMatchObject({
        outTradeNo: bought.paymentId,
        amountFen: 500,
        totalFen: 1800,
      });
      expect(await refunds.get(id)).toMatchObject({
        ...{ status: 'processing', approvedBy: 'usr_9', refundId: `R${id}`, failureCode: null },
        ...{ sentAt: now(), lastSentAt: now(), leaseUntil: null, nextCheckAt: later(MINUTE) },
      });
      expect(await announced(paydesk, id)).toEqual(['refund.requested to owner', 'refund.requested to operators']);
      const rows = await paydesk.db.query<{ data: object }[]>(
        'SELECT data FROM users_notification WHERE subject_id = $1',
        [id],
      );
      const { orderId: order_id, paymentId: payment_id } = bought;
      expect(rows[0]?.data).toMatchObject({ refund_id: id, payment_id, order_id, amount: 500 });
    });

    it('and gets no answer promises the money still, and is not repeated at a word', async () => {
      const { id, bought } = await unconfirmed();
      await executor.approve(id, OPERATOR);
      expect(calls()).toEqual([0, 0]);
      expect(await refunds.get(id)).toMatchObject({ status: 'processing', failureCode: null });
      expect(await casesOfRefund(paydesk, id)).toEqual([]);
      expect(await promised(bought)).toBe(500);
    });

    it('and is refused gives back what was promised', async () => {
      const { id, bought } = await asked();
      channel.next('refund', REFUSED);
      expect(await executor.approve(id, OPERATOR)).toMatchObject({ status: 'rejected', failureCode: 'PARAM_ERROR' });
      expect(await promised(bought)).toBe(0);
      expect(await casesOfRefund(paydesk, id)).toEqual([]);
    });

    it('and breaks in our own program is no answer', async () => {
      const { id } = await asked();
      channel.next('refund', BROKEN);
      await expect(executor.approve(id, OPERATOR)).rejects.toBe(BROKEN);
      expect(await refunds.get(id)).toMatchObject({ status: 'processing', leaseUntil: later(MINUTE) });
    });

    it('and is refused after the channel has said otherwise changes nothing', async () => {
      const { id } = await asked();
      channel.next('refund', async () => {
        answer('queryRefund', 'succeeded');
        await executor.recheck(id, TIMER);
        throw REFUSED;
      });
      expect(await executor.approve(id, OPERATOR)).toMatchObject({ status: 'succeeded', failureCode: null });
      expect((await refunds.get(id)).status).toBe('succeeded');
    });

    it('is not made at the word of somebody who only looks, nor by the timer', async () => {
      const { id, bought } = await asked();
      const looked = await bought.customer.api.post(`/refunds/${id}/sync/`);
      expect(looked.body).toMatchObject({ id, status: 'requested' });
      await executor.processDue(id, TIMER);
      expect(calls()).toEqual([0, 0]);
      expect((await refunds.get(id)).status).toBe('requested');
    });

    it("is not made about the other provider's payment", async () => {
      const { id, bought } = await asked();
      await paydesk.db.query(`UPDATE payments SET provider = 'wechat' WHERE id = $1`, [bought.paymentId]);
      await expect(executor.approve(id, OPERATOR)).rejects.toMatchObject({ code: 'other_provider' });
      expect(calls()).toEqual([0, 0]);
      expect((await refunds.get(id)).status).toBe('requested');
    });

    it('is made for the first time within a year of the payment, and again whenever it takes', async () => {
      const [young, sent] = [await asked(), await unconfirmed()];
      await paydesk.db.query(`UPDATE payments SET paid_at = $1 WHERE id = ANY ($2)`, [
        later(-366 * DAY),
        [young.bought.paymentId, sent.bought.paymentId],
      ]);
      const refused = await executor.approve(young.id, OPERATOR);
      expect(refused).toMatchObject({ status: 'rejected', failureCode: 'refund_too_old' });
      expect(calls()).toEqual([0, 0]);
      answer('queryRefund', 'not_found');
      expect(await executor.processDue(sent.id, TIMER)).toMatchObject({ status: 'processing', failureCode: null });
      expect(calls()).toEqual([1, 1]);
    });
  });

  describe('that is refused for something that can be mended', () => {
    it.each(['rejected', 'unknown'] as const)('(%s) holds it with a case, until it is sent again', async (outcome) => {
      const code = 'SOME_CODE';
      const id = await held(new ProviderError(outcome, code, 'refused', 403, 'fixable'));
      expect(await refunds.get(id)).toMatchObject({ status: 'processing', failureCode: code });
      expect(await casesOfRefund(paydesk, id)).toEqual(['refund_held open']);
      const [row] = await paydesk.db.query<{ detail: object }[]>(
        'SELECT detail FROM discrepancies WHERE out_refund_no = $1',
        [id],
      );
      expect(row?.detail).toMatchObject({ code, amount: 500 });
      paydesk.clock.advance(SECOND);
      await executor.approve(id, OPERATOR);
      expect(calls()).toEqual([1, 0]);
      const refund = await refunds.get(id);
      expect(refund).toMatchObject({ failureCode: null, sentAt: later(-SECOND), lastSentAt: now() });
    });

    it('is repeated by the timer, and not for somebody who only looks', async () => {
      const id = await held();
      await executor.sync(id, OPERATOR);
      expect(calls()).toEqual([0, 0]);
      await executor.processDue(id, TIMER);
      expect(calls()).toEqual([1, 0]);
    });

    it.each(['succeeded', 'closed'] as const)('leaves no case open once it is %s', async (end) => {
      const id = await held();
      answer('refund', end);
      expect((await executor.approve(id, OPERATOR)).status).toBe(end);
      expect(await casesOfRefund(paydesk, id)).toEqual(['refund_held resolved']);
    });

    it('but with no sure end is not held', async () => {
      const id = await held(new ProviderError('unknown', 'http_404', 'a page of somebody else'));
      expect(await refunds.get(id)).toMatchObject({ status: 'processing', failureCode: null });
      expect(await casesOfRefund(paydesk, id)).toEqual([]);
    });
  });

  describe('that asks about it', () => {
    const ways: [string, (id: string) => Promise<Refund>][] = [
      ['the timer', (id) => executor.processDue(id, TIMER)],
      ['somebody who looks', (id) => executor.sync(id, OPERATOR)],
    ];

    it.each(ways)('is made for %s when nobody knows what became of it', async (_who, look) => {
      const { id } = await unconfirmed();
      answer('queryRefund', 'succeeded');
      expect((await look(id)).status).toBe('succeeded');
      expect(calls()).toEqual([0, 1]);
    });

    it.each(ways)('for %s sends it again under its number when the channel never got it', async (_who, look) => {
      const { id } = await unconfirmed();
      answer('queryRefund', 'not_found');
      expect(await look(id)).toMatchObject({ id, status: 'processing', refundId: `R${id}` });
      expect(channel.asked('refund').map(({ outRefundNo }) => outRefundNo)).toEqual([id]);
    });

    it('does not send again what the channel has, or had', async () => {
      const { id } = await unconfirmed();
      await executor.processDue(id, TIMER);
      answer('queryRefund', 'not_found');
      await executor.processDue(id, TIMER);
      expect(calls()).toEqual([0, 2]);
      expect((await refunds.get(id)).status).toBe('processing');
    });

    it('and is refused tells nothing of it', async () => {
      const { id } = await unconfirmed();
      channel.next('queryRefund', REFUSED);
      expect(await executor.processDue(id, TIMER)).toMatchObject({ status: 'processing', failureCode: null });
      channel.next('queryRefund', BROKEN);
      await expect(executor.processDue(id, TIMER)).rejects.toBe(BROKEN);
    });

    it('waits while another has it in hand, unless that is the timer itself', async () => {
      const { id } = await unconfirmed();
      await set(id, 'lease_until = $2', later(1));
      await executor.sync(id, OPERATOR);
      expect(calls()).toEqual([0, 0]);
      await executor.processDue(id, TIMER);
      expect(calls()).toEqual([0, 1]);
      await set(id, 'lease_until = $2', now());
      await executor.sync(id, OPERATOR);
      expect(calls()).toEqual([0, 2]);
      const poor = await held();
      await set(poor, 'lease_until = $2', later(1));
      await executor.approve(poor, OPERATOR);
      expect(calls()).toEqual([0, 0]);
    });

    it('is made about an abnormal one, which is asked about again half an hour later', async () => {
      const id = await abnormal();
      await set(id, 'lease_until = $2', later(MINUTE));
      answer('queryRefund', 'abnormal');
      await executor.processDue(id, TIMER);
      expect(await refunds.get(id)).toMatchObject({ status: 'abnormal', leaseUntil: null });
      expect((await refunds.get(id)).nextCheckAt).toEqual(later(30 * MINUTE));
      answer('queryRefund', 'not_found');
      await executor.approve(id, OPERATOR);
      expect(calls()).toEqual([0, 2]);
    });

    it('answers one that was rejected as it is, and refuses to carry it out', async () => {
      const { id } = await asked();
      await refunds.reject(id, 'no', OPERATOR);
      expect((await executor.sync(id, OPERATOR)).status).toBe('rejected');
      await expect(executor.approve(id, OPERATOR)).rejects.toMatchObject({ code: 'refund_not_open' });
      expect(calls()).toEqual([0, 0]);
    });
  });

  describe('for a difference in a bill', () => {
    it('is made whatever we think we know', async () => {
      const { id } = await asked();
      answer('refund', 'succeeded');
      await executor.approve(id, OPERATOR);
      expect(await executor.recheck(id, OPERATOR)).toEqual({ status: 'succeeded', channel: 'processing' });
    });

    it.each([
      ['gives no answer', NO_ANSWER, { code: 'channel_unavailable' }],
      ['breaks in our own program', BROKEN, BROKEN],
    ])('moves nothing where it %s', async (_what, error, refusal) => {
      const { id } = await unconfirmed();
      channel.next('queryRefund', error);
      await expect(executor.recheck(id, OPERATOR)).rejects.toMatchObject(refusal);
      expect((await refunds.get(id)).status).toBe('processing');
    });
  });

  describe('that sends the money of an abnormal one elsewhere', () => {
    const target = { to: 'merchant_card' } as const;

    it('leaves behind who sent it where', async () => {
      const id = await abnormal();
      const { paymentId } = await refunds.get(id);
      channel.next('retryAbnormalRefund', (order) => wordOf(order, 'succeeded'));
      await executor.retryAbnormal(id, target, OPERATOR);
      const moves = (await paydesk.app.get(PaymentHistory).of(paymentId)).filter((row) => row.refund_id === id);
      expect(moves).toContainEqual(
        expect.objectContaining({ from_status: 'abnormal', to_status: 'abnormal', note: 'sent to merchant_card' }),
      );
      expect((await refunds.get(id)).status).toBe('succeeded');
    });

    it.each([
      ['gets no answer', NO_ANSWER, { code: 'channel_unavailable' }],
      ['is refused', REFUSED, { code: 'channel_rejected' }],
      ['breaks in our own program', BROKEN, BROKEN],
    ])('and %s leaves it abnormal', async (_what, error, refusal) => {
      const id = await abnormal();
      channel.next('retryAbnormalRefund', error);
      await expect(executor.retryAbnormal(id, target, OPERATOR)).rejects.toMatchObject(refusal);
      expect((await refunds.get(id)).status).toBe('abnormal');
    });
  });

  it('is refused for a refund that is not there', async () => {
    const nobody = { code: 'not_found' };
    await expect(refunds.get('ref_0')).rejects.toMatchObject(nobody);
    await expect(refunds.reject('ref_0', 'no', OPERATOR)).rejects.toMatchObject(nobody);
    for (const work of ['approve', 'processDue', 'sync', 'recheck'] as const)
      await expect(executor[work]('ref_0', OPERATOR)).rejects.toMatchObject(nobody);
    await expect(executor.retryAbnormal('ref_0', { to: 'merchant_card' }, OPERATOR)).rejects.toMatchObject(nobody);
  });

  describe.each([
    ['does not mind parts sent at once', 0],
    ['wants a minute between parts, oldest first', MINUTE],
  ] as const)('to a provider that %s', (_manner, minRefundInterval) => {
    it('is made when it may be', async () => {
      channel.rules = { ...channel.rules, minRefundInterval };
      const bought = await paid(paydesk);
      const ids: string[] = [];
      for (const amount of [100, 200, 300]) {
        ids.push(await askFor(bought, amount));
        // Numbers of one millisecond have no order.
        paydesk.clock.advance(1);
      }
      for (const id of ids) await executor.approve(id, OPERATOR);
      const sent = (): number[] => channel.asked('refund').map(({ amountFen }) => amountFen);
      if (minRefundInterval === 0) return expect(sent()).toEqual([100, 200, 300]);
      const due = async (): Promise<(Date | null)[]> =>
        Promise.all(ids.map(async (id) => (await refunds.get(id)).nextCheckAt));
      expect(sent()).toEqual([100]);
      expect(await due()).toEqual([later(MINUTE), later(MINUTE), later(2 * MINUTE)]);
      expect((await refunds.get(ids[1] ?? '')).leaseUntil).toBeNull();
      paydesk.clock.advance(MINUTE);
      for (const id of ids.slice(1)) await executor.processDue(id, TIMER);
      expect(sent()).toEqual([100, 200]);
    });
  });
});
