import { byTimer } from '../../src/common/cause.js';
import { DAY, HOUR, MINUTE } from '../../src/common/clock.js';
import { BillService } from '../../src/reconciliation/bill.service.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { billCases, compare, LONG_LIFE, paid, refunded, runDaily, today, untilChina } from '../support/bills.js';
import { buyAndStart, statesOf } from '../support/flows.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

interface RunRow {
  day: string;
  status: string;
  attempts: number;
  error_code: string | null;
}

describe('the daily comparison', () => {
  let shop: Simulated;
  /** Another process on the same database. */
  let other: TestApp;

  beforeEach(async () => {
    shop = await startSimulated({ env: LONG_LIFE, simulator: { refundDelayMs: null } });
    other = await startTestApp({ env: shop.env, databaseUrl: shop.databaseUrl, clock: shop.clock });
    await untilChina(shop, 12);
  });
  afterEach(async () => {
    await other.close();
    await shop.close();
  });

  const runs = async (): Promise<RunRow[]> =>
    shop.db.query<RunRow[]>(
      `SELECT to_char(day, 'YYYY-MM-DD') AS day, status, attempts, error_code FROM reconciliation_runs
       WHERE kind = 'daily' ORDER BY day`,
    );

  const days = (reports: { day: string }[]): string[] => reports.map(({ day }) => day);

  it('happens once for each day, after ten in China, whichever process gets there first', async () => {
    await paid(shop);
    const day = today(shop);
    expect(await runDaily(shop)).toEqual([]);
    await untilChina(shop, 9, 59);
    expect(await runDaily(shop)).toEqual([]);
    await untilChina(shop, 10);
    const both = await Promise.all([runDaily(shop), runDaily(other), runDaily(shop), runDaily(other)]);
    expect(days(both.flat())).toEqual([day]);
    await shop.advance(5 * MINUTE);
    expect([await runDaily(shop), await runDaily(other)]).toEqual([[], []]);
    expect(await runs()).toEqual([{ day, status: 'done', attempts: 1, error_code: null }]);
  });

  it('is waited for from the first payment on, and then from the last comparison', async () => {
    const lastBill = async (): Promise<number> => {
      const text = await (await fetch(`${shop.url}/metrics`)).text();
      return Number(/^paydesk_last_bill_seconds (\S+)$/m.exec(text)?.[1]);
    };
    expect(await lastBill()).toBe(0);
    await paid(shop);
    const [first] = await shop.db.query<{ created_at: Date }[]>('SELECT created_at FROM payments');
    const from = Number(first?.created_at) / 1000;
    expect(await lastBill()).toBe(from);
    await untilChina(shop, 10);
    expect(await lastBill()).toBe(from);
    await runDaily(shop);
    expect(await lastBill()).toBeGreaterThan(from + 3600);
  });

  it('is tried again every thirty minutes while the bill is being made', async () => {
    await paid(shop);
    const day = today(shop);
    await untilChina(shop, 10);
    const creating = { at: 'tradebill', do: 'error', status: 400, code: 'STATEMENT_CREATING' } as const;
    await shop.sim.faults({ rules: [{ ...creating, times: 3 }] });
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      expect(await runDaily(shop)).toEqual([]);
      expect(await runs()).toEqual([{ day, status: 'waiting', attempts: attempt, error_code: 'STATEMENT_CREATING' }]);
      await shop.advance(29 * MINUTE);
      expect(await runDaily(other)).toEqual([]);
      await shop.advance(MINUTE);
    }
    expect(days(await runDaily(other))).toEqual([day]);
    expect(await runs()).toEqual([{ day, status: 'done', attempts: 4, error_code: null }]);
  });

  it('takes a day without a bill for an empty one', async () => {
    await paid(shop);
    await untilChina(shop, 10);
    await runDaily(shop);
    const empty = today(shop);
    await untilChina(shop, 10);
    const [report] = await runDaily(shop);
    expect(report).toMatchObject({ day: empty, lines: 0, differences: {}, payments: { here: { count: 0, fen: 0 } } });
  });

  it('finds the money of a day of which nothing was heard', async () => {
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose' }] });
    const bought = await buyAndStart(shop);
    await shop.pay(bought.paymentId);
    const day = today(shop);
    expect(await statesOf(bought)).toBe('processing/pending');
    await untilChina(shop, 10);
    expect(await runDaily(shop)).toMatchObject([{ day, lines: 1, healed: 1, differences: {} }]);
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('misses everything when a day with payments has no bill', async () => {
    const bought = await paid(shop);
    const day = today(shop);
    await untilChina(shop, 10);
    const none = { do: 'error', status: 400, code: 'NO_STATEMENT_EXIST' } as const;
    await shop.sim.faults({
      rules: [
        { at: 'tradebill', ...none },
        { at: 'fundflowbill', ...none },
      ],
    });
    const [report] = await runDaily(shop);
    expect(report).toMatchObject({ lines: 0, differences: { missing_there: 1 } });
    expect(await billCases(shop, day)).toEqual([`missing_there ${bought.paymentId}`]);
  });

  it('catches up on every day of an outage, oldest first', async () => {
    const expected: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      await paid(shop);
      expected.push(today(shop));
      await untilChina(shop, 12);
    }
    expect(days(await runDaily(shop))).toEqual(expected);
    expect((await runs()).map((run) => run.status)).toEqual(Array(5).fill('done'));
  });

  it('goes on after a process died in the middle of it, when its lease has run out', async () => {
    await paid(shop);
    const day = today(shop);
    shop.sim.billDifferences(day, { count: { missing: 1 } });
    await untilChina(shop, 10);
    await runDaily(shop);
    const cases = await billCases(shop, day);
    // As it was when the process died: the case is there, the end is not.
    await shop.db.query(
      `UPDATE reconciliation_runs SET status = 'running', finished_at = NULL, summary = NULL, lease_until = $1`,
      [new Date(shop.clock.now().getTime() + 10 * MINUTE)],
    );
    expect(await runDaily(other)).toEqual([]);
    await shop.advance(10 * MINUTE);
    expect(days(await runDaily(other))).toEqual([day]);
    expect(await runs()).toEqual([{ day, status: 'done', attempts: 2, error_code: null }]);
    expect(await billCases(shop, day)).toEqual(cases);
  });

  it("says of a person's run whose process died that it was broken off", async () => {
    // As it was when the process died: begun, and nobody prolongs it.
    await shop.db.query(
      `INSERT INTO reconciliation_runs (id, day, kind, status, attempts, created_at, next_attempt_at, lease_until)
       VALUES ('run_01JD8Q5Z6T8RZ1M0V4N9X2K7CB', '2026-11-22', 'manual', 'running', 1, $1, $1, $2)`,
      [shop.clock.now(), new Date(shop.clock.now().getTime() + 10 * MINUTE)],
    );
    const state = async (): Promise<object[]> =>
      shop.db.query(`SELECT status, error_code FROM reconciliation_runs WHERE kind = 'manual'`);
    await runDaily(other);
    expect(await state()).toEqual([{ status: 'running', error_code: null }]);
    await shop.advance(10 * MINUTE);
    await runDaily(other);
    expect(await state()).toEqual([{ status: 'failed', error_code: 'interrupted' }]);
  });

  it('waits when the channel is down, longer each time, and others are not held up', async () => {
    await paid(shop);
    const first = today(shop);
    await untilChina(shop, 10);
    await shop.sim.faults({ rules: [{ at: 'tradebill', do: 'error', status: 500, code: 'SYSTEM_ERROR' }] });
    expect(await runDaily(shop)).toEqual([]);
    await shop.advance(HOUR);
    expect(await runDaily(shop)).toEqual([]);
    await shop.advance(HOUR);
    expect(await runDaily(shop)).toEqual([]);
    expect(await runs()).toMatchObject([{ day: first, status: 'waiting', attempts: 2 }]);
    await shop.sim.faults({ rules: [] });
    await shop.advance(HOUR);
    expect(days(await runDaily(shop))).toEqual([first]);
  });

  describe('across midnight', () => {
    /** Makes a payment's time here another than WeChat Pay's, by so much. */
    const shift = async (table: 'payments' | 'refunds', id: string, milliseconds: number): Promise<void> => {
      const column = table === 'payments' ? 'paid_at' : 'last_sent_at';
      await shop.db.query(
        `UPDATE ${table} SET ${column} = ${column} + make_interval(secs => $2::float8 / 1000) WHERE id = $1`,
        [id, milliseconds],
      );
    };

    it.each([
      ['23:59 here and the next day there', 0, -2 * MINUTE],
      ['the next day here and 23:59 there', -2 * MINUTE, 2 * MINUTE],
    ])('a payment and a refund at %s are no differences', async (_, at, difference) => {
      const early = await paid(shop);
      await untilChina(shop, 0, 0);
      await shop.advance(DAY + at + MINUTE);
      const bought = await paid(shop);
      await shift('payments', bought.paymentId, difference);
      await shift('refunds', await refunded(shop, early, 100), difference);
      const reports = [];
      for (let index = 0; index < 3; index += 1) {
        await untilChina(shop, 10);
        reports.push(...(await runDaily(shop)));
      }
      expect(reports.map((report) => report.differences)).toEqual(reports.map(() => ({})));
      expect(reports.reduce((sum, report) => sum + report.lines, 0)).toBe(3);
    });

    it('a payment of the last hour that no bill has is a difference, a day later', async () => {
      await untilChina(shop, 23, 30);
      const bought = await paid(shop);
      const day = today(shop);
      shop.sim.billDifferences(day, { named: [{ kind: 'missing', number: bought.paymentId }] });
      await untilChina(shop, 10);
      expect(await runDaily(shop)).toMatchObject([{ day, differences: {} }]);
      await untilChina(shop, 10);
      const [second] = await runDaily(shop);
      expect(second).toMatchObject({ differences: { missing_there: 1 } });
      expect(await billCases(shop, second?.day ?? '')).toEqual([`missing_there ${bought.paymentId}`]);
    });

    it('nothing is lost or made up when the later day is compared first', async () => {
      await untilChina(shop, 23, 30);
      const [missed, moved] = [await paid(shop), await paid(shop)];
      const day = today(shop);
      shop.sim.billDifferences(day, { named: [{ kind: 'missing', number: missed.paymentId }] });
      await untilChina(shop, 0, 5);
      const there = await paid(shop);
      await shift('payments', there.paymentId, -10 * MINUTE);
      const next = today(shop);
      await shop.advance(2 * DAY);
      expect(await compare(shop, next)).toMatchObject({ differences: {} });
      expect(await compare(shop, day)).toMatchObject({ differences: { missing_there: 1 } });
      expect(await billCases(shop, day)).toEqual([`missing_there ${missed.paymentId}`]);
      expect(await compare(shop, next)).toMatchObject({ differences: {} });
      expect(moved.paymentId).not.toBe(missed.paymentId);
    });
  });

  it('is not there under the mock provider', async () => {
    const mock = await startTestApp();
    expect(await mock.app.get(BillService).runDaily(byTimer('reconcile_bill'))).toEqual([]);
    await mock.close();
  });
});
