import { byTimer } from '../../src/common/cause.js';
import { transaction } from '../../src/database/transaction.js';
import { type ChannelRefund, PaymentProvider } from '../../src/provider/payment-provider.js';
import { type RefundResult, RefundSettlement } from '../../src/refunds/refund-settlement.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { orderOf, paymentOf } from '../support/flows.js';
import { announced, askFor, casesOfRefund, movesOfRefund, paid, refundOf, stateOf } from '../support/refunds.js';

const CAUSE = byTimer('send_and_check_refunds');
const SUCCEEDED_AT = new Date('2026-11-23T07:59:00.000Z');

describe('what the channel says of refunds', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp();
  });
  afterAll(() => paydesk.close());

  const apply = (...list: ChannelRefund[]): Promise<RefundResult[]> =>
    transaction(paydesk.db, (tx) =>
      paydesk.app.get(RefundSettlement).apply(
        tx,
        list.map((reported) => ({ reported, cause: CAUSE })),
      ),
    );

  function word(outRefundNo: string, changes: Partial<ChannelRefund> = {}): ChannelRefund {
    return {
      outRefundNo,
      outTradeNo: null,
      state: 'succeeded',
      refundId: `R${outRefundNo.slice(-8)}`,
      amountFen: 500,
      totalFen: 1800,
      currency: 'CNY',
      transactionId: null,
      createdAt: null,
      succeededAt: SUCCEEDED_AT,
      mchid: paydesk.app.get(PaymentProvider).account.mchid,
      ...changes,
    };
  }

  /** A refund of 500 of 1800 fen, as it is after it was sent. */
  async function underWay() {
    const bought = await paid(paydesk);
    const id = await askFor(bought, 500);
    await paydesk.db.query(
      `UPDATE refunds SET status = 'processing', sent_at = created_at, last_sent_at = created_at,
              next_check_at = created_at WHERE id = $1`,
      [id],
    );
    return { bought, id };
  }

  const reserved = async (id: string): Promise<unknown> =>
    (
      await paydesk.db.query<unknown[]>(
        `SELECT p.reserved_fen, p.refunded_fen FROM payments p JOIN refunds r ON r.payment_id = p.id WHERE r.id = $1`,
        [id],
      )
    )[0];

  it('is answered one by one, in the order in which it was told', async () => {
    const [a, b, c, d] = [await underWay(), await underWay(), await underWay(), await underWay()];
    const settled = await apply(
      word('ref_00000000000000000000UNKNOWN'),
      word(a.id),
      word(b.id, { amountFen: 501 }),
      word(a.id),
      word(c.id, { state: 'closed' }),
      word(d.id, { state: 'abnormal' }),
    );
    expect(settled.map(({ outcome, field, refund }) => [outcome, field, refund?.id])).toEqual([
      ['unknown_refund', undefined, undefined],
      ['applied', undefined, a.id],
      ['mismatch', 'amount', b.id],
      ['known', undefined, a.id],
      ['applied', undefined, c.id],
      ['applied', undefined, d.id],
    ]);
    const states = await Promise.all([a, b, c, d].map(({ id }) => stateOf(paydesk, id)));
    expect(states).toEqual(['succeeded', 'processing', 'closed CLOSED', 'abnormal ABNORMAL']);
    expect(await casesOfRefund(paydesk, b.id)).toEqual(['mismatch open']);
    expect(await reserved(a.id)).toEqual({ reserved_fen: 500, refunded_fen: 500 });
    expect(await reserved(c.id)).toEqual({ reserved_fen: 0, refunded_fen: 0 });
    expect(await reserved(d.id)).toEqual({ reserved_fen: 500, refunded_fen: 0 });
    expect((await movesOfRefund(paydesk, a.id)).at(-1)).toBe('succeeded by timer send_and_check_refunds');
    expect(await announced(paydesk, a.id)).toContain('refund.succeeded to owner');
    expect(await announced(paydesk, d.id)).toContain('refund.abnormal to operators');
    expect(await refundOf(paydesk, a.id)).toMatchObject({ succeeded_at: SUCCEEDED_AT.toISOString() });
    expect([(await orderOf(a.bought)).status, (await paymentOf(a.bought)).refunded_amount]).toEqual([
      'partially_refunded',
      500,
    ]);
  });

  it('about a number that is not ours is a case, unless it says that it does not know it either', async () => {
    const [none, money] = ['ref_000000000000000000000000NONE', 'ref_00000000000000000000000MONEY'];
    expect(await apply(word(none, { state: 'not_found' }), word(money))).toEqual([
      { outcome: 'unknown_refund', refund: null },
      { outcome: 'unknown_refund', refund: null },
    ]);
    expect([await casesOfRefund(paydesk, none), await casesOfRefund(paydesk, money)]).toEqual([
      [],
      ['unknown_refund open'],
    ]);
  });

  it('gives no refund the number of another one, whether that is known or told together with it', async () => {
    const [a, b, c, d] = [await underWay(), await underWay(), await underWay(), await underWay()];
    await apply(word(a.id, { refundId: 'R_OF_A' }));
    const { transaction_id: transactionId } = await paymentOf(a.bought);
    const console = { outTradeNo: a.bought.paymentId, transactionId, amountFen: 100 };
    const settled = await apply(
      word(b.id, { refundId: 'R_OF_A' }),
      word('made_in_the_console', { ...console, refundId: 'R_OF_A' }),
      word(c.id, { refundId: 'R_OF_C' }),
      word(d.id, { refundId: 'R_OF_C' }),
      word('made_there_too', { ...console, refundId: 'R_OF_C' }),
    );
    expect(settled.map(({ outcome, field }) => [outcome, field])).toEqual([
      ['mismatch', 'refund_id'],
      ['mismatch', 'refund_id'],
      ['applied', undefined],
      ['mismatch', 'refund_id'],
      ['mismatch', 'refund_id'],
    ]);
    expect(await stateOf(paydesk, b.id)).toBe('processing');
    expect(await casesOfRefund(paydesk, b.id)).toEqual(['mismatch open']);
    expect(await reserved(a.id)).toEqual({ reserved_fen: 500, refunded_fen: 500 });
    const [found] = await paydesk.db.query<{ detail: unknown }[]>(
      `SELECT detail FROM discrepancies WHERE out_refund_no = 'made_in_the_console'`,
    );
    expect(found?.detail).toEqual({ field: 'refund_id', expected: 'one of its own', seen: `that of ${a.id}` });
  });

  it('teaches its number of a refund that is still under way', async () => {
    const { id } = await underWay();
    expect(await apply(word(id, { state: 'processing' }))).toMatchObject([{ outcome: 'known', refund: { id } }]);
    expect(await refundOf(paydesk, id)).toMatchObject({ status: 'processing', refund_id: `R${id.slice(-8)}` });
  });
});
