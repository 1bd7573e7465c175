import { setTimeout as pause } from 'node:timers/promises';
import { byTimer } from '../../src/common/cause.js';
import { SECOND } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { type ChannelOrder, type ChannelPayment, ProviderError } from '../../src/provider/payment-provider.js';
import { type TestApp, times } from '../support/app.js';
import { type Bought, buy, buyAndStart, inTurns, paymentOf, type PaymentView, type Problem } from '../support/flows.js';
import { NOW } from '../support/rows.js';
import { type ScriptedProvider, startScripted } from '../support/scripted-provider.js';

/** How long this WeChat takes for an answer. */
const ANSWERS_IN_MS = 250;
const LOOPS = 200;
const HONEST = 20;
// Two hundred clients and the service in one process: on a busy machine that takes a while.
jest.setTimeout(120_000);

describe('one payer who asks without end', () => {
  let paydesk: TestApp & { channel: ScriptedProvider };
  let channel: ScriptedProvider;
  /** When a question about a number came to the channel. */
  let asked: { outTradeNo: string; at: number }[];

  beforeAll(async () => {
    paydesk = await startScripted({}, SECOND);
    ({ channel } = paydesk);
  });
  afterAll(() => paydesk.close());
  beforeEach(() => {
    channel.forget();
    asked = [];
    channel.always('prepay', async ({ outTradeNo, expiresAt }) => {
      await pause(ANSWERS_IN_MS);
      return { scene: 'jsapi', prepayId: `prepay_of_${outTradeNo}`, expiresAt };
    });
    channel.always('queryPayment', async ({ outTradeNo }) => {
      asked.push({ outTradeNo, at: performance.now() });
      await pause(ANSWERS_IN_MS);
      return {
        outTradeNo,
        state: 'open' as const,
        transactionId: null,
        amountFen: null,
        currency: null,
        paidAt: null,
        account: null,
      };
    });
  });

  /** So many clients that each ask again as soon as they were answered; answers how often each status came. */
  async function attack(bought: Bought, until: Promise<unknown>): Promise<Record<number, number>> {
    const answers: Record<number, number> = {};
    let over = false;
    void until.finally(() => (over = true));
    await times(LOOPS, async () => {
      while (!over) {
        const { status } = await bought.customer.api.post(`${bought.path}sync/`);
        answers[status] = (answers[status] ?? 0) + 1;
      }
    });
    return answers;
  }

  it('does not keep others from paying, and costs the channel one question a second', async () => {
    const attacked = await buyAndStart(paydesk);
    const honest = await inTurns(HONEST, () => buy(paydesk));
    const began = performance.now();
    const starts = (async () => {
      await pause(SECOND);
      const answers: number[] = [];
      // Some at once, some one after the other.
      for (const some of [honest.slice(0, 10), honest.slice(10, 15), honest.slice(15)]) {
        const started = await Promise.all(some.map(({ customer, path }) => customer.api.post(`${path}start/`)));
        answers.push(...started.map(({ status }) => status));
      }
      await pause(SECOND);
      return answers;
    })();
    const [statuses, attackers] = await Promise.all([starts, attack(attacked, starts)]);
    const seconds = (performance.now() - began) / SECOND;

    expect(statuses).toEqual(Array.from({ length: HONEST }, () => 200));
    expect(asked.length).toBeGreaterThanOrEqual(2);
    expect(asked.length).toBeLessThanOrEqual(seconds + 1);
    expect(Object.keys(attackers)).toEqual(['200', '429']);
    expect((await paymentOf(attacked)).status).toBe('processing');
  });

  it('and is answered by the news when it comes, at the latest by the next question', async () => {
    const bought = await buyAndStart(paydesk);
    const sync = () => bought.customer.api.post<PaymentView>(`${bought.path}sync/`);
    expect((await sync()).body.status).toBe('processing');
    // Paid just now: who asks within the second waits, and hears it.
    channel.always('queryPayment', (order) => {
      asked.push({ outTradeNo: order.outTradeNo, at: performance.now() });
      return paid(order);
    });
    const answers = await times(5, sync);
    expect(answers.map(({ body }) => body.status)).toEqual(Array(5).fill('succeeded'));
    expect(asked).toHaveLength(2);
    await times(5, sync);
    expect(asked).toHaveLength(2);
  });

  it('asks together with the timer', async () => {
    const bought = await buyAndStart(paydesk);
    await paydesk.db.query(`UPDATE payments SET next_check_at = 'epoch' WHERE id = $1`, [bought.paymentId]);
    const sync = bought.customer.api.post(`${bought.path}sync/`);
    while (asked.length === 0) await pause(5);
    const due = paydesk.app.get(DuePayments).run({ scope: 'due', cause: byTimer('test'), limit: 1 });
    expect(await due).toMatchObject({ checked: 1, payments: [{ id: bought.paymentId }] });
    await sync;
    expect(asked.filter(({ outTradeNo }) => outTradeNo === bought.paymentId)).toHaveLength(1);
  });

  it('hears of late money of a payment that ended without, at the same pace', async () => {
    const bought = await buyAndStart(paydesk);
    await bought.customer.api.post(`${bought.path}cancel/`);
    const sync = () => bought.customer.api.post<PaymentView>(`${bought.path}sync/`);
    for (const { body } of await times(20, sync)) expect(body.status).toBe('closed');
    expect(asked).toHaveLength(1);
    channel.always('queryPayment', paid);
    for (const { body } of await times(20, sync)) expect(body.status).toBe('succeeded');
    expect(channel.asked('queryPayment')).toHaveLength(2);
  });

  it('closes a payment once, and places one once, however often it says so at a time', async () => {
    const bought = await buy(paydesk);
    channel.always('closePayment', async (order) => {
      await pause(ANSWERS_IN_MS);
      return { ...paid(order), state: 'closed', transactionId: null };
    });
    const starts = await times(20, () => bought.customer.api.post(`${bought.path}start/`));
    expect(starts.map(({ status }) => status)).toEqual(Array(20).fill(200));
    const cancels = await times(20, () => bought.customer.api.post<PaymentView>(`${bought.path}cancel/`));
    expect(cancels.map(({ status, body }) => `${status} ${body.status}`)).toEqual(Array(20).fill('200 closed'));
    const about = (order: { outTradeNo: string }): boolean => order.outTradeNo === bought.paymentId;
    expect(channel.asked('prepay').filter(about)).toHaveLength(1);
    expect(channel.asked('closePayment').filter(about)).toHaveLength(1);
  });

  it('cannot make a question from before the payment answer one that was asked because of it', async () => {
    const bought = await buy(paydesk);
    // The payer pays on another device while a question is on its way back; the order is refused as paid.
    channel.always('prepay', new ProviderError('rejected', 'ORDERPAID', 'paid', 400, 'query'));
    channel.next('queryPayment', async (order) => {
      asked.push({ outTradeNo: order.outTradeNo, at: performance.now() });
      await pause(ANSWERS_IN_MS);
      return { ...paid(order), state: 'open', transactionId: null, paidAt: null };
    });
    channel.always('queryPayment', paid);
    const sync = bought.customer.api.post(`${bought.path}sync/`);
    while (asked.length === 0) await pause(5);
    const start = await bought.customer.api.post<Problem>(`${bought.path}start/`);
    expect([start.status, start.body.code]).toEqual([409, 'payment_not_open']);
    await sync;
    expect((await paymentOf(bought)).status).toBe('succeeded');
  });
});

function paid({ outTradeNo, amountFen, currency }: ChannelOrder): ChannelPayment {
  const account = { mchid: 'mock_mchid', appid: 'mock_appid' };
  const transactionId = `paid_${outTradeNo}`;
  return { outTradeNo, state: 'succeeded', transactionId, amountFen, currency, paidAt: NOW, account };
}
