import { byTimer } from '../../src/common/cause.js';
import { MINUTE, SECOND } from '../../src/common/clock.js';
import { DuePayments, type DueReport, type DueScope } from '../../src/payments/due-payments.js';
import { startTestApp, type TestApp, times } from '../support/app.js';
import { LONG_LIFE } from '../support/bills.js';
import { type Bought, buyAndStart, orderOf, statesOf } from '../support/flows.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

const TTL = 30 * MINUTE;

describe('the questions about open payments', () => {
  let shop: Simulated;
  /** Another process on the same database. */
  let other: TestApp;

  beforeAll(async () => {
    shop = await startSimulated({ env: LONG_LIFE });
    other = await startTestApp({ env: shop.env, databaseUrl: shop.databaseUrl, clock: shop.clock });
  });
  afterAll(async () => {
    await other.close();
    await shop.close();
  });
  beforeEach(async () => {
    await shop.sim.faults({ rules: [] });
    await shop.db.query(
      `UPDATE payments SET status = 'failed', settled_at = now() WHERE status IN ('init', 'processing')`,
    );
  });

  const run = (app: TestApp = shop, scope: DueScope = 'due', limit = 1000): Promise<DueReport> =>
    app.app.get(DuePayments).run({ scope, cause: byTimer('check_payments'), limit });
  const idsOf = (report: DueReport): string[] => report.payments.map((payment) => payment.id);
  const silent = (point: 'query' | 'close'): Promise<object> =>
    shop.sim.faults({ rules: [{ at: point, do: 'error', status: 500, code: 'SYSTEM_ERROR' }] });

  it('come 5 s, 30 s, 1 min, 3 min, 5 min, 10 min after each other, and at the end of its life', async () => {
    const bought = await buyAndStart(shop);
    const asked: number[] = [];
    const began = shop.clock.now().getTime();
    while ((await statesOf(bought)) === 'processing/pending') {
      const { checked } = await run();
      if (checked > 0) asked.push(Math.round((shop.clock.now().getTime() - began) / SECOND));
      await shop.advance(5 * SECOND);
    }
    const gaps = asked.map((at, index) => at - (asked[index - 1] ?? 0));
    expect(gaps[0]).toBeLessThanOrEqual(10);
    [30, 60, 180, 300, 600].forEach((gap, index) => {
      expect(gaps[index + 1]).toBeGreaterThanOrEqual(gap);
      expect(gaps[index + 1]).toBeLessThanOrEqual(gap + 15);
    });
    expect(asked.at(-1)).toBeGreaterThanOrEqual(TTL / SECOND - 1);
    expect(asked.at(-1)).toBeLessThanOrEqual(TTL / SECOND + 10);
    expect(await statesOf(bought)).toBe('expired/cancelled');
  });

  it('find a payment whose notice was lost', async () => {
    const bought = await buyAndStart(shop);
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose' }] });
    await shop.pay(bought.paymentId);
    await shop.advance(5 * SECOND);
    expect(await run()).toMatchObject({ checked: 1, succeeded: 1 });
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('go to the oldest first, and to no more than the limit', async () => {
    const bought = [await buyAndStart(shop), await buyAndStart(shop), await buyAndStart(shop)];
    await shop.advance(MINUTE);
    const order = [2, 0, 1];
    for (const [place, index] of order.entries()) {
      await shop.db.query('UPDATE payments SET next_check_at = $2 WHERE id = $1', [
        bought[index]?.paymentId,
        new Date(shop.clock.now().getTime() - (10 - place) * SECOND),
      ]);
    }
    const expected = order.map((index) => bought[index]?.paymentId);
    for (const id of expected) expect(idsOf(await run(shop, 'due', 1))).toEqual([id]);
  });

  it('are shared by many runs of two processes, and each payment is asked about once', async () => {
    const bought = await times(12, () => buyAndStart(shop));
    await shop.advance(6 * SECOND);
    const reports = await times(8, (index) => run(index % 2 === 0 ? shop : other, 'due', 3));
    const asked = reports.flatMap(idsOf);
    expect(asked.sort()).toEqual(bought.map(({ paymentId }) => paymentId).sort());
  });

  it('leave alone what another process has in hand, until its lease runs out', async () => {
    const bought = await buyAndStart(shop);
    await shop.advance(6 * SECOND);
    await shop.db.query('UPDATE payments SET lease_until = $2 WHERE id = $1', [
      bought.paymentId,
      new Date(shop.clock.now().getTime() + MINUTE),
    ]);
    expect((await run(other)).checked).toBe(0);
    await shop.advance(MINUTE + SECOND);
    expect(idsOf(await run(other))).toEqual([bought.paymentId]);
  });

  it('only show with dry-run what they would ask about', async () => {
    const bought = await buyAndStart(shop);
    await shop.advance(6 * SECOND);
    const row = (): Promise<unknown> => shop.db.query('SELECT * FROM payments WHERE id = $1', [bought.paymentId]);
    const before = await row();
    const options = { scope: 'due' as const, cause: byTimer('check_payments'), limit: 10, dryRun: true };
    expect(idsOf(await shop.app.get(DuePayments).run(options))).toEqual([bought.paymentId]);
    expect(await row()).toEqual(before);
  });

  describe('at the end of a payment', () => {
    const old = async (): Promise<Bought> => {
      const bought = await buyAndStart(shop);
      await shop.advance(TTL);
      return bought;
    };

    it('take over that it was paid in the last moment', async () => {
      const bought = await buyAndStart(shop);
      await shop.advance(TTL - 5 * SECOND);
      await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose' }] });
      await shop.pay(bought.paymentId);
      await shop.advance(MINUTE);
      expect(await run()).toMatchObject({ succeeded: 1, expired: 0 });
      expect(await statesOf(bought)).toBe('succeeded/paid');
    });

    it('close it at WeChat Pay, and only then here; its order is cancelled', async () => {
      const bought = await old();
      expect(await run()).toMatchObject({ expired: 1 });
      expect(await statesOf(bought)).toBe('expired/cancelled');
      expect(shop.sim.ledger({ out_trade_no: bought.paymentId }).transactions[0]?.trade_state).toBe('CLOSED');
    });

    it.each(['query', 'close'] as const)(
      'leave it open while the answer to %s is unknown, and ask again',
      async (point) => {
        const bought = await old();
        await silent(point);
        expect(await run()).toMatchObject({ checked: 1, unknown: 1 });
        expect(await statesOf(bought)).toBe('processing/pending');
        // Not at once: a channel that is down is not hammered.
        expect((await run()).checked).toBe(0);
        await shop.sim.faults({ rules: [] });
        await shop.advance(MINUTE);
        expect(await run()).toMatchObject({ expired: 1 });
        expect((await orderOf(bought)).status).toBe('cancelled');
      },
    );
  });
});
