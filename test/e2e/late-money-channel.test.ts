import { byCommand } from '../../src/common/cause.js';
import { MINUTE } from '../../src/common/clock.js';
import { DuePayments, type DueScope } from '../../src/payments/due-payments.js';
import { DueRefunds } from '../../src/refunds/due-refunds.js';
import { LONG_LIFE } from '../support/bills.js';
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
import { type Simulated, startSimulated } from '../support/simulated.js';

const TTL = 30 * MINUTE;

describe.each(['refund', 'hold'])('money that WeChat Pay took too late, under the policy %s', (policy) => {
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated({ env: { ...LONG_LIFE, LATE_PAYMENT_POLICY: policy } });
  });
  afterAll(() => shop.close());
  beforeEach(() => shop.sim.faults({ rules: [] }));

  const run = (scope: DueScope) =>
    shop.app.get(DuePayments).run({ scope, cause: byCommand('reconcile_payments'), limit: 1000 });
  const refundsAreCarriedOut = async (): Promise<void> => {
    for (let tick = 0; tick < 3; tick += 1) {
      await shop.app.get(DueRefunds).run({ scope: 'all', cause: byCommand('sync_refunds'), limit: 1000 });
      await shop.advance(6 * MINUTE);
    }
  };

  /** WeChat Pay says that it closed it, and did not. */
  const closedInWordsOnly = (): Promise<object> =>
    shop.sim.faults({
      rules: [
        { at: 'close', do: 'error', status: 404, code: 'ORDER_NOT_EXIST', times: 1 },
        { at: 'payment_notice', do: 'lose' },
      ],
    });

  const cancelled = async (): Promise<Bought> => {
    const bought = await buyAndStart(shop);
    await closedInWordsOnly();
    await bought.customer.api.post(`${bought.path}cancel/`);
    expect((await paymentOf(bought)).status).toBe('closed');
    return bought;
  };

  /** What must be true of late money, however it was heard of. */
  const expectHandled = async (bought: Bought, order: string): Promise<void> => {
    expect(await statesOf(bought)).toBe(`succeeded/${order}`);
    const told = await announcementsOf(shop, bought.paymentId);
    expect(told.filter((type) => type === 'payment.succeeded')).toHaveLength(1);
    expect(told.filter((type) => type === 'payment.late')).toHaveLength(1);
    expect(await announcementsOf(shop, `${bought.paymentId}:operators`)).toEqual(['payment.late']);
    await refundsAreCarriedOut();
    const { transactions, refunds } = shop.sim.ledger({ out_trade_no: bought.paymentId });
    const back = policy === 'refund' ? 1800 : 0;
    expect(transactions).toMatchObject([{ total: 1800, refunded: back }]);
    expect(refunds).toHaveLength(back > 0 ? 1 : 0);
    expect(await paymentOf(bought)).toMatchObject({ refunded_amount: back });
    expect(await casesOf(shop, bought.paymentId)).toEqual(back > 0 ? [] : ['late_payment']);
    expect(await orderOf(bought)).toMatchObject({ status: order, refunded_amount: 0 });
  };

  it('is found by the notice after a cancel', async () => {
    const bought = await cancelled();
    await shop.sim.faults({ rules: [] });
    await shop.pay(bought.paymentId);
    await expectHandled(bought, 'pending');
  });

  it('is found by asking, when the page of the payer asks', async () => {
    const bought = await cancelled();
    await shop.pay(bought.paymentId);
    expect((await paymentOf(bought)).status).toBe('closed');
    await bought.customer.api.post(`${bought.path}sync/`);
    await expectHandled(bought, 'pending');
  });

  it('is found after an expiry, whose close was not true', async () => {
    const bought = await buyAndStart(shop);
    await shop.advance(TTL - MINUTE / 2);
    await closedInWordsOnly();
    // The shop's clock says that its time is over; WeChat Pay's order lives a little longer.
    await shop.db.query('UPDATE payments SET expires_at = $2, next_check_at = $2 WHERE id = $1', [
      bought.paymentId,
      shop.clock.now(),
    ]);
    await run('due');
    expect(await statesOf(bought)).toBe('expired/cancelled');
    await shop.sim.faults({ rules: [] });
    await shop.pay(bought.paymentId);
    await expectHandled(bought, 'cancelled');
  });

  it('is found by the expiry of a payment whose order another one had paid', async () => {
    const first = await cancelled();
    const paymentId = await placePayment(first.customer, first.orderId);
    await first.customer.api.post(`/payments/${paymentId}/start/`);
    await shop.pay(first.paymentId);
    await shop.pay(paymentId);
    await shop.advance(TTL);
    await run('expired');
    expect((await orderOf(first)).status).toBe('paid');
    await first.customer.api.post(`${first.path}sync/`);
    await expectHandled(first, 'paid');
    expect(await announcementsOf(shop, paymentId)).toEqual(['payment.succeeded']);
    expect(shop.sim.ledger({ out_trade_no: paymentId }).refunds).toEqual([]);
  });

  it('is not late when the cancel itself finds it paid', async () => {
    const bought = await buyAndStart(shop);
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose' }] });
    await shop.pay(bought.paymentId);
    const answer = await bought.customer.api.post(`${bought.path}cancel/`);
    expect(answer.body).toMatchObject({ status: 'succeeded' });
    expect(await statesOf(bought)).toBe('succeeded/paid');
    expect(await announcementsOf(shop, bought.paymentId)).toEqual(['payment.succeeded']);
  });

  it.each(['wrong_amount', 'wrong_mchid', 'wrong_appid', 'wrong_currency'] as const)(
    'that does not fit (%s) moves nothing, by notice, question and expiry alike, and is one case',
    async (fault) => {
      const bought = await buyAndStart(shop);
      const match = bought.paymentId;
      await shop.sim.faults({
        rules: [
          { at: 'payment_notice', do: fault, match },
          { at: 'query', do: fault, match },
        ],
      });
      await shop.pay(bought.paymentId);
      await run('all');
      await bought.customer.api.post(`${bought.path}sync/`);
      await shop.advance(TTL);
      await run('expired');
      expect(await statesOf(bought)).toBe('processing/pending');
      expect(await casesOf(shop, bought.paymentId)).toEqual(['mismatch']);
      expect(await announcementsOf(shop, bought.paymentId)).toEqual([]);
      expect(await movesOf(shop, bought.orderId)).toHaveLength(2);
    },
  );

  it('that is held is given back by an operator, and its case is resolved once, with a note', async () => {
    if (policy === 'refund') return;
    const bought = await cancelled();
    await shop.pay(bought.paymentId);
    await bought.customer.api.post(`${bought.path}sync/`);
    const operator = await shop.as('operator', 'operator_1');
    const path = '/admin/reconciliation/discrepancies/';
    const found = await operator.get<{ items: { id: string }[] }>(`${path}?out_trade_no=${bought.paymentId}`);
    const id = found.body.items[0]?.id ?? '';
    const asked = await operator.post<{ id: string }>('/refunds/', { payment_id: bought.paymentId });
    await operator.post(`/refunds/${asked.body.id}/succeed/`);
    await refundsAreCarriedOut();
    expect(await paymentOf(bought)).toMatchObject({ refunded_amount: 1800 });
    const note = 'Given back on request';
    const answers = [
      await operator.post(`${path}${id}/resolve/`, { note }),
      await operator.post(`${path}${id}/resolve/`, { note }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([200, 409]);
    expect(answers[0]?.body).toMatchObject({ status: 'resolved', resolved_by: 'operator_1', note });
  });
});
