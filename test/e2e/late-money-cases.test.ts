import { byCommand } from '../../src/common/cause.js';
import { HOUR } from '../../src/common/clock.js';
import { StaleOrders } from '../../src/payments/stale-orders.js';
import { CaseResolver } from '../../src/refunds/case-resolver.js';
import { type Answer, type Api, startTestApp, type TestApp, times } from '../support/app.js';
import {
  announcementsOf,
  type Bought,
  buyAndStart,
  casesOf,
  movesOf,
  orderOf,
  paymentOf,
  placePayment,
  statesOf,
  waitUntilBlocked,
} from '../support/flows.js';
import { type Case, heldPayment, holdRow, openCaseOf, paymentArrives, startAnother } from '../support/late-money.js';
import { movesOfRefund, refundOf, tick } from '../support/refunds.js';
import { runBuilt } from '../support/service-process.js';

const NOTE = 'The customer was asked';
const OPERATOR = 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB';

describe('a case of late money', () => {
  let paydesk: TestApp;
  let operator: Api;

  beforeAll(async () => {
    paydesk = await startTestApp({ env: { LATE_PAYMENT_POLICY: 'hold', JWT_TTL_SECONDS: '2592000' } });
    operator = await paydesk.as('operator');
  });
  afterAll(() => paydesk.close());

  const arrives = (paymentId: string) => paymentArrives(paydesk, paymentId);
  const held = (metadata?: Record<string, unknown>) => heldPayment(paydesk, metadata);
  const resolve = (caseId: string, action?: string, note = NOTE): Promise<Answer<Case & { code?: string }>> =>
    operator.post(`/admin/reconciliation/discrepancies/${caseId}/resolve/`, { note, action });
  const caseOf = async (caseId: string): Promise<Case> =>
    (await operator.get<Case>(`/admin/reconciliation/discrepancies/${caseId}/`)).body;
  const brief = ({ status, body }: Answer<{ code?: string; status?: unknown }>): string =>
    `${status} ${String(body.code ?? body.status)}`;
  /** By which payment the order was paid, and whether the first one is late. */
  const books = async ({ orderId, paymentId }: Bought): Promise<[string | null, boolean] | undefined> => {
    const rows = await paydesk.db.query<{ paid_by: string | null; late: boolean }[]>(
      'SELECT o.paid_payment_id AS paid_by, p.late FROM orders o, payments p WHERE o.id = $1 AND p.id = $2',
      [orderId, paymentId],
    );
    return rows.map(({ paid_by, late }): [string | null, boolean] => [paid_by, late])[0];
  };
  const refundsOf = ({ paymentId }: Bought): Promise<{ id: string }[]> =>
    paydesk.db.query('SELECT id FROM refunds WHERE payment_id = $1 ORDER BY id', [paymentId]);
  const paidMoves = async ({ orderId }: Bought): Promise<string[]> =>
    (await movesOf(paydesk, orderId)).filter((move) => move.startsWith('order paid'));
  const cancelStale = () => paydesk.app.get(StaleOrders).cancel({ cause: byCommand('expire_payments'), limit: 1000 });

  describe('accepted', () => {
    it('pays its order as any payment does, once however often it is asked', async () => {
      const bought = await held();
      const answers = await times(5, () => resolve(bought.caseId, 'accept'));
      expect(answers.map(brief)).toEqual(Array(5).fill('200 resolved'));
      expect(answers[0]?.body).toMatchObject({ action: 'accept', action_refund_id: null, note: NOTE });
      expect(await statesOf(bought)).toBe('succeeded/paid');
      expect(await books(bought)).toEqual([bought.paymentId, false]);
      expect((await orderOf(bought)).paid_at).toBe((await paymentOf(bought)).paid_at);
      expect(await paidMoves(bought)).toEqual(['order paid by request']);
      expect(await announcementsOf(paydesk, bought.paymentId)).toContain('payment.accepted');
      const [event] = await paydesk.db.query<unknown[]>(
        `SELECT actor, note FROM payment_events WHERE order_id = $1 AND to_status = 'paid'`,
        [bought.orderId],
      );
      expect(event).toEqual({ actor: OPERATOR, note: NOTE });
      // From now on a refund of it is a refund of the order.
      const refund = await operator.post('/refunds/', { payment_id: bought.paymentId, amount: 800 });
      await operator.post(`/refunds/${String(refund.body.id)}/succeed/`);
      expect(await orderOf(bought)).toMatchObject({ status: 'partially_refunded', refunded_amount: 800 });
    });

    it('closes another open payment of the order first, whose own money is late then', async () => {
      const bought = await held();
      const second = await startAnother(bought);
      expect(brief(await resolve(bought.caseId, 'accept'))).toBe('200 resolved');
      expect(await books(bought)).toEqual([bought.paymentId, false]);
      expect(await statesOf({ ...bought, path: `/payments/${second}/` })).toBe('closed/paid');
      await arrives(second);
      expect(await casesOf(paydesk, second)).toEqual(['late_payment']);
      expect(await books(bought)).toEqual([bought.paymentId, false]);
    });

    it('is refused when the other open payment turns out to be paid: that one has paid the order', async () => {
      const bought = await held();
      const second = await startAnother(bought);
      await paydesk.db.query(`UPDATE orders SET metadata = '{"mock_outcome":"success"}' WHERE id = $1`, [
        bought.orderId,
      ]);
      expect(brief(await resolve(bought.caseId, 'accept'))).toBe('409 order_not_payable');
      expect(await books(bought)).toEqual([second, true]);
      expect((await caseOf(bought.caseId)).status).toBe('open');
    });

    it('is refused once the order is cancelled, or part of the money is promised back', async () => {
      const cancelled = await held();
      paydesk.clock.advance(HOUR);
      expect(await cancelStale()).toContain(cancelled.orderId);
      expect(brief(await resolve(cancelled.caseId, 'accept'))).toBe('409 order_not_payable');
      const promised = await held();
      await promised.customer.api.post('/refunds/', { payment_id: promised.paymentId, amount: 1 });
      expect(brief(await resolve(promised.caseId, 'accept'))).toBe('409 payment_refunded');
      expect(await statesOf(promised)).toBe('succeeded/pending');
    });
  });

  describe('refunded', () => {
    it('gives back what is left, by the number of the policy `refund`, once', async () => {
      const bought = await held();
      await bought.customer.api.post('/refunds/', { payment_id: bought.paymentId, amount: 300 });
      const number = bought.paymentId.replace('pay_', 'ref_');
      const answers = await times(5, () => resolve(bought.caseId, 'refund'));
      expect(answers.map(brief)).toEqual(Array(5).fill('200 resolved'));
      expect(answers[4]?.body).toMatchObject({ action: 'refund', action_refund_id: number });
      expect(await refundOf(paydesk, number)).toMatchObject({ status: 'processing', amount: 1500 });
      expect(await refundsOf(bought)).toHaveLength(2);
      await tick(paydesk);
      expect(await movesOfRefund(paydesk, number)).toEqual([
        `requested by request ${OPERATOR}`,
        `processing by request ${OPERATOR}`,
        'succeeded by timer send_and_check_refunds',
      ]);
      expect(await orderOf(bought)).toMatchObject({ status: 'pending', refunded_amount: 0 });
    });

    it('is a new case when the channel gives the refund up, and that one is refunded under a new number', async () => {
      const bought = await held({ mock_refund_outcome: 'closed' });
      const first = (await resolve(bought.caseId, 'refund')).body.action_refund_id ?? '';
      await times(2, () => tick(paydesk));
      expect((await refundOf(paydesk, first)).status).toBe('closed');
      const again = await openCaseOf(paydesk, bought);
      expect(again).not.toBe(bought.caseId);
      const second = (await resolve(again, 'refund')).body.action_refund_id;
      expect(second).toBe(again.replace('dis_', 'ref_'));
      expect(await refundsOf(bought)).toHaveLength(2);
      expect(await caseOf(bought.caseId)).toMatchObject({ status: 'resolved', action_refund_id: first });
    });

    it('is refused when nothing is left', async () => {
      const bought = await held();
      await bought.customer.api.post('/refunds/', { payment_id: bought.paymentId });
      expect(brief(await resolve(bought.caseId, 'refund'))).toBe('409 refund_exceeds_payment');
      expect((await caseOf(bought.caseId)).status).toBe('open');
    });
  });

  it('booked by hand moves nothing, and keeps its note', async () => {
    const bought = await held();
    for (const note of [NOTE, 'another note'])
      expect(brief(await resolve(bought.caseId, 'booked', note))).toBe('200 resolved');
    expect(await caseOf(bought.caseId)).toMatchObject({ action: 'booked', note: NOTE, action_refund_id: null });
    expect([await statesOf(bought), (await books(bought))?.[1], await refundsOf(bought)]).toEqual([
      'succeeded/pending',
      true,
      [],
    ]);
  });

  it('is decided once: another decision is refused, also after a note alone', async () => {
    const bought = await held();
    expect(brief(await resolve(bought.caseId))).toBe('200 resolved');
    for (const action of [undefined, 'accept', 'refund', 'booked'])
      expect(brief(await resolve(bought.caseId, action))).toBe('409 discrepancy_resolved');
    expect([await statesOf(bought), await refundsOf(bought)]).toEqual(['succeeded/pending', []]);
  });

  it('is decided by operators alone, with a known action, and only a case of late money is', async () => {
    const bought = await buyAndStart(paydesk);
    await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS', amount: 2 });
    const [mismatch] = await paydesk.db.query<Case[]>('SELECT id FROM discrepancies WHERE payment_id = $1', [
      bought.paymentId,
    ]);
    const id = mismatch?.id ?? '';
    const asPayer = bought.customer.api.post(`/admin/reconciliation/discrepancies/${id}/resolve/`, { note: NOTE });
    expect((await asPayer).status).toBe(403);
    expect(brief(await resolve(id, 'keep'))).toBe('400 invalid_request');
    for (const action of ['accept', 'refund']) expect(brief(await resolve(id, action))).toBe('409 case_not_late_money');
    expect(brief(await resolve(id, 'booked'))).toBe('200 resolved');
    expect(brief(await resolve(id.replace(/.$/, '0'), 'accept'))).toBe('404 not_found');
  });

  it('is decided by a command too, which shows before what it would do', async () => {
    const [one, two] = [await held(), await held()];
    const second = await placePayment(two.customer, two.orderId);
    const dry = { note: NOTE, cause: byCommand('resolve_case'), dryRun: true };
    const resolver = paydesk.app.get(CaseResolver);
    const number = one.paymentId.replace('pay_', 'ref_');
    expect(await resolver.resolve(one.caseId, { ...dry, action: 'refund' })).toMatchObject({ refundId: number });
    expect(await resolver.resolve(one.caseId, { ...dry, action: 'accept' })).toMatchObject({ openPaymentId: null });
    expect(await resolver.resolve(two.caseId, { ...dry, action: 'accept' })).toMatchObject({ openPaymentId: second });
    for (const bought of [one, two]) {
      expect((await caseOf(bought.caseId)).status).toBe('open');
      expect([await statesOf(bought), await refundsOf(bought)]).toEqual(['succeeded/pending', []]);
    }
    const words = ['resolve_case', one.caseId, '--action', 'accept', '--note', NOTE, '--json'];
    const { code, stdout } = await runBuilt('cli.js', words, { DATABASE_URL: paydesk.databaseUrl });
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      { dry_run: false, id: one.caseId, action: 'accept', payment_id: one.paymentId, refund_id: null },
    ]);
    expect(await paidMoves(one)).toEqual(['order paid by command']);
  }, 150_000);

  describe('in a race', () => {
    /** Until so many statements wait for a lock, or this one has waited for none. */
    const waits = (count: number, asked: Promise<unknown>) => Promise.race([waitUntilBlocked(paydesk, count), asked]);

    it.each([
      ['accept', 'refund'],
      ['refund', 'accept'],
      ['accept', 'accept'],
      ['refund', 'refund'],
    ])('of %s and %s, the first one counts', async (first, second) => {
      const bought = await held();
      const letGo = await holdRow(paydesk, 'orders', bought.orderId);
      const one = resolve(bought.caseId, first);
      await waits(1, one);
      const two = resolve(bought.caseId, second);
      await waits(2, two);
      await letGo();
      const same = first === second;
      expect([brief(await one), brief(await two)]).toEqual([
        '200 resolved',
        same ? '200 resolved' : '409 discrepancy_resolved',
      ]);
      expect([(await paidMoves(bought)).length, (await refundsOf(bought)).length]).toEqual(
        first === 'accept' ? [1, 0] : [0, 1],
      );
    });

    it('with a new payment of the order that is made, started and paid: the order is paid once', async () => {
      const bought = await held();
      const letGo = await holdRow(paydesk, 'discrepancies', bought.caseId);
      const accepting = resolve(bought.caseId, 'accept');
      await waits(1, accepting);
      const paying = async (): Promise<string> => {
        const made = await bought.customer.api.post('/payments/', { order_id: bought.orderId });
        if (made.status !== 201) return `${made.status} ${String(made.body.code)}`;
        await bought.customer.api.post(`/payments/${String(made.body.id)}/start/`);
        return brief(await arrives(String(made.body.id)));
      };
      const paid = paying();
      await waits(2, paid);
      await letGo();
      expect([brief(await accepting), await paid]).toEqual(['200 resolved', '409 order_not_payable']);
      expect(await books(bought)).toEqual([bought.paymentId, false]);
      expect(await paidMoves(bought)).toEqual(['order paid by request']);
    });

    it('with a callback that settles the other payment first: the late money stays a case', async () => {
      const bought = await held();
      const second = await startAnother(bought);
      const letGo = await holdRow(paydesk, 'orders', bought.orderId);
      const settling = arrives(second);
      await waits(1, settling);
      const accepting = resolve(bought.caseId, 'accept');
      await waits(2, accepting);
      await letGo();
      expect([(await settling).status, brief(await accepting)]).toEqual([200, '409 order_not_payable']);
      expect(await books(bought)).toEqual([second, true]);
      expect((await caseOf(bought.caseId)).status).toBe('open');
    });

    it('with the end of the order: a cancelled order is never paid', async () => {
      const bought = await held();
      paydesk.clock.advance(HOUR);
      const letGo = await holdRow(paydesk, 'discrepancies', bought.caseId);
      const accepting = resolve(bought.caseId, 'accept');
      await waits(1, accepting);
      const cancelled = await cancelStale();
      await letGo();
      expect([cancelled, brief(await accepting)]).toEqual([
        expect.not.arrayContaining([bought.orderId]),
        '200 resolved',
      ]);
      expect(await movesOf(paydesk, bought.orderId)).not.toContain('order cancelled by command');
      expect(await cancelStale()).not.toContain(bought.orderId);
      expect(await statesOf(bought)).toBe('succeeded/paid');
    });

    it('with a refund that the payer asks for: no fen is both accepted and promised back unseen', async () => {
      const bought = await held();
      const letGo = await holdRow(paydesk, 'discrepancies', bought.caseId);
      const accepting = resolve(bought.caseId, 'accept');
      await waits(1, accepting);
      const asking = bought.customer.api.post('/refunds/', { payment_id: bought.paymentId });
      await waits(2, asking);
      await letGo();
      expect([brief(await accepting), brief(await asking)]).toEqual(['200 resolved', '201 requested']);
      await operator.post(`/refunds/${String((await asking).body.id)}/succeed/`);
      expect(await orderOf(bought)).toMatchObject({ status: 'refunded', refunded_amount: 1800 });
    });
  });
});
