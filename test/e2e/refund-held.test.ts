import { DAY, HOUR, MINUTE } from '../../src/common/clock.js';
import { paymentOf } from '../support/flows.js';
import {
  announced,
  approveRefund,
  askFor,
  casesOfRefund,
  channelBooks,
  ourBooks,
  paid,
  refundOf,
  stateOf,
  tick,
  untilSettled,
} from '../support/refunds.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

describe('a refund that WeChat Pay does not take at once', () => {
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated();
  });
  afterEach(async () => {
    await shop.sim.faults({ rules: [], balance_fen: 10_000_000, limits: {} });
    await untilSettled(shop);
    expect(await ourBooks(shop)).toEqual(channelBooks(shop));
  });
  afterAll(() => shop.close());

  const times = (id: string): number =>
    shop.sim.ledger().refunds.filter((refund) => refund.out_refund_no === id).length;
  const balance = (fen: number) => shop.sim.faults({ balance_fen: fen });
  const refuse = (id: string, code: string, status = 403, message = '不可退款') =>
    shop.sim.faults({ rules: [{ at: 'refund', do: 'error', status, code, message, match: id }] });

  it('for want of money is held with a case, and paid under the same number at an operator’s word', async () => {
    const id = await askFor(await paid(shop), 700);
    await balance(0);
    const failure = { code: 'NOT_ENOUGH', message: '基本账户余额不足，请充值后重新发起' };
    expect(await approveRefund(shop, id)).toMatchObject({ status: 'processing', failure });
    expect(await approveRefund(shop, id)).toMatchObject({ status: 'processing', failure });
    expect(await casesOfRefund(shop, id)).toEqual(['refund_held open']);
    expect(times(id)).toBe(0);
    await balance(10_000_000);
    expect(await approveRefund(shop, id)).toMatchObject({ id, status: 'processing', failure: null });
    await shop.advance(5 * MINUTE);
    expect(await stateOf(shop, id)).toBe('succeeded');
    expect(await casesOfRefund(shop, id)).toEqual(['refund_held resolved']);
  });

  it('for want of money is tried again by the timer, every half hour', async () => {
    const bought = await paid(shop);
    const id = await askFor(bought, 700);
    await balance(0);
    await approveRefund(shop, id);
    await balance(10_000_000);
    await shop.advance(29 * MINUTE);
    await tick(shop);
    // The payer looks at it: that is no reason to send it again.
    await bought.customer.api.post(`/refunds/${id}/sync/`);
    expect(await stateOf(shop, id)).toBe('processing NOT_ENOUGH');
    await shop.advance(MINUTE);
    await tick(shop);
    expect(await stateOf(shop, id)).toBe('processing');
    await shop.advance(5 * MINUTE);
    expect(await stateOf(shop, id)).toBe('succeeded');
    expect(await casesOfRefund(shop, id)).toEqual(['refund_held resolved']);
  });

  it.each(['NO_AUTH', 'REQUEST_BLOCKED'])('%s: held until somebody mends it', async (code) => {
    const id = await askFor(await paid(shop), 700);
    await refuse(id, code);
    expect(await approveRefund(shop, id)).toMatchObject({ status: 'processing', failure: { code } });
    expect(await casesOfRefund(shop, id)).toEqual(['refund_held open']);
    await shop.sim.faults({ rules: [] });
    await approveRefund(shop, id);
    await shop.advance(5 * MINUTE);
    expect(await stateOf(shop, id)).toBe('succeeded');
  });

  it.each([
    ['USER_ACCOUNT_ABNORMAL', 403],
    ['PARAM_ERROR', 400],
    ['INVALID_REQUEST', 400],
  ])('%s: rejected for good, its code and WeChat’s words shown, what was promised free again', async (code, status) => {
    const bought = await paid(shop, { amount: 700 });
    const id = await askFor(bought);
    await refuse(id, code, status, '用户 oUpF8uMuAJO_M2pxb1Q9zNjWeS6o 帐户异常');
    const failure = { code, message: '用户 … 帐户异常' };
    expect(await approveRefund(shop, id)).toMatchObject({ status: 'rejected', failure });
    expect(await announced(shop, id)).toContain('refund.rejected to owner');
    await shop.sim.faults({ rules: [] });
    const next = await askFor(bought);
    expect(next).not.toBe(id);
    await approveRefund(shop, next);
    await untilSettled(shop);
    expect(await paymentOf(bought)).toMatchObject({ refunded_amount: 700 });
    expect([times(id), times(next)]).toEqual([0, 1]);
  });

  it('a refusal of a number that was taken all the same is not believed', async () => {
    const id = await askFor(await paid(shop), 700);
    await shop.sim.faults({
      rules: [{ at: 'refund', do: 'error', status: 400, code: 'INVALID_REQUEST', when: 'after', match: id }],
    });
    expect(await approveRefund(shop, id)).toMatchObject({ status: 'processing', failure: null });
    expect(times(id)).toBe(1);
  });

  it('of a payment with another part a minute ago waits in a queue, oldest first', async () => {
    const bought = await paid(shop, { amount: 1000 });
    const ids: string[] = [];
    for (let part = 0; part < 4; part += 1) ids.push(await askFor(bought, 100 + part));
    for (const id of ids) expect(await approveRefund(shop, id)).toMatchObject({ status: 'processing', failure: null });
    const sent = () => ids.filter((id) => times(id) === 1).length;
    expect(sent()).toBe(1);
    for (let minute = 1; minute <= 3; minute += 1) {
      await shop.advance(50_000);
      await tick(shop);
      expect(sent()).toBe(minute);
      await shop.advance(11_000);
      await tick(shop);
      expect(sent()).toBe(minute + 1);
    }
    const { refunds } = shop.sim.ledger({ out_trade_no: bought.paymentId });
    expect(refunds.map((refund) => refund.out_refund_no)).toEqual(ids);
  });

  it('parts that were not confirmed and parts that wait are all paid, each once', async () => {
    const bought = await paid(shop, { amount: 1000 });
    const ids = [await askFor(bought, 100), await askFor(bought, 200), await askFor(bought, 300)];
    await shop.sim.faults({ rules: [{ at: 'refund', do: 'disconnect', match: ids[0], times: 4 }] });
    for (const id of ids) await approveRefund(shop, id);
    await untilSettled(shop);
    const { refunds } = shop.sim.ledger({ out_trade_no: bought.paymentId });
    expect(refunds.map((refund) => refund.out_refund_no).sort()).toEqual([...ids].sort());
    for (const id of ids) expect(await stateOf(shop, id)).toBe('succeeded');
  });

  it('is asked about every minute, then after 5, 10, 20 and 30', async () => {
    const bought = await paid(shop);
    const id = await askFor(bought, 700);
    await approveRefund(shop, id);
    await shop.sim.faults({ rules: [{ at: 'refund_query', do: 'error', status: 500, match: id }] });
    // Its end is not told: only questions would find it.
    await shop.sim.faults({
      rules: [
        { at: 'refund_notice', do: 'lose' },
        { at: 'refund_query', do: 'error', status: 429 },
      ],
    });
    const asked: number[] = [];
    for (let minute = 1; minute <= 125; minute += 1) {
      await shop.advance(MINUTE);
      const before = await checksOf(id);
      await tick(shop);
      if ((await checksOf(id)) > before) asked.push(minute);
    }
    expect(asked).toEqual([1, 2, 3, 4, 5, 10, 20, 40, 70, 100]);
  });

  const checksOf = async (id: string): Promise<number> => {
    const [row] = await shop.db.query<{ checks: number }[]>('SELECT checks FROM refunds WHERE id = $1', [id]);
    return row?.checks ?? 0;
  };

  it('an answer with another amount or merchant settles nothing and is a case', async () => {
    const id = await askFor(await paid(shop), 700);
    await approveRefund(shop, id);
    await shop.sim.faults({
      rules: [
        { at: 'refund_query', do: 'wrong_amount', match: id },
        { at: 'refund_notice', do: 'lose' },
      ],
    });
    await shop.advance(6 * MINUTE);
    await tick(shop);
    expect(await stateOf(shop, id)).toBe('processing');
    expect(await casesOfRefund(shop, id)).toEqual(['mismatch open']);
  });

  it('many that fail at once stay under six failing calls a second', async () => {
    await shop.sim.faults({ balance_fen: 0, limits: { refund_failures_per_second: 6 } });
    const ids: string[] = [];
    for (let index = 0; index < 14; index += 1) {
      const id = await askFor(await paid(shop), 700);
      ids.push(id);
      await shop.db.query(`UPDATE refunds SET status = 'processing', next_check_at = created_at WHERE id = $1`, [id]);
    }
    await balance(0);
    await tick(shop);
    // None of them met the limit: each heard why it was not taken.
    for (const id of ids) expect(await stateOf(shop, id)).toBe('processing NOT_ENOUGH');
  });

  it('is refused when it is sent after the 365th day, without a call', async () => {
    const bought = await paid(shop);
    const id = await askFor(bought, 700);
    await shop.advance(365 * DAY + HOUR);
    expect(await approveRefund(shop, id)).toMatchObject({ status: 'rejected', failure: { code: 'refund_too_old' } });
    expect(times(id)).toBe(0);
    expect((await refundOf(shop, id)).succeeded_at).toBeNull();
  });
});
