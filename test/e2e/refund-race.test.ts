import * as fc from 'fast-check';
import { type Answer, times } from '../support/app.js';
import { orderOf, paymentOf } from '../support/flows.js';
import { approveRefund, channelBooks, ourBooks, paid, tick, untilSettled } from '../support/refunds.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

// A hundred refunds take a while on a busy machine.
jest.setTimeout(120_000);

interface Asked {
  id: string;
  amount: number;
  code?: string;
}

/**
 * Fails without the order's lock (`FOR UPDATE` in `OrdersService.lockByPayments`): requests that read the same reserve
 * all fit.
 */
describe('a hundred refunds of one payment at once', () => {
  const AMOUNT = 100_000;
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated({ env: { DATABASE_POOL_SIZE: '20' } });
  });
  afterAll(() => shop.close());

  it('never promise more than was paid, and what is promised is paid, to the fen', async () => {
    const bought = await paid(shop, { amount: AMOUNT });
    const parts = fc.sample(fc.integer({ min: 1, max: 8000 }), { numRuns: 100, seed: 20_261_123 });
    // Whoever is told to come again (503: too many wait for one order) does so, under the same key.
    const ask = async (index: number): Promise<Answer<Asked>> => {
      const body = { payment_id: bought.paymentId, amount: parts[index] };
      const answer = await bought.customer.api.post<Asked>('/refunds/', body, { 'idempotency-key': `part-${index}` });
      return answer.status === 503 || answer.body.code === 'idempotency_in_progress' ? ask(index) : answer;
    };
    const answers = await times(100, ask);
    const made = answers.filter((answer) => answer.status === 201).map((answer) => answer.body);
    expect(answers.filter((answer) => answer.status !== 201).every((answer) => answer.status === 409)).toBe(true);
    const promised = made.reduce((sum, refund) => sum + refund.amount, 0);
    expect(promised).toBeLessThanOrEqual(AMOUNT);
    const [payment] = await shop.db.query<{ reserved_fen: number }[]>('SELECT reserved_fen FROM payments');
    expect(payment?.reserved_fen).toBe(promised);
    // Whatever was refused did not fit any more when it was refused, so the rest is smaller than any of it.
    const refused = answers.flatMap((answer, index) =>
      answer.body.code === 'refund_exceeds_payment' ? [parts[index] ?? 0] : [],
    );
    expect(AMOUNT - promised).toBeLessThan(Math.min(...refused));

    await Promise.all(made.map((refund) => approveRefund(shop, refund.id)));
    await Promise.all([tick(shop), tick(shop), tick(shop)]);
    await untilSettled(shop, 120);
    const ledger = channelBooks(shop);
    expect(await ourBooks(shop)).toEqual(ledger);
    expect(ledger.refunds).toEqual(made.map((refund) => `${refund.id} ${refund.amount} SUCCESS`).sort());
    expect(await paymentOf(bought)).toMatchObject({ refunded_amount: promised });
    expect(await orderOf(bought)).toMatchObject({ refunded_amount: promised });
  });
});
