import { DAY, HOUR, MINUTE } from '../../src/common/clock.js';
import { type Bought, orderOf } from '../support/flows.js';
import {
  announced,
  approveRefund,
  askFor,
  channelBooks,
  ourBooks,
  paid,
  type RefundView,
  stateOf,
  tick,
  untilSettled,
} from '../support/refunds.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

describe('a year of refunds', () => {
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated();
  });
  afterAll(() => shop.close());

  const ask = async ({ paymentId }: Bought, amount?: number) =>
    (await shop.as('operator')).post<Partial<RefundView> & { code?: string }>('/refunds/', {
      payment_id: paymentId,
      amount,
    });

  async function abnormal(): Promise<{ id: string; bought: Bought }> {
    const bought = await paid(shop);
    const id = await askFor(bought);
    await approveRefund(shop, id);
    shop.sim.settleRefund(id, 'ABNORMAL');
    await shop.sim.settled();
    expect(await stateOf(shop, id)).toBe('abnormal ABNORMAL');
    return { id, bought };
  }

  it('CLOSED: the number is dead; a new refund with a new number pays the same money', async () => {
    const bought = await paid(shop);
    const first = await askFor(bought);
    await approveRefund(shop, first);
    await shop.sim.faults({ rules: [{ at: 'refund_notice', do: 'lose', times: 1 }] });
    shop.sim.settleRefund(first, 'CLOSED');
    await shop.advance(MINUTE);
    await tick(shop);
    expect(await stateOf(shop, first)).toBe('closed CLOSED');
    expect(await announced(shop, first)).toContain('refund.closed to owner');
    await shop.advance(7 * DAY);
    const second = await ask(bought);
    expect(second.body.id).not.toBe(first);
    await approveRefund(shop, String(second.body.id));
    await shop.advance(HOUR);
    expect(await stateOf(shop, String(second.body.id))).toBe('succeeded');
    expect(await orderOf(bought)).toMatchObject({ status: 'refunded', refunded_amount: 1800 });
  });

  it.each([
    ['the merchant’s account', { to: 'merchant_card' }],
    [
      'a card',
      { to: 'user_card', bank_type: 'ICBC_DEBIT', bank_account: '6222029988776655443', real_name: '欧阳测试' },
    ],
  ])('ABNORMAL: stays promised for weeks, sent by an operator to %s, and then settled', async (_name, target) => {
    const { id, bought } = await abnormal();
    await shop.advance(20 * DAY);
    await tick(shop);
    expect(await ask(bought)).toMatchObject({ status: 409, body: { code: 'refund_exceeds_payment' } });
    const operator = await shop.as('operator');
    const sent = await operator.post(`/refunds/${id}/retry-abnormal/`, target);
    expect(sent).toMatchObject({ status: 200, body: { status: 'abnormal' } });
    expect(JSON.stringify(sent.body)).not.toContain('6222');
    await shop.advance(5 * MINUTE);
    expect(await stateOf(shop, id)).toBe('succeeded');
    const history = await shop.db.query<{ note: string; actor: string }[]>(
      `SELECT note, actor FROM payment_events WHERE refund_id = $1 AND note LIKE 'sent to%'`,
      [id],
    );
    expect(history).toEqual([{ note: `sent to ${target.to}`, actor: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }]);
  });

  it('ABNORMAL: settled at WeChat Pay’s own desk, found out by the question alone', async () => {
    const { id } = await abnormal();
    await shop.sim.faults({ rules: [{ at: 'refund_notice', do: 'lose', times: 1 }] });
    shop.sim.settleRefund(id, 'SUCCESS');
    await shop.advance(31 * MINUTE);
    await tick(shop);
    expect(await stateOf(shop, id)).toBe('succeeded');
  });

  it('card data is in no table', async () => {
    const tables = await shop.db.query<{ name: string }[]>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
    );
    expect(tables.map((table) => table.name)).toContain('payment_events');
    for (const { name } of tables) {
      const rows = await shop.db.query<{ row: string }[]>(`SELECT t::text AS row FROM "${name}" t`);
      const dump = rows.map(({ row }) => row).join('\n');
      expect(dump).not.toMatch(/6222029988776655443|欧阳测试/);
    }
  });

  it('fifty parts, a minute apart, and not one more', async () => {
    const bought = await paid(shop, { amount: 5100 });
    const ids: string[] = [];
    for (let part = 0; part < 50; part += 1) ids.push(String((await ask(bought, 100)).body.id));
    expect(await ask(bought, 100)).toMatchObject({ status: 409, body: { code: 'refund_too_many' } });
    for (const id of ids) await approveRefund(shop, id);
    await untilSettled(shop, 120);
    expect(await orderOf(await again(bought))).toMatchObject({ status: 'partially_refunded', refunded_amount: 5000 });
    const times = shop.sim
      .ledger({ out_trade_no: bought.paymentId })
      .refunds.map((refund) => Date.parse(refund.created_at));
    expect(times).toHaveLength(50);
    expect(times.slice(1).every((at, index) => at - (times[index] ?? 0) >= 59_000)).toBe(true);
  });

  it('the 365th day is in time, the 366th is not', async () => {
    const bought = await paid(shop);
    await shop.advance(364 * DAY);
    const inTime = await ask(bought, 300);
    await approveRefund(shop, String(inTime.body.id));
    await shop.advance(HOUR);
    expect(await stateOf(shop, String(inTime.body.id))).toBe('succeeded');
    const queued = await ask(bought, 200);
    expect(queued.status).toBe(201);
    await shop.advance(DAY);
    expect(await ask(bought, 100)).toMatchObject({ status: 409, body: { code: 'refund_too_old' } });
    // Asked for in time, carried out too late: no call, and the promise is taken back.
    expect(await approveRefund(shop, String(queued.body.id))).toMatchObject({
      status: 'rejected',
      failure: { code: 'refund_too_old' },
    });
    expect(await orderOf(await again(bought))).toMatchObject({ refunded_amount: 300 });
  });

  it('leaves books that agree to the fen', async () => {
    expect(await ourBooks(shop)).toEqual(channelBooks(shop));
    expect(shop.sim.ledger().totals.refunding).toBe(0);
  });

  /** The same customer with a token of today. */
  async function again(bought: Bought): Promise<Bought> {
    return { ...bought, customer: { ...bought.customer, api: await shop.as('user', bought.customer.id) } };
  }
});
