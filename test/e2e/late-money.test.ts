import { byCommand } from '../../src/common/cause.js';
import { MINUTE } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { startTestApp, type TestApp, times } from '../support/app.js';
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
} from '../support/flows.js';

describe('money that comes when its order cannot take it, under the policy hold', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp({ env: { LATE_PAYMENT_POLICY: 'hold', JWT_TTL_SECONDS: '86400' } });
  });
  afterAll(() => paydesk.close());

  const success = ({ paymentId }: Bought): ReturnType<TestApp['callback']> =>
    paydesk.callback({ payment_id: paymentId, status: 'SUCCESS', amount: 1800 });

  const expectHeld = async (bought: Bought, order: string): Promise<void> => {
    expect(await statesOf(bought)).toBe(`succeeded/${order}`);
    expect(await casesOf(paydesk, bought.paymentId)).toEqual(['late_payment']);
    expect(await announcementsOf(paydesk, bought.paymentId)).toEqual(
      expect.arrayContaining(['payment.late', 'payment.succeeded']),
    );
    expect((await movesOf(paydesk, bought.orderId)).at(-1)).toBe('payment succeeded by callback');
  };

  it.each<[string, string, (bought: Bought) => Promise<unknown>]>([
    [
      'expired',
      'cancelled',
      async () => {
        paydesk.clock.advance(30 * MINUTE);
        await paydesk.app.get(DuePayments).run({ scope: 'expired', cause: byCommand('expire_payments'), limit: 100 });
      },
    ],
    ['closed', 'pending', ({ customer, path }) => customer.api.post(`${path}cancel/`)],
    ['failed', 'pending', ({ paymentId }) => paydesk.callback({ payment_id: paymentId, status: 'FAIL' })],
  ])('is recorded for a payment that is %s, and held for a person, once', async (state, order, end) => {
    const bought = await buyAndStart(paydesk);
    await end(bought);
    expect(await statesOf(bought)).toBe(`${state}/${order}`);
    const answers = await times(20, () => success(bought));
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(200));
    await expectHeld(bought, order);
    expect(await paymentOf(bought)).toMatchObject({ failure: null, paid_at: paydesk.clock.now().toISOString() });
    expect(await orderOf(bought)).toMatchObject({ paid_at: null });
  });

  it('is recorded for a second payment of a paid order, and held', async () => {
    const first = await buyAndStart(paydesk);
    await first.customer.api.post(`${first.path}cancel/`);
    const paymentId = await placePayment(first.customer, first.orderId);
    const second = { ...first, paymentId, path: `/payments/${paymentId}/` };
    await success(second);
    expect(await statesOf(second)).toBe('succeeded/paid');
    const paidAt = (await orderOf(second)).paid_at;
    paydesk.clock.advance(MINUTE);
    expect((await success(first)).status).toBe(200);
    await expectHeld(first, 'paid');
    expect(await orderOf(second)).toMatchObject({ status: 'paid', paid_at: paidAt });
    expect(await casesOf(paydesk, second.paymentId)).toEqual([]);
  });

  it('pays the order with one of two payments whose money comes at once, and holds the other', async () => {
    const first = await buyAndStart(paydesk);
    await first.customer.api.post(`${first.path}cancel/`);
    const paymentId = await placePayment(first.customer, first.orderId);
    const second = { ...first, paymentId, path: `/payments/${paymentId}/` };
    await times(20, (index) => success(index % 2 === 0 ? first : second));
    expect([await statesOf(first), await statesOf(second)]).toEqual(['succeeded/paid', 'succeeded/paid']);
    const cases = [await casesOf(paydesk, first.paymentId), await casesOf(paydesk, second.paymentId)];
    expect(cases).toEqual([['late_payment'], []]);
    expect((await movesOf(paydesk, first.orderId)).filter((move) => move.startsWith('order paid'))).toHaveLength(1);
  });

  it('still has to fit: another amount moves nothing', async () => {
    const bought = await buyAndStart(paydesk);
    await bought.customer.api.post(`${bought.path}cancel/`);
    const answer = await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS', amount: 2 });
    expect(answer.status).toBe(400);
    expect(await statesOf(bought)).toBe('closed/pending');
    expect(await casesOf(paydesk, bought.paymentId)).toEqual(['mismatch']);
  });

  it('tells the operators of each case', async () => {
    const bought = await buyAndStart(paydesk);
    await bought.customer.api.post(`${bought.path}cancel/`);
    await success(bought);
    const rows = await paydesk.db.query<{ user_id: string | null; type: string }[]>(
      `SELECT n.user_id, n.type FROM users_notification n JOIN discrepancies d ON d.id = n.subject_id
       WHERE d.payment_id = $1`,
      [bought.paymentId],
    );
    expect(rows).toEqual([{ user_id: null, type: 'discrepancy.opened' }]);
  });
});
