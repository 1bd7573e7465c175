import type { FaultRule } from '../../simulator/index.js';
import { MINUTE } from '../../src/common/clock.js';
import {
  approveRefund,
  askFor,
  channelBooks,
  ourBooks,
  paid,
  stateOf,
  tick,
  untilSettled,
} from '../support/refunds.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

type Fault = Omit<FaultRule, 'at'>;

/** Nothing was done, or everything was done, and the answer does not tell which. */
const FAULTS: Fault[] = [
  { do: 'error', status: 500 },
  { do: 'error', status: 500, when: 'after' },
  { do: 'error', status: 502, when: 'after' },
  { do: 'error', status: 503 },
  { do: 'error', status: 429 },
  { do: 'error', status: 429, when: 'after' },
  { do: 'disconnect' },
  { do: 'disconnect', when: 'after' },
  { do: 'hang' },
  { do: 'hang', when: 'after' },
  { do: 'delay', ms: 700 },
  { do: 'slow_body', ms: 700 },
  { do: 'cut_body' },
  { do: 'flip_body' },
  { do: 'wrong_signature' },
  { do: 'signtest' },
  { do: 'unknown_serial' },
  { do: 'stale_timestamp' },
  { do: 'unsigned' },
];

const NOTICE_FAULTS: Fault[] = [
  { do: 'wrong_signature' },
  { do: 'signtest' },
  { do: 'unknown_serial' },
  { do: 'stale_timestamp' },
  { do: 'unsigned' },
  { do: 'drop' },
  { do: 'double' },
  { do: 'flip_ciphertext' },
  { do: 'wrong_key' },
  { do: 'no_associated_data' },
  { do: 'unknown_event' },
  { do: 'new_id' },
  { do: 'wrong_amount' },
  { do: 'wrong_mchid' },
  { do: 'lose' },
  { do: 'hold_back', seconds: 120 },
  { do: 'reorder' },
];

/**
 * Each fault of the simulator at each of the calls and notices about refunds, for as long as it may last. Whatever
 * strikes, the refund is neither taken for failed nor sent under another number; the last test compares the books.
 */
describe('whatever goes wrong on the way to WeChat Pay and back', () => {
  let shop: Simulated;
  const asked: string[] = [];

  beforeAll(async () => {
    shop = await startSimulated({ env: { WECHAT_PAY_TIMEOUT_MS: '150' } });
  });
  afterEach(() => shop.sim.faults({ rules: [] }));
  afterAll(() => shop.close());

  const strikes = (at: FaultRule['at'], fault: Fault, match: string) =>
    shop.sim.faults({ rules: [{ ...fault, at, match }] });

  async function ask(): Promise<string> {
    const id = await askFor(await paid(shop, { amount: 1990 }), 700);
    asked.push(id);
    return id;
  }

  it.each(FAULTS)('%j at the call that asks for it: under way, and paid once', async (fault) => {
    const id = await ask();
    await strikes('refund', fault, id);
    expect(await approveRefund(shop, id)).toMatchObject({ status: 'processing', failure: null });
    // And again under the same number, as long as the fault lasts.
    await shop.advance(MINUTE);
    await tick(shop);
    expect(await stateOf(shop, id)).toMatch(/^(processing|succeeded)$/);
    await shop.sim.faults({ rules: [] });
    await untilSettled(shop);
    expect(await stateOf(shop, id)).toBe('succeeded');
  });

  it.each(FAULTS)('%j at the question about it: nothing is taken for known', async (fault) => {
    const id = await ask();
    await shop.sim.faults({
      rules: [
        { ...fault, at: 'refund_query', match: id },
        { at: 'refund', do: 'disconnect', match: id, times: 2 },
        { at: 'refund_notice', do: 'lose', match: id },
      ],
    });
    expect(await approveRefund(shop, id)).toMatchObject({ status: 'processing', failure: null });
    await shop.advance(MINUTE);
    await tick(shop);
    expect(await stateOf(shop, id)).toBe('processing');
    await shop.sim.faults({ rules: [{ at: 'refund_notice', do: 'lose', match: id }] });
    await untilSettled(shop);
    expect(await stateOf(shop, id)).toBe('succeeded');
  });

  it.each(FAULTS)('%j at the call that sends it elsewhere: abnormal, and paid once', async (fault) => {
    const id = await ask();
    await approveRefund(shop, id);
    shop.sim.settleRefund(id, 'ABNORMAL');
    await shop.sim.settled();
    const { refund_id: refundId } = shop.sim.ledger().refunds.find((one) => one.out_refund_no === id) ?? {};
    await strikes('abnormal_refund', fault, String(refundId));
    const operator = await shop.as('operator');
    const sent = await operator.post(`/refunds/${id}/retry-abnormal/`, { to: 'merchant_card' });
    expect(sent).toMatchObject({ status: 503, body: { code: 'channel_unavailable' } });
    expect(await stateOf(shop, id)).toBe('abnormal ABNORMAL');
    await shop.sim.faults({ rules: [] });
    // Sent again if it never got there; under way if it did.
    const again = await operator.post(`/refunds/${id}/retry-abnormal/`, { to: 'merchant_card' });
    expect([200, 503]).toContain(again.status);
    await shop.advance(5 * MINUTE);
    expect(await stateOf(shop, id)).toBe('succeeded');
  });

  it.each(NOTICE_FAULTS)('%j at its notice: found out all the same, and paid once', async (fault) => {
    const id = await ask();
    await strikes('refund_notice', fault, id);
    await approveRefund(shop, id);
    await shop.advance(5 * MINUTE);
    await shop.sim.faults({ rules: [] });
    await untilSettled(shop);
    expect(await stateOf(shop, id)).toBe('succeeded');
  });

  it('leaves books that agree to the fen: as many refunds as were asked for, none twice', async () => {
    await shop.advance(30 * MINUTE);
    const ledger = channelBooks(shop);
    expect(ledger.refunds).toEqual(asked.map((id) => `${id} 700 SUCCESS`).sort());
    expect(await ourBooks(shop)).toEqual(ledger);
    const { totals } = shop.sim.ledger();
    expect(totals).toMatchObject({ refunds: asked.length, refunded: asked.length * 700, refunding: 0 });
    const announced = await shop.db.query<{ subject_id: string }[]>(
      `SELECT subject_id FROM users_notification WHERE type = 'refund.succeeded' ORDER BY subject_id`,
    );
    expect(announced.map((row) => row.subject_id)).toEqual([...asked].sort());
  });
});
