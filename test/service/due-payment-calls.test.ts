import { jest } from '@jest/globals';
import { byTimer } from '../../src/common/cause.js';
import { HOUR, MINUTE } from '../../src/common/clock.js';
import { DuePayments, type DueReport, type DueScope } from '../../src/payments/due-payments.js';
import { PaymentsService } from '../../src/payments/payments.service.js';
import { PaymentSettlement } from '../../src/payments/settlement.service.js';
import { type ChannelPayment, PaymentProvider, ProviderError } from '../../src/provider/payment-provider.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { type Bought, buyAndStart, inTurns, statesOf } from '../support/flows.js';
import { paidWord, unpaidWord } from '../support/rows.js';

const NO_ANSWER = new ProviderError('unknown', 'timeout', 'no answer');

describe('a question about open payments', () => {
  let paydesk: TestApp;
  let provider: PaymentProvider;
  let payments: PaymentsService;

  beforeAll(async () => {
    paydesk = await startTestApp();
    provider = paydesk.app.get(PaymentProvider);
    payments = paydesk.app.get(PaymentsService);
  });
  afterAll(() => paydesk.close());
  afterEach(() => jest.restoreAllMocks());
  beforeEach(() =>
    paydesk.db.query(
      `UPDATE payments SET status = 'failed', settled_at = now() WHERE status IN ('init', 'processing')`,
    ),
  );

  const paid = ({ paymentId }: Bought): ChannelPayment =>
    paidWord({ outTradeNo: paymentId, transactionId: `T${paymentId}`, account: provider.account });
  const change = (bought: Bought, set: string, ...values: unknown[]): Promise<unknown> =>
    paydesk.db.query(`UPDATE payments SET ${set} WHERE id = $1`, [bought.paymentId, ...values]);
  const later = (milliseconds: number): Date => new Date(paydesk.clock.now().getTime() + milliseconds);
  const run = (scope: DueScope = 'all', limit = 1000): Promise<DueReport> =>
    paydesk.app.get(DuePayments).run({ scope, cause: byTimer('check_payments'), limit });
  const nextCheck = async ({ paymentId }: Bought): Promise<number> =>
    (await payments.get(paymentId)).nextCheckAt.getTime() - paydesk.clock.now().getTime();

  it('counts what came of it, and asks again where there was no answer', async () => {
    const all = await inTurns(3, () => buyAndStart(paydesk));
    const [bought, open, silent] = all as [Bought, Bought, Bought];
    const answers = new Map([
      [bought.paymentId, paid(bought)],
      [open.paymentId, unpaidWord(open.paymentId, 'open')],
    ]);
    jest.spyOn(provider, 'queryPayment').mockImplementation(({ outTradeNo }) => {
      const answer = answers.get(outTradeNo);
      return answer ? Promise.resolve(answer) : Promise.reject(NO_ANSWER);
    });
    expect(await run()).toMatchObject({ checked: 3, succeeded: 1, open: 1, unknown: 1, expired: 0, ended: 0 });
    expect(await nextCheck(silent)).toBe(30_000);
  });

  it('that breaks in our own program is no answer', async () => {
    const broken = new TypeError('broken');
    await buyAndStart(paydesk);
    jest.spyOn(provider, 'queryPayment').mockRejectedValue(broken);
    await expect(run()).rejects.toBe(broken);
  });

  it('settles the others when one answer cannot be settled', async () => {
    const all = await inTurns(3, () => buyAndStart(paydesk));
    const [bad, ...good] = all as [Bought, Bought, Bought];
    const words = new Map(all.map((bought) => [bought.paymentId, paid(bought)]));
    jest
      .spyOn(provider, 'queryPayment')
      .mockImplementation(({ outTradeNo }) => Promise.resolve(words.get(outTradeNo) as ChannelPayment));
    const settlement = paydesk.app.get(PaymentSettlement);
    const apply = settlement.apply.bind(settlement);
    jest.spyOn(settlement, 'apply').mockImplementation((tx, list) => {
      if (list.some(({ seen }) => seen.outTradeNo === bad.paymentId)) throw new Error('bad row');
      return apply(tx, list);
    });
    expect(await run()).toMatchObject({ checked: 3, succeeded: 2, unknown: 1 });
    for (const bought of good) expect(await statesOf(bought)).toBe('succeeded/paid');
    expect(await statesOf(bad)).toBe('processing/pending');
  });

  it.each([
    ['half an hour later once it has often been asked', 24 * HOUR, 30 * MINUTE],
    ['at its end, when that is sooner', 20 * MINUTE, 20 * MINUTE],
    ['later, and not at once, when its end is now', 0, 30 * MINUTE],
  ])('comes again %s', async (_what, life, gap) => {
    const bought = await buyAndStart(paydesk);
    await change(bought, 'checks = 40, expires_at = $2', later(life));
    jest.spyOn(provider, 'queryPayment').mockRejectedValue(NO_ANSWER);
    await run();
    expect(await nextCheck(bought)).toBe(gap);
  });

  it('goes through more of them than one batch holds, and once', async () => {
    const { paymentId } = await buyAndStart(paydesk);
    // 230 more like it, each with an order of its own.
    const id = (prefix: string): string => `'${prefix}_' || lpad(g::text, 26, '0')`;
    await paydesk.db.query(
      `INSERT INTO orders SELECT (jsonb_populate_record(NULL::orders, to_jsonb(o) || jsonb_build_object('id', ${id('ord')}))).*
       FROM payments p JOIN orders o ON o.id = p.order_id, generate_series(1, 230) g WHERE p.id = $1`,
      [paymentId],
    );
    await paydesk.db.query(
      `INSERT INTO payments SELECT (jsonb_populate_record(NULL::payments,
         to_jsonb(p) || jsonb_build_object('id', ${id('pay')}, 'order_id', ${id('ord')}))).*
       FROM payments p, generate_series(1, 230) g WHERE p.id = $1`,
      [paymentId],
    );
    const asked: string[] = [];
    jest.spyOn(provider, 'queryPayment').mockImplementation(({ outTradeNo }) => {
      asked.push(outTradeNo);
      return Promise.reject(NO_ANSWER);
    });
    expect(await run('all', 3)).toMatchObject({ checked: 3 });
    expect(await run('all', 130)).toMatchObject({ checked: 130 });
    asked.length = 0;
    expect(await run()).toMatchObject({ checked: 231, unknown: 231 });
    expect([asked.length, new Set(asked).size]).toEqual([231, 231]);
  });
});
