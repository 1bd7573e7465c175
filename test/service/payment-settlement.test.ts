import { byTimer } from '../../src/common/cause.js';
import { transaction } from '../../src/database/transaction.js';
import { type PaymentReport, type PaymentResult, PaymentSettlement } from '../../src/payments/payment-settlement.js';
import { type ChannelPayment, PaymentProvider } from '../../src/provider/payment-provider.js';
import { startTestApp, type TestApp } from '../support/app.js';
import {
  announcementsOf,
  type Bought,
  buyAndStart,
  casesOf,
  movesOf,
  paymentOf,
  placePayment,
  statesOf,
} from '../support/flows.js';

const CAUSE = byTimer('check_payments');
const PAID_AT = new Date('2026-11-23T07:59:00.000Z');

describe('what the channel says of payments', () => {
  let paydesk: TestApp;
  let transactions = 0;

  beforeAll(async () => {
    paydesk = await startTestApp({ env: { LATE_PAYMENT_POLICY: 'hold' } });
  });
  afterAll(() => paydesk.close());

  const apply = (...list: PaymentReport[]): Promise<PaymentResult[]> =>
    transaction(paydesk.db, (tx) => paydesk.app.get(PaymentSettlement).apply(tx, list));

  function paid(outTradeNo: string, changes: Partial<ChannelPayment> = {}): PaymentReport {
    transactions += 1;
    const { account } = paydesk.app.get(PaymentProvider);
    const reported: ChannelPayment = {
      outTradeNo,
      state: 'succeeded',
      transactionId: `T${transactions}`,
      amountFen: 1800,
      currency: 'CNY',
      paidAt: PAID_AT,
      account,
      ...changes,
    };
    return { reported, cause: CAUSE };
  }

  function over(outTradeNo: string, state: 'closed' | 'failed' | 'open'): PaymentReport {
    const unpaid = { transactionId: null, amountFen: null, currency: null, paidAt: null, account: null };
    return paid(outTradeNo, { state, ...unpaid });
  }

  const casesUnder = async (outTradeNo: string): Promise<string[]> => casesOf(paydesk, outTradeNo);

  it('is answered one by one, in the order in which it was told', async () => {
    const [good, wrong, ended] = [await buyAndStart(paydesk), await buyAndStart(paydesk), await buyAndStart(paydesk)];
    const first = paid(good.paymentId);
    const settled = await apply(
      paid('pay_00000000000000000000UNKNOWN'),
      first,
      paid(wrong.paymentId, { amountFen: 1799 }),
      { ...first },
      {
        ...over(ended.paymentId, 'failed'),
        reported: { ...over(ended.paymentId, 'failed').reported, failureCode: 'PAYERROR' },
      },
      over(wrong.paymentId, 'open'),
    );
    expect(settled.map(({ outcome, field, payment }) => [outcome, field, payment?.id])).toEqual([
      ['unknown_payment', undefined, undefined],
      ['applied', undefined, good.paymentId],
      ['mismatch', 'amount', wrong.paymentId],
      ['known', undefined, good.paymentId],
      ['applied', undefined, ended.paymentId],
      ['known', undefined, wrong.paymentId],
    ]);
    expect([await statesOf(good), await statesOf(wrong), await statesOf(ended)]).toEqual([
      'succeeded/paid',
      'processing/pending',
      'failed/pending',
    ]);
    expect((await paymentOf(ended)).failure).toEqual({ code: 'PAYERROR' });
    expect(await paymentOf(good)).toMatchObject({
      transaction_id: first.reported.transactionId,
      paid_at: PAID_AT.toISOString(),
    });
    expect((await movesOf(paydesk, good.orderId)).slice(-2)).toEqual([
      'payment succeeded by timer',
      'order paid by timer',
    ]);
    expect(await announcementsOf(paydesk, good.paymentId)).toEqual(['payment.succeeded']);
  });

  it('about a number that is not ours is a case when it is money, and nothing when it is not', async () => {
    const [unpaid, money] = ['pay_0000000000000000000000UNPAID', 'pay_00000000000000000000000MONEY'];
    expect(await apply(over(unpaid, 'closed'), paid(money))).toEqual([
      { outcome: 'unknown_payment', payment: null },
      { outcome: 'unknown_payment', payment: null },
    ]);
    expect([await casesUnder(unpaid), await casesUnder(money)]).toEqual([[], ['unknown_payment']]);
  });

  it('with a second transaction of a paid payment is a case, and moves nothing', async () => {
    const bought = await buyAndStart(paydesk);
    await apply(paid(bought.paymentId));
    const [second] = await apply(paid(bought.paymentId));
    expect(second).toMatchObject({ outcome: 'mismatch', field: 'transaction_id' });
    expect(await casesUnder(bought.paymentId)).toEqual(['double_transaction']);
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('gives a transaction to one payment, of this list or of an earlier one', async () => {
    const [a, b, c] = [await buyAndStart(paydesk), await buyAndStart(paydesk), await buyAndStart(paydesk)];
    const first = paid(a.paymentId);
    const same = (bought: Bought): PaymentReport =>
      paid(bought.paymentId, { transactionId: first.reported.transactionId });
    const together = await apply(first, same(b));
    const [later] = await apply(same(c));
    expect([...together, later].map((one) => [one?.outcome, one?.field])).toEqual([
      ['applied', undefined],
      ['mismatch', 'transaction_id'],
      ['mismatch', 'transaction_id'],
    ]);
    expect([await statesOf(b), await statesOf(c)]).toEqual(['processing/pending', 'processing/pending']);
  });

  it('calls a close what it was asked for as, else by the time', async () => {
    const [asked, early, late] = [await buyAndStart(paydesk), await buyAndStart(paydesk), await buyAndStart(paydesk)];
    await apply(over(early.paymentId, 'closed'));
    await apply({ ...over(asked.paymentId, 'closed'), closedAs: 'expired' });
    paydesk.clock.advance(30 * 60_000);
    await apply(over(late.paymentId, 'closed'));
    expect([await statesOf(early), await statesOf(asked), await statesOf(late)]).toEqual([
      'closed/pending',
      'expired/cancelled',
      'expired/cancelled',
    ]);
  });

  it('of a second payment of one order is late money: held with its facts', async () => {
    const bought = await buyAndStart(paydesk);
    await apply(over(bought.paymentId, 'failed'));
    const secondId = await placePayment(bought.customer, bought.orderId);
    await apply(paid(secondId));
    const late = paid(bought.paymentId);
    expect(await apply(late)).toMatchObject([{ outcome: 'applied', payment: { id: bought.paymentId, late: true } }]);
    expect(await statesOf(bought)).toBe('succeeded/paid');
    const [found] = await paydesk.db.query<unknown[]>(
      'SELECT type, case_key, payment_id, detail FROM discrepancies WHERE out_trade_no = $1',
      [bought.paymentId],
    );
    expect(found).toEqual({
      type: 'late_payment',
      case_key: `late_payment:${bought.paymentId}`,
      payment_id: bought.paymentId,
      detail: {
        order_id: bought.orderId,
        order_status: 'paid',
        amount: 1800,
        transaction_id: late.reported.transactionId,
        paid_by: secondId,
      },
    });
  });
});
