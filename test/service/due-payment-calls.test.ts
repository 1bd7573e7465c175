import { byTimer } from '../../src/common/cause.js';
import { HOUR, MINUTE } from '../../src/common/clock.js';
import { DuePayments, type DueReport, type DueScope } from '../../src/payments/due-payments.js';
import { PaymentsService } from '../../src/payments/payments.service.js';
import { type ChannelPayment } from '../../src/provider/payment-provider.js';
import type { TestApp } from '../support/app.js';
import { type Bought, buy, buyAndStart, inTurns, statesOf } from '../support/flows.js';
import { paidWord, unpaidWord } from '../support/rows.js';
import { BROKEN, NO_ANSWER, type ScriptedProvider, startScripted } from '../support/scripted-provider.js';

describe('a question about open payments', () => {
  let paydesk: TestApp;
  let channel: ScriptedProvider;
  let payments: PaymentsService;

  beforeAll(async () => {
    ({ channel, ...paydesk } = await startScripted());
    payments = paydesk.app.get(PaymentsService);
  });
  afterAll(() => paydesk.close());
  afterEach(() => channel.forget());
  beforeEach(() =>
    paydesk.db.query(
      `UPDATE payments SET status = 'failed', settled_at = now() WHERE status IN ('init', 'processing')`,
    ),
  );

  const paid = ({ paymentId }: Bought): ChannelPayment =>
    paidWord({ outTradeNo: paymentId, transactionId: `T${paymentId}`, account: channel.account });
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
    channel.always('queryPayment', ({ outTradeNo }) => {
      const answer = answers.get(outTradeNo);
      if (!answer) throw NO_ANSWER;
      return answer;
    });
    expect(await run()).toMatchObject({ checked: 3, succeeded: 1, open: 1, unknown: 1, expired: 0, ended: 0 });
    expect(await nextCheck(silent)).toBe(30_000);
  });

  it('that breaks in our own program is no answer', async () => {
    await buyAndStart(paydesk);
    channel.always('queryPayment', BROKEN);
    await expect(run()).rejects.toBe(BROKEN);
  });

  it('settles the others when one answer cannot be settled', async () => {
    const all = await inTurns(3, () => buyAndStart(paydesk));
    const [bad, ...good] = all as [Bought, Bought, Bought];
    // A number that no table takes.
    const words = new Map(all.map((bought) => [bought.paymentId, paid(bought)]));
    words.set(bad.paymentId, { ...paid(bad), transactionId: 'T\0' });
    channel.always('queryPayment', ({ outTradeNo }) => words.get(outTradeNo) as ChannelPayment);
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
    channel.always('queryPayment', NO_ANSWER);
    await run();
    expect(await nextCheck(bought)).toBe(gap);
  });

  it('is not put to a provider that knows nothing of what was never sent; at its end that is closed here', async () => {
    channel.rules = { ...channel.rules, knowsUnsentPayments: false };
    const bought = await buy(paydesk);
    expect(await run()).toMatchObject({ checked: 1, open: 1 });
    expect(await statesOf(bought)).toBe('init/pending');
    await change(bought, 'expires_at = $2', paydesk.clock.now());
    expect(await run('expired')).toMatchObject({ checked: 1, expired: 1 });
    expect(await statesOf(bought)).toBe('expired/cancelled');
    expect([...channel.asked('queryPayment'), ...channel.asked('closePayment')]).toEqual([]);
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
    channel.always('queryPayment', NO_ANSWER);
    expect(await run('all', 3)).toMatchObject({ checked: 3 });
    expect(await run('all', 130)).toMatchObject({ checked: 130 });
    channel.forgetAsked();
    expect(await run()).toMatchObject({ checked: 231, unknown: 231 });
    const asked = channel.asked('queryPayment').map(({ outTradeNo }) => outTradeNo);
    expect([asked.length, new Set(asked).size]).toEqual([231, 231]);
  });
});
