import { Readable } from 'node:stream';
import type { Difference } from '../../simulator/index.js';
import { HOUR, MINUTE } from '../../src/common/clock.js';
import { LAYOUTS, orderCells, refundCells, sumsOf, tradeBillText } from '../support/bill-text.js';
import { billCases, compare, everything, paid, refunded, untilChina } from '../support/bills.js';
import { buyAndStart, movesOf, statesOf } from '../support/flows.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

/** What each seeded difference is called here. */
const NAMES: Record<Difference['kind'], string> = {
  missing: 'missing_there',
  extra: 'missing_here',
  amount: 'amount',
  status: 'state',
  fee: 'fee',
  duplicate: 'duplicate',
};

const named = (seeded: Difference[]): string[] => seeded.map(({ kind, number }) => `${NAMES[kind]} ${number}`).sort();

describe('the comparison with the bill of a day', () => {
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated({ simulator: { refundDelayMs: null } });
  });
  afterAll(() => shop.close());

  /** Each test has a day of its own. */
  beforeEach(async () => {
    await shop.sim.faults({ rules: [] });
    await untilChina(shop, 12);
  });

  /** A day with payments of several amounts and refunds of some of them. */
  const aDay = async (payments: number): Promise<string> => {
    for (let index = 0; index < payments; index += 1) {
      const bought = await paid(shop, 1800 + index * 977);
      if (index % 3 === 0) shop.sim.settleRefund(await refunded(shop, bought, 700 + index), 'SUCCESS');
    }
    await shop.sim.settled();
    return untilChina(shop, 18);
  };

  it('finds each seeded difference by its type and number and invents none; again, it opens nothing twice', async () => {
    const day = await aDay(15);
    const seeded = shop.sim.billDifferences(day, {
      seed: 3,
      count: { missing: 2, extra: 2, amount: 2, status: 2, fee: 2, duplicate: 2 },
    });
    await untilChina(shop, 11);
    const report = await compare(shop, day);
    expect(await billCases(shop, day)).toEqual(named(seeded));
    expect(report.differences).toEqual({
      missing_here: 2,
      missing_there: 2,
      amount: 2,
      state: 2,
      duplicate: 2,
      fee: 2,
    });
    expect(report.payments.here.count).toBe(15);
    expect(report.refunds.here.count).toBe(5);
    // Two lines were taken out, two were doubled and two made up.
    expect(report.payments.there.count + report.refunds.there.count).toBe(22);

    const again = await compare(shop, day);
    expect(again.differences).toEqual(report.differences);
    expect(await billCases(shop, day)).toEqual(named(seeded));
    const told = await shop.db.query<unknown[]>(
      `SELECT FROM users_notification n JOIN discrepancies d ON d.id = n.subject_id
       WHERE n.type = 'discrepancy.opened' AND n.user_id IS NULL AND d.detail ->> 'day' = $1`,
      [day],
    );
    expect(told).toHaveLength(12);
  });

  it('finds nothing on a day without differences, and both sides add up', async () => {
    const day = await aDay(6);
    await untilChina(shop, 11);
    const report = await compare(shop, day);
    expect(report).toMatchObject({ differences: {}, healed: 0, lines: 8, covers: { payments: true, refunds: true } });
    expect(report.payments.here).toEqual(report.payments.there);
    expect(report.refunds.here).toEqual(report.refunds.there);
    expect(await billCases(shop, day)).toEqual([]);
  });

  it('shows with dry-run what it would find, and changes nothing', async () => {
    const day = await aDay(6);
    const lost = await buyAndStart(shop);
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose' }] });
    await shop.pay(lost.paymentId);
    shop.sim.billDifferences(day, { seed: 5, count: { missing: 1, amount: 1, fee: 1 } });
    await untilChina(shop, 11);
    const before = await everything(shop);
    const report = await compare(shop, day, { dryRun: true });
    expect(report).toMatchObject({ run_id: null, differences: { missing_there: 1, amount: 1, fee: 1, state: 1 } });
    expect(report.examples).toHaveLength(4);
    expect(await everything(shop)).toEqual(before);
  });

  it('heals a payment whose notice was lost by asking, and opens no case', async () => {
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose' }] });
    const bought = await paid(shop);
    expect(await statesOf(bought)).toBe('processing/pending');
    const day = await untilChina(shop, 18);
    await untilChina(shop, 11);
    expect(await compare(shop, day)).toMatchObject({ healed: 1, differences: {} });
    expect(await statesOf(bought)).toBe('succeeded/paid');
    expect((await movesOf(shop, bought.orderId)).slice(-2)).toEqual([
      'payment succeeded by command',
      'order paid by command',
    ]);
    expect(await billCases(shop, day)).toEqual([]);
  });

  it('agrees with refunds in every state, also with one that moved on after the bill was made', async () => {
    const operator = await shop.as('operator');
    const ids: Record<string, string> = {};
    for (const state of ['SUCCESS', 'ABNORMAL', 'CLOSED', 'PROCESSING', 'LATER'] as const) {
      ids[state] = await refunded(shop, await paid(shop), 500);
      if (state !== 'PROCESSING' && state !== 'LATER') shop.sim.settleRefund(ids[state], state);
    }
    const bought = await paid(shop);
    await operator.post('/refunds/', { payment_id: bought.paymentId, amount: 1 });
    const rejected = await operator.post<{ id: string }>('/refunds/', { payment_id: bought.paymentId, amount: 2 });
    await operator.post(`/refunds/${rejected.body.id}/reject/`, { reason: 'not this one' });
    await shop.sim.settled();
    const day = await untilChina(shop, 18);
    await untilChina(shop, 9, 30);
    shop.sim.settleRefund(ids.LATER ?? '', 'SUCCESS');
    await untilChina(shop, 11);
    const report = await compare(shop, day);
    expect(report).toMatchObject({ differences: {}, healed: 0 });
    expect([report.refunds.here.count, report.refunds.there.count]).toEqual([5, 5]);
  });

  it.each([
    ['SUCCESS', 'succeeded'],
    ['CLOSED', 'closed'],
    ['ABNORMAL', 'abnormal'],
  ] as const)('heals a refund whose notice of %s was lost', async (state, expected) => {
    await shop.sim.faults({ rules: [{ at: 'refund_notice', do: 'lose' }] });
    const bought = await paid(shop);
    const id = await refunded(shop, bought, 500);
    shop.sim.settleRefund(id, state);
    const day = await untilChina(shop, 18);
    await untilChina(shop, 11);
    expect(await compare(shop, day)).toMatchObject({ healed: 1, differences: {} });
    expect((await bought.customer.api.get(`/refunds/${id}/`)).body).toMatchObject({ status: expected });
  });

  it('tells a payment that WeChat Pay does not know from one that it left out of the bill', async () => {
    const forged = await buyAndStart(shop);
    await shop.db.query(
      `UPDATE payments SET status = 'succeeded', paid_at = $2, settled_at = $2, transaction_id = 'forged' WHERE id = $1`,
      [forged.paymentId, shop.clock.now()],
    );
    await paid(shop);
    const day = await untilChina(shop, 18);
    await untilChina(shop, 11);
    await compare(shop, day);
    expect(await billCases(shop, day)).toEqual([`missing_there ${forged.paymentId}`]);
    const operator = await shop.as('operator');
    const path = `/admin/reconciliation/discrepancies/?out_trade_no=${forged.paymentId}`;
    const { body } = await operator.get<{ items: object[] }>(path);
    expect(body.items).toMatchObject([{ detail: { day, noun: 'payment', channel: 'open', there: null } }]);
  });

  it('calls another transaction of a payment a difference, whatever the channel says now', async () => {
    const bought = await paid(shop);
    const day = await untilChina(shop, 18);
    await shop.db.query(`UPDATE payments SET transaction_id = 'another' WHERE id = $1`, [bought.paymentId]);
    await untilChina(shop, 11);
    await compare(shop, day);
    expect(await billCases(shop, day)).toEqual([`state ${bought.paymentId}`]);
  });

  describe('from a file', () => {
    const file = (text: string): Readable => Readable.from([Buffer.from(text)]);

    it('of type SUCCESS says nothing about refunds, and of type REFUND nothing about payments', async () => {
      const day = await aDay(3);
      await untilChina(shop, 11);
      const at = { 交易时间: `${day} 10:00:00` };
      const success = tradeBillText('SUCCESS', [orderCells({ ...at, 商户订单号: 'nobody' })], sumsOf(1, 0));
      expect((await compare(shop, day, { file: file(success) })).differences).toEqual({
        missing_here: 1,
        missing_there: 3,
      });
      const refund = tradeBillText('REFUND', [refundCells({ ...at, 商户退款单号: 'none' })], sumsOf(0, 1));
      const report = await compare(shop, day, { file: file(refund) });
      expect(report.differences).toEqual({ missing_here: 1, missing_there: 1 });
      expect(report.covers).toEqual({ payments: false, refunds: true });
    });

    it('of another day is refused, and the run is recorded as failed', async () => {
      const day = await aDay(1);
      await untilChina(shop, 11);
      const text = tradeBillText('ALL', [orderCells({ 交易时间: '2019-02-19 05:01:46' })], sumsOf(1, 0));
      await expect(compare(shop, day, { file: file(text) })).rejects.toMatchObject({ code: 'bill_of_another_day' });
      const runs = await shop.db.query<unknown[]>(
        'SELECT kind, status, error_code FROM reconciliation_runs WHERE day = $1',
        [day],
      );
      expect(runs).toEqual([{ kind: 'file', status: 'failed', error_code: 'bill_of_another_day' }]);
      expect(await billCases(shop, day)).toEqual([]);
    });

    it('that is cut off opens no case', async () => {
      const day = await aDay(2);
      await untilChina(shop, 11);
      const whole = tradeBillText('ALL', [orderCells({ 交易时间: `${day} 10:00:00` })], sumsOf(1, 0));
      const text = whole.slice(0, whole.indexOf(LAYOUTS.trade_bill.ALL.summary[0] ?? ''));
      await expect(compare(shop, day, { file: file(text) })).rejects.toMatchObject({ code: 'bill_cut_off' });
      expect(await billCases(shop, day)).toEqual([]);
    });
  });

  it('refuses a bill whose hash is wrong or that broke off on the way, and changes nothing', async () => {
    const day = await aDay(2);
    await untilChina(shop, 11);
    for (const fault of ['wrong_hash', 'disconnect'] as const) {
      await shop.sim.faults({ rules: [{ at: fault === 'wrong_hash' ? 'tradebill' : 'download', do: fault }] });
      await expect(compare(shop, day)).rejects.toMatchObject({ outcome: 'unknown' });
    }
    expect(await billCases(shop, day)).toEqual([]);
    await shop.sim.faults({ rules: [] });
    await shop.advance(HOUR + MINUTE);
    expect(await compare(shop, day)).toMatchObject({ differences: {} });
  });
});
