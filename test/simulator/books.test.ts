import { type Simulator, startSimulator } from '../../simulator/index.js';
import { KEY_PAIRS } from '../support/key-pairs.js';
import { type Merchant, merchantOf } from './support/merchant.js';
import { type Receiver, startReceiver } from './support/receiver.js';

const ORDERS = 240;

interface Sale {
  number: string;
  total: number;
  /** Fen asked back, in one refund; 0: none. */
  back: number;
}

describe('the books of a busy hour', () => {
  let sim: Simulator;
  let merchant: Merchant;
  let receiver: Receiver;
  const sales: Sale[] = [];

  beforeAll(async () => {
    sim = await startSimulator({ keyPairs: KEY_PAIRS, seed: 77 });
    receiver = await startReceiver(() => sim);
    merchant = merchantOf(sim, receiver.url);
    for (let index = 0; index < ORDERS; index += 1) {
      const total = ((index * 7919) % 50_000) + 1;
      const number = await merchant.paid({ amount: { total } });
      const back = [0, total, Math.ceil(total / 3), Math.ceil(total / 2)][index % 4] ?? 0;
      sales.push({ number, total, back });
    }
    for (const { number, back } of sales.filter((sale) => sale.back > 0)) {
      await merchant.refund(number, `R${number}`, back);
    }
    await sim.advance(600);
  }, 60_000);

  afterAll(async () => {
    await sim.close();
    await receiver.close();
  });

  const sum = (values: number[]): number => values.reduce((all, value) => all + value, 0);
  /** 0.6 % of an amount of whole fen, half up. */
  const fee = (fen: number): number => Math.floor((fen * 6 + 500) / 1000);

  it('agree with a sum made beside them, to the fen', () => {
    const feesBack = sales.map(({ total, back }) => Math.floor((2 * fee(total) * back + total) / (2 * total)));
    const taken = sum(sales.map((sale) => sale.total));
    const refunded = sum(sales.map((sale) => sale.back));
    const fees = sum(sales.map((sale) => fee(sale.total))) - sum(feesBack);
    expect(sim.ledger().totals).toEqual({
      transactions: ORDERS,
      paid: ORDERS,
      taken,
      refunds: (ORDERS * 3) / 4,
      refunded,
      refunding: 0,
      fees,
      balance: taken - refunded - fees,
    });
  });

  it('agree with what was announced, each payment and each refund once', () => {
    const heard = receiver.arrivals.map((one) => one.content as { amount: { total: number; refund?: number } });
    expect(receiver.arrivals.every((one) => one.signed)).toBe(true);
    expect(heard).toHaveLength(ORDERS + (ORDERS * 3) / 4);
    expect(sum(heard.flatMap(({ amount }) => (amount.refund === undefined ? [amount.total] : [])))).toBe(
      sum(sales.map((sale) => sale.total)),
    );
    expect(sum(heard.map(({ amount }) => amount.refund ?? 0))).toBe(sum(sales.map((sale) => sale.back)));
  });
});
