import { byCommand, byTimer } from '../../src/common/cause.js';
import { MINUTE } from '../../src/common/clock.js';
import { ConsoleRefunds } from '../../src/refunds/console-refunds.js';
import type { RefundPage } from '../../src/refunds/refund.view.js';
import { type Api, times } from '../support/app.js';
import { compare, untilChina } from '../support/bills.js';
import { type Bought, casesOf, journalOf, orderOf, paymentOf, statesOf } from '../support/flows.js';
import {
  announced,
  approveRefund,
  askFor,
  casesOfRefund,
  channelBooks,
  movesOfRefund,
  ourBooks,
  paid,
  type RefundView,
  stateOf,
  tick,
} from '../support/refunds.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

const NO_FAULTS = { rules: [] };

/**
 * The races fail without the order's lock (`FOR UPDATE` in `OrdersService.lockByReports`): both sides read the same reserve,
 * and one of them is forgotten.
 */
describe("a refund made in WeChat Pay's merchant console", () => {
  let shop: Simulated;
  let operator: Api;

  beforeAll(async () => {
    // Refunds wait at the channel until they are told to move.
    shop = await startSimulated({ simulator: { refundDelayMs: null }, env: { WECHAT_PAY_TIMEOUT_MS: '300' } });
    operator = await shop.as('operator');
  });
  afterEach(() => shop.sim.faults(NO_FAULTS));
  afterAll(() => shop.close());

  /** A clerk gives money back; answers the number that the console chose. */
  const inConsole = ({ paymentId }: Bought, amount?: number): string =>
    shop.sim.refundInConsole(paymentId, { amount }).out_refund_no;

  /** The refund gets there, or not; done when its notice was answered. */
  async function ends(number: string, as: 'SUCCESS' | 'CLOSED' | 'ABNORMAL' = 'SUCCESS'): Promise<void> {
    shop.sim.settleRefund(number, as);
    await shop.sim.settled();
  }

  const refundsOf = async ({ paymentId }: Bought): Promise<RefundView[]> =>
    (await operator.get<RefundPage>(`/refunds/?payment_id=${paymentId}`)).body.items;

  async function rowOf(bought: Bought, number: string): Promise<RefundView> {
    const found = (await refundsOf(bought)).filter((refund) => refund.out_refund_no === number);
    expect(found).toHaveLength(1);
    return found[0] as RefundView;
  }

  /** What the payment's row promises and paid, after the same was added up from the refunds. */
  async function budgetOf({ paymentId }: Bought): Promise<[promised: number, paid: number]> {
    const [row] = await shop.db.query<
      { reserved: number; refunded: number; promised: number; paid: number; all: number }[]
    >(
      `SELECT p.reserved_fen AS reserved, p.refunded_fen AS refunded, p.amount_fen AS all,
              coalesce(sum(r.amount_fen) FILTER (WHERE r.status NOT IN ('rejected', 'closed')), 0)::int AS promised,
              coalesce(sum(r.amount_fen) FILTER (WHERE r.status = 'succeeded'), 0)::int AS paid
       FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id WHERE p.id = $1 GROUP BY p.id`,
      [paymentId],
    );
    if (!row) throw new Error('no payment');
    expect(row).toMatchObject({ reserved: row.promised, refunded: row.paid });
    expect(row.reserved).toBeLessThanOrEqual(row.all);
    return [row.promised, row.paid];
  }

  const take = ({ paymentId }: Bought, number: string) =>
    operator.post<RefundView & { code: string }>(`/admin/payments/${paymentId}/refunds/sync/`, {
      out_refund_no: number,
    });

  /** Sent, and the channel never got it. */
  async function lostOnItsWay(bought: Bought, amount: number): Promise<string> {
    const id = await askFor(bought, amount);
    await shop.sim.faults({ rules: [{ at: 'refund', do: 'disconnect', match: id }] });
    await approveRefund(shop, id);
    await shop.sim.faults(NO_FAULTS);
    expect(await stateOf(shop, id)).toBe('processing');
    return id;
  }

  it('enters the books by its notice: counts against what is left, moves payment and order, is announced', async () => {
    const bought = await paid(shop, { amount: 1000 });
    const number = inConsole(bought, 400);
    await ends(number);
    const row = await rowOf(bought, number);
    expect(row).toMatchObject({ origin: 'console', status: 'succeeded', amount: 400, failure: null });
    expect(row.refund_id).toBe(shop.sim.ledger({ out_trade_no: bought.paymentId }).refunds[0]?.refund_id);
    expect(await paymentOf(bought)).toMatchObject({ refunded_amount: 400 });
    expect(await orderOf(bought)).toMatchObject({ status: 'partially_refunded', refunded_amount: 400 });
    expect(await movesOfRefund(shop, row.id)).toEqual([
      'processing by callback wechat',
      'succeeded by callback wechat',
    ]);
    expect(await announced(shop, row.id)).toEqual(['refund.succeeded to owner']);
    expect((await journalOf(shop, bought.paymentId)).at(-1)).toBe('applied 200');

    const tooMuch = await operator.post('/refunds/', { payment_id: bought.paymentId, amount: 601 });
    expect(tooMuch).toMatchObject({ status: 409, body: { code: 'refund_exceeds_payment' } });
    await shop.advance(MINUTE);
    await ends(inConsole(bought));
    expect(await statesOf(bought)).toBe('succeeded/refunded');
    expect(await budgetOf(bought)).toEqual([1000, 1000]);
    expect(await casesOf(shop, bought.paymentId)).toEqual([]);
    const listed = await operator.get<RefundPage>(`/admin/refunds/?origin=console&out_trade_no=${bought.paymentId}`);
    expect(listed.body.items.map(({ origin, amount }) => [origin, amount])).toEqual([
      ['console', 600],
      ['console', 400],
    ]);
    expect(
      (await operator.get<RefundPage>(`/admin/refunds/?origin=api&out_trade_no=${bought.paymentId}`)).body.items,
    ).toEqual([]);
  });

  it('is one row and one move, however often its notice comes and whoever asks at the same time', async () => {
    const bought = await paid(shop, { amount: 1000 });
    await shop.sim.faults({ rules: [{ at: 'refund_notice', do: 'lose', match: bought.paymentId }] });
    const number = inConsole(bought, 400);
    await ends(number);
    await shop.sim.faults(NO_FAULTS);
    const [notice] = shop.sim.notices({ out_trade_no: bought.paymentId }).filter((one) => one.out_refund_no !== null);
    const send = async (): Promise<void> => {
      shop.sim.resend(notice?.id ?? '');
      await shop.sim.settled();
    };
    const consoleRefunds = shop.app.get(ConsoleRefunds);
    const query = () => consoleRefunds.takeOver(bought.paymentId, number, byCommand('take_over_refund'));
    await Promise.all([...Array.from({ length: 5 }, send), ...Array.from({ length: 5 }, query), take(bought, number)]);
    const row = await rowOf(bought, number);
    expect((await movesOfRefund(shop, row.id)).map((move) => move.split(' ')[0])).toEqual(['processing', 'succeeded']);
    expect(await announced(shop, row.id)).toEqual(['refund.succeeded to owner']);
    expect(await budgetOf(bought)).toEqual([400, 400]);
    expect(await take(bought, number)).toMatchObject({ status: 200, body: { id: row.id } });
  });

  it('whose notice was lost is taken over by its number, and queried until it ends', async () => {
    const bought = await paid(shop, { amount: 1000 });
    const number = inConsole(bought, 400);
    expect(await take(bought, number)).toMatchObject({
      status: 200,
      body: { status: 'processing', origin: 'console' },
    });
    expect(await budgetOf(bought)).toEqual([400, 0]);
    await shop.sim.faults({ rules: [{ at: 'refund_notice', do: 'lose', match: bought.paymentId }] });
    await ends(number);
    await shop.advance(MINUTE);
    await tick(shop);
    const row = await rowOf(bought, number);
    expect(await movesOfRefund(shop, row.id)).toEqual([
      expect.stringMatching(/^processing by request /),
      'succeeded by timer send_and_check_refunds',
    ]);
    expect(await budgetOf(bought)).toEqual([400, 400]);
  });

  it('that nobody knows, or of another payment, is refused to whoever asks for it', async () => {
    const [one, other] = [await paid(shop, { amount: 1000 }), await paid(shop, { amount: 1000 })];
    const number = inConsole(one, 400);
    for (const [bought, of] of [
      [one, 'no-such-number'],
      [other, number],
    ] as const) {
      expect(await take(bought, of)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
    expect((await take(one, 'not a number')).status).toBe(400);
    await shop.sim.faults({ rules: [{ at: 'refund_query', do: 'error', status: 500 }] });
    expect(await take(one, number)).toMatchObject({ status: 503, body: { code: 'channel_unavailable' } });
    expect(await refundsOf(one)).toEqual([]);
    expect(await refundsOf(other)).toEqual([]);
  });

  it('that is closed takes nothing of what is left; that is abnormal does, and can be sent elsewhere', async () => {
    const bought = await paid(shop, { amount: 1000 });
    const closed = inConsole(bought, 1000);
    await ends(closed, 'CLOSED');
    expect(await rowOf(bought, closed)).toMatchObject({ status: 'closed', failure: { code: 'CLOSED' } });
    expect(await budgetOf(bought)).toEqual([0, 0]);

    await shop.advance(MINUTE);
    const abnormal = inConsole(bought, 1000);
    await ends(abnormal, 'ABNORMAL');
    const row = await rowOf(bought, abnormal);
    expect(row).toMatchObject({ status: 'abnormal' });
    expect(await budgetOf(bought)).toEqual([1000, 0]);
    expect(await announced(shop, row.id)).toContain('refund.abnormal to operators');
    expect(await operator.post(`/refunds/${row.id}/retry-abnormal/`, { to: 'merchant_card' })).toMatchObject({
      status: 200,
    });
    await ends(abnormal);
    expect(await stateOf(shop, row.id)).toBe('succeeded');

    const notices = shop.sim.notices({ out_trade_no: bought.paymentId });
    shop.sim.resend(notices.find((one) => one.event_type === 'REFUND.ABNORMAL')?.id ?? '');
    await shop.sim.settled();
    expect((await journalOf(shop, bought.paymentId)).at(-1)).toBe('known 200');
    expect(await statesOf(bought)).toBe('succeeded/refunded');
    expect(await budgetOf(bought)).toEqual([1000, 1000]);
  });

  it('makes one of ours that was never sent give way, which is then sent no more, and a case', async () => {
    const bought = await paid(shop, { amount: 1000 });
    const [older, newer] = [await askFor(bought, 300), await askFor(bought, 600)];
    const number = inConsole(bought, 500);
    await ends(number);
    expect([await stateOf(shop, older), await stateOf(shop, newer)]).toEqual([
      'requested',
      'rejected refunded_in_console',
    ]);
    expect(await rowOf(bought, number)).toMatchObject({ status: 'succeeded', amount: 500 });
    expect(await budgetOf(bought)).toEqual([800, 500]);
    expect(await casesOfRefund(shop, number)).toEqual(['refund_conflict open']);
    expect(await announced(shop, newer)).toContain('refund.rejected to owner');
    expect((await operator.post(`/refunds/${newer}/succeed/`)).body).toMatchObject({ code: 'refund_not_open' });
    await shop.advance(MINUTE);
    await approveRefund(shop, older);
    await ends(older);
    expect(await budgetOf(bought)).toEqual([800, 800]);
  });

  it('waits as a case while one of ours may be under way, and is taken over when that one is refused', async () => {
    const bought = await paid(shop, { amount: 1000 });
    const ours = await lostOnItsWay(bought, 600);
    const number = inConsole(bought, 1000);
    await ends(number);
    expect((await refundsOf(bought)).map(({ id }) => id)).toEqual([ours]);
    expect(await casesOfRefund(shop, number)).toEqual(['refund_conflict open']);
    expect((await journalOf(shop, bought.paymentId)).at(-1)).toBe('mismatch 400');
    expect(await take(bought, number)).toMatchObject({ status: 409, body: { code: 'refund_exceeds_payment' } });
    expect(await budgetOf(bought)).toEqual([600, 0]);
    const consoleRefunds = shop.app.get(ConsoleRefunds);
    expect(await consoleRefunds.takeOverWaiting(byTimer('take_over_refunds'))).toEqual([]);

    // Queried at once, sent again under its number, and refused there: nothing is left.
    await tick(shop);
    expect(await stateOf(shop, ours)).toBe('rejected INVALID_REQUEST');
    expect(await consoleRefunds.takeOverWaiting(byTimer('take_over_refunds'))).toMatchObject([{ status: 'succeeded' }]);
    expect(await statesOf(bought)).toBe('succeeded/refunded');
    expect(await budgetOf(bought)).toEqual([1000, 1000]);
    expect(await casesOfRefund(shop, number)).toEqual(['refund_conflict resolved']);
    expect(await consoleRefunds.takeOverWaiting(byTimer('take_over_refunds'))).toEqual([]);
  });

  it('that waits is also taken over by its next notice', async () => {
    const bought = await paid(shop, { amount: 1000 });
    const ours = await lostOnItsWay(bought, 600);
    const number = inConsole(bought, 500);
    await ends(number);
    await tick(shop);
    expect(await stateOf(shop, ours)).toBe('rejected INVALID_REQUEST');
    await shop.advance(MINUTE);
    expect(await rowOf(bought, number)).toMatchObject({ status: 'succeeded' });
    expect(await casesOfRefund(shop, number)).toEqual(['refund_conflict resolved']);
    expect(await budgetOf(bought)).toEqual([500, 500]);
  });

  it.each(['ours asked for first', 'theirs told first'])(
    'racing one of ours, with %s, never loses a fen',
    async (first) => {
      await times(10, async () => {
        const bought = await paid(shop, { amount: 1000 });
        const number = inConsole(bought, 600);
        shop.sim.settleRefund(number, 'SUCCESS');
        const here = () => operator.post<RefundView>('/refunds/', { payment_id: bought.paymentId, amount: 600 });
        const there = () => Promise.all([take(bought, number), shop.sim.settled()]);
        const racing = first.startsWith('ours') ? [here(), there()] : [there(), here()];
        await Promise.all(racing);
        expect(await budgetOf(bought)).toEqual([600, 600]);
        const states = (await refundsOf(bought)).map(({ origin, status }) => `${origin} ${status}`).sort();
        expect(states.filter((state) => state !== 'api rejected')).toEqual(['console succeeded']);
      });
    },
  );

  it('racing another one of the same payment, both enter the books', async () => {
    await times(10, async () => {
      const bought = await paid(shop, { amount: 1000 });
      const one = inConsole(bought, 300);
      await shop.sim.advance(60);
      const other = inConsole(bought, 700);
      shop.sim.settleRefund(other, 'SUCCESS');
      await Promise.all([take(bought, one), take(bought, other), shop.sim.settled()]);
      expect(await budgetOf(bought)).toEqual([1000, 700]);
    });
  });

  it.each([
    ['in the middle of a day', 15],
    // So late that both days look for it.
    ['before midnight', 23],
  ])('%s, of which only the bill tells, is taken over from there and missed nowhere', async (_when, hour) => {
    await untilChina(shop, 12);
    const day = await untilChina(shop, hour, 30);
    const bought = await paid(shop, { amount: 1000 });
    await shop.sim.faults({ rules: [{ at: 'refund_notice', do: 'lose', match: bought.paymentId }] });
    const number = inConsole(bought, 400);
    await ends(number);
    const next = await untilChina(shop, 11);
    expect(await compare(shop, day)).toMatchObject({ differences: {}, healed: 1 });
    expect(await rowOf(bought, number)).toMatchObject({ origin: 'console', status: 'succeeded' });
    expect(await budgetOf(bought)).toEqual([400, 400]);
    expect((await compare(shop, day)).differences).toEqual({});
    await untilChina(shop, 11);
    expect((await compare(shop, next)).differences).toEqual({});
    expect(await casesOf(shop, bought.paymentId)).toEqual([]);
  });

  it('leaves both sides with the same books', async () => {
    for (const { out_refund_no: number, status } of shop.sim.ledger().refunds) {
      if (status === 'PROCESSING') await ends(number);
    }
    await shop.advance(MINUTE);
    await tick(shop);
    expect((await ourBooks(shop)).payments).toEqual(channelBooks(shop).payments);
  });
});
