import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { Difference } from '../../simulator/index.js';
import { HOUR, MINUTE } from '../../src/common/clock.js';
import { billCase, type Cells, LAYOUTS, orderCells, refundCells, sumsOf, tradeBillText } from '../support/bill-text.js';
import { billCases, compare, everything, paid, refunded, untilChina } from '../support/bills.js';
import { type Bought, buyAndStart, movesOf, statesOf } from '../support/flows.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

/** What each seeded difference is called here. */
const NAMES: Partial<Record<Difference['kind'], string>> = {
  missing: 'missing_there',
  extra: 'missing_here',
  amount: 'amount',
  status: 'state',
  fee: 'fee',
  duplicate: 'duplicate',
};

const OPENID = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o';

/** A file with this text. */
const file = (text: string): Readable => Readable.from([Buffer.from(text)]);

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
    expect(body.items).toMatchObject([{ detail: { day, entity: 'payment', channel: 'open', there: null } }]);
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
    it('of type SUCCESS says nothing about refunds, and of type REFUND nothing about payments', async () => {
      const day = await aDay(3);
      await untilChina(shop, 11);
      const at = { 交易时间: `${day} 10:00:00` };
      const success = tradeBillText('SUCCESS', [orderCells(at)], sumsOf(1, 0));
      expect((await compare(shop, day, { file: file(success) })).differences).toEqual({
        missing_here: 1,
        missing_there: 3,
      });
      const refund = tradeBillText('REFUND', [refundCells(at)], sumsOf(0, 1));
      const report = await compare(shop, day, { file: file(refund) });
      expect(report.differences).toEqual({ missing_here: 1, missing_there: 1 });
      expect(report.covers).toEqual({ payments: false, refunds: true });
    });

    it('counts and sums the lines of other shops on the same merchant number, and makes no case of them', async () => {
      await untilChina(shop, 11);
      const report = await compare(shop, '2026-11-24', { file: createReadStream(billCase('bill-another-app')) });
      expect(report).toMatchObject({ lines: 1, differences: {}, examples: [] });
      expect(report.foreign).toMatchObject({ payments: { count: 1, fen: 1800 }, refunds: { count: 0, fen: 0 } });
      expect(report.payments.there).toEqual({ count: 0, fen: 0 });
      expect(await billCases(shop, '2026-11-24')).toEqual([]);
      const operator = await shop.as('operator');
      const { body } = await operator.get<{ items: object[] }>('/admin/reconciliation/runs/?limit=1');
      expect(body.items).toMatchObject([{ summary: { foreign: report.foreign } }]);
    });

    it('leaves no line aside that is of our form, or of a transaction or refund that we know', async () => {
      const [bought, moved, given] = [await paid(shop), await paid(shop), await paid(shop)];
      const refundId = await refunded(shop, given, 700);
      const day = await untilChina(shop, 18);
      await untilChina(shop, 11);
      const { appid } = shop.sim.credentials;
      const transactionOf = async ({ paymentId }: Bought): Promise<string> =>
        (
          await shop.db.query<{ id: string }[]>('SELECT transaction_id AS id FROM payments WHERE id = $1', [paymentId])
        )[0]?.id ?? '';
      const [channelRefund] = await shop.db.query<{ id: string }[]>(
        'SELECT refund_id AS id FROM refunds WHERE id = $1',
        [refundId],
      );
      const common = { 交易时间: `${day} 12:30:00`, 公众账号ID: appid, 商户号: shop.sim.credentials.mchid };
      const own = async (one: Bought): Promise<Cells> => ({
        ...common,
        商户订单号: one.paymentId,
        微信订单号: await transactionOf(one),
      });
      const pos = { ...common, 商户订单号: 'POS-1', 微信订单号: '4200000000000000000000000001' };
      const unknown = 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CC';
      const rows = [
        orderCells(await own(bought)),
        orderCells({ ...(await own(moved)), 商户订单号: 'POS-2' }),
        orderCells(await own(given)),
        orderCells(pos),
        orderCells({ ...pos, 公众账号ID: 'wx0000000000000001', 商户订单号: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CD' }),
        orderCells({ ...pos, 商户订单号: unknown }),
        refundCells({ ...pos, 商户退款单号: 'POS-R1', 微信退款单号: '50300000012026112300000002' }),
        refundCells({ ...(await own(given)), 商户退款单号: 'POS-R2', 微信退款单号: channelRefund?.id ?? '' }),
        refundCells({ ...(await own(bought)), 商户退款单号: '1900000109202611230001', 微信退款单号: '5030000001' }),
      ];
      const report = await compare(shop, day, { file: file(tradeBillText('ALL', rows, sumsOf(6, 3))) });
      expect(report.foreign).toMatchObject({ payments: { count: 2, fen: 3600 }, refunds: { count: 1, fen: 700 } });
      expect(await billCases(shop, day)).toEqual(
        [
          'missing_here 1900000109202611230001',
          `missing_here ${unknown}`,
          `state ${moved.paymentId}`,
          `state ${refundId}`,
        ].sort(),
      );
      const [elsewhere] = await shop.db.query<object[]>(
        `SELECT payment_id FROM discrepancies WHERE out_refund_no = '1900000109202611230001'`,
      );
      expect(elsewhere).toEqual({ payment_id: bought.paymentId });
    });

    it("has nothing to do with another provider's payments and refunds", async () => {
      const bought = await paid(shop);
      const refundId = await refunded(shop, bought, 700);
      await shop.db.query(`UPDATE payments SET provider = 'mock' WHERE id = $1`, [bought.paymentId]);
      const day = await untilChina(shop, 18);
      await untilChina(shop, 11);
      const empty = file(tradeBillText('ALL', [], sumsOf(0, 0)));
      const report = await compare(shop, day, { file: empty });
      expect(report).toMatchObject({ differences: {}, refunds: { here: { count: 0, fen: 0 } } });
      const cells = { 交易时间: `${day} 12:30:00`, 商户退款单号: refundId, 商户订单号: bought.paymentId };
      const line = file(tradeBillText('ALL', [refundCells(cells)], sumsOf(0, 1)));
      expect((await compare(shop, day, { file: line })).examples).toMatchObject([
        { type: 'missing_here', entity: 'refund', number: refundId, known: false, here: null },
      ]);
    });

    it('does not miss what was paid to another merchant number', async () => {
      const bought = await paid(shop);
      await refunded(shop, bought, 700);
      await shop.db.query(`UPDATE payments SET mchid = '1900000002' WHERE id = $1`, [bought.paymentId]);
      const day = await untilChina(shop, 18);
      await untilChina(shop, 11);
      const report = await compare(shop, day, { file: file(tradeBillText('ALL', [], sumsOf(0, 0))) });
      const none = { here: { count: 0, fen: 0 } };
      expect(report).toMatchObject({ differences: {}, payments: none, refunds: none });
    });

    it('of several days is read for the day that is asked for; the other lines are counted and named', async () => {
      await untilChina(shop, 11);
      const twoDays = (): Readable => createReadStream(billCase('bill-two-days'));
      const report = await compare(shop, '2026-11-24', { file: twoDays() });
      expect(report).toMatchObject({ lines: 1, other_days: { '2026-11-21': 1 }, totals: { agree: true, differ: [] } });
      expect(report.payments.there.count + report.foreign.payments.count).toBe(1);
      expect((await compare(shop, '2026-11-21', { file: twoDays() })).other_days).toEqual({ '2026-11-24': 1 });
      await expect(compare(shop, '2026-11-22', { file: twoDays() })).rejects.toMatchObject({
        code: 'bill_of_another_day',
        message: 'the file has no line of 2026-11-22, but lines of 2026-11-21, 2026-11-24',
      });
    });

    it('with a line that cannot be read makes one case of it, and goes on', async () => {
      const [read, unread, missing] = [await paid(shop), await paid(shop), await paid(shop)];
      const day = await untilChina(shop, 18);
      await untilChina(shop, 11);
      const { appid, mchid } = shop.sim.credentials;
      const common = { 交易时间: `${day} 12:30:00`, 公众账号ID: appid, 商户号: mchid, 用户标识: OPENID };
      const transactions = await shop.db.query<{ id: string; transaction: string }[]>(
        'SELECT id, transaction_id AS transaction FROM payments',
      );
      const own = ({ paymentId }: Bought): Cells => ({
        ...common,
        商户订单号: paymentId,
        微信订单号: transactions.find(({ id }) => id === paymentId)?.transaction ?? '',
      });
      const rows = [
        orderCells(own(read)),
        orderCells({ ...own(unread), 手续费: OPENID }),
        orderCells({ ...common, 商户订单号: 'POS-1', 订单金额: '18.0O' }),
        orderCells({ ...common, 公众账号ID: 'wx0000000000000001', 商户订单号: 'POS-2', 订单金额: '18.0O' }),
      ];
      const text = tradeBillText('ALL', rows, sumsOf(4, 0));
      const report = await compare(shop, day, { file: file(text) });
      expect(report).toMatchObject({ lines: 4, differences: { unreadable_line: 2, missing_there: 1 } });
      expect(report.foreign).toMatchObject({ payments: { count: 0 }, unreadable: 1 });
      expect(report.totals).toMatchObject({ agree: false, differ: [{ name: '订单总金额' }, { name: '手续费总金额' }] });
      expect(report.examples).toMatchObject([
        { entity: 'payment', number: unread.paymentId, there: { line: 3, column: '手续费', value: 'o…' } },
        { entity: 'line', there: { line: 4, column: '订单金额', value: '18.0O' } },
        { type: 'missing_there', number: missing.paymentId },
      ]);
      expect((await compare(shop, day, { file: file(text) })).differences).toEqual(report.differences);
      const cases = await shop.db.query<object[]>(
        `SELECT type, payment_id, detail::text LIKE '%${OPENID}%' AS told FROM discrepancies
         WHERE detail ->> 'day' = $1 ORDER BY type DESC, payment_id`,
        [day],
      );
      expect(cases).toEqual([
        { type: 'unreadable_line', payment_id: unread.paymentId, told: false },
        { type: 'unreadable_line', payment_id: null, told: false },
        { type: 'missing_there', payment_id: missing.paymentId, told: false },
      ]);
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

  it('refuses a day that is not over, and takes no bill for a statement before bills are ready', async () => {
    await paid(shop);
    const day = await untilChina(shop, 23, 59);
    const none = { do: 'error', status: 400, code: 'NO_STATEMENT_EXIST' } as const;
    await shop.sim.faults({
      rules: [
        { at: 'tradebill', ...none },
        { at: 'fundflowbill', ...none },
      ],
    });
    const whole = tradeBillText('ALL', [orderCells({ 交易时间: `${day} 10:00:00` })], sumsOf(1, 0));
    for (const options of [{}, { dryRun: true }, { file: file(whole) }])
      await expect(compare(shop, day, options)).rejects.toMatchObject({
        code: 'day_not_over',
        message: `${day} is not over: it is ${day} in China`,
      });
    await expect(compare(shop, '2099-01-01')).rejects.toMatchObject({ code: 'day_not_over' });
    await untilChina(shop, 9, 59);
    await expect(compare(shop, day)).rejects.toMatchObject({ code: 'bill_not_ready' });
    expect(await billCases(shop, day)).toEqual([]);
    await untilChina(shop, 10);
    expect((await compare(shop, day)).differences).toEqual({ missing_there: 1 });
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
