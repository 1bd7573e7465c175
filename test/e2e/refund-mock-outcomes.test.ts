import { DAY, HOUR, MINUTE } from '../../src/common/clock.js';
import { startTestApp, type TestApp, times } from '../support/app.js';
import { orderOf, paymentOf } from '../support/flows.js';
import { announced, approveRefund, askFor, casesOfRefund, paid, refundOf, stateOf, tick } from '../support/refunds.js';

describe('metadata.mock_refund_outcome', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp({ env: { JWT_TTL_SECONDS: '2592000' } });
  });
  afterAll(() => paydesk.close());

  const directed = (outcome: unknown) => paid(paydesk, { amount: 1000, metadata: { mock_refund_outcome: outcome } });

  it.each([['success'], [undefined], [null]])('%p: paid at once', async (outcome) => {
    const bought = await directed(outcome);
    expect(await approveRefund(paydesk, await askFor(bought))).toMatchObject({ status: 'succeeded', failure: null });
    expect(await orderOf(bought)).toMatchObject({ status: 'refunded', refunded_amount: 1000 });
  });

  it('processing: under way, however often it is asked about', async () => {
    const bought = await directed('processing');
    const id = await askFor(bought);
    expect(await approveRefund(paydesk, id)).toMatchObject({ status: 'processing', succeeded_at: null });
    for (const pause of [MINUTE, HOUR, DAY]) {
      paydesk.clock.advance(pause);
      await tick(paydesk);
    }
    expect(await stateOf(paydesk, id)).toBe('processing');
    expect(await orderOf(bought)).toMatchObject({ status: 'paid', refunded_amount: 0 });
  });

  it('closed: what was promised is free again, and a new refund has a new number', async () => {
    const bought = await directed('closed');
    const id = await askFor(bought);
    expect(await approveRefund(paydesk, id)).toMatchObject({ status: 'closed', failure: { code: 'CLOSED' } });
    expect(await announced(paydesk, id)).toContain('refund.closed to owner');
    const operator = await paydesk.as('operator');
    expect(await operator.post(`/refunds/${id}/succeed/`)).toMatchObject({
      status: 409,
      body: { code: 'refund_not_open' },
    });
    expect(await askFor(bought)).not.toBe(id);
    expect((await paymentOf(bought)).refunded_amount).toBe(0);
  });

  it.each([
    ["the merchant's account", { to: 'merchant_card' }],
    ['a card', { to: 'user_card', bank_type: 'ICBC_DEBIT', bank_account: '6222020000000000000', real_name: '张三' }],
  ])('abnormal: stays promised until an operator sends it to %s', async (_name, target) => {
    const bought = await directed('abnormal');
    const id = await askFor(bought);
    expect(await approveRefund(paydesk, id)).toMatchObject({ status: 'abnormal', failure: { code: 'ABNORMAL' } });
    expect(await announced(paydesk, id)).toEqual([
      'refund.abnormal to owner',
      'refund.abnormal to operators',
      'refund.requested to owner',
      'refund.requested to operators',
    ]);
    expect((await bought.customer.api.post('/refunds/', { payment_id: bought.paymentId })).status).toBe(409);
    const operator = await paydesk.as('operator');
    const sent = await operator.post(`/refunds/${id}/retry-abnormal/`, target);
    expect(sent).toMatchObject({ status: 200, body: { status: 'succeeded', failure: null } });
    const again = await operator.post(`/refunds/${id}/retry-abnormal/`, target);
    expect(again).toMatchObject({ status: 409, body: { code: 'refund_not_open' } });
    expect(await orderOf(bought)).toMatchObject({ status: 'refunded', refunded_amount: 1000 });
  });

  it.each([
    ['no card', { to: 'user_card' }],
    [
      'a credit card',
      { to: 'user_card', bank_type: 'ICBC_CREDIT', bank_account: '6222020000000000', real_name: '张三' },
    ],
    ['letters', { to: 'user_card', bank_type: 'ICBC_DEBIT', bank_account: '6222abcd00000000', real_name: '张三' }],
    ['nowhere', {}],
  ])('abnormal: an operator who names %s is refused, and nothing is sent', async (_name, target) => {
    const bought = await directed('abnormal');
    const id = await askFor(bought);
    await approveRefund(paydesk, id);
    const operator = await paydesk.as('operator');
    const { status, body } = await operator.post(`/refunds/${id}/retry-abnormal/`, target);
    expect(status).toBe(400);
    expect(JSON.stringify(body)).not.toContain('6222');
    expect(await stateOf(paydesk, id)).toBe('abnormal ABNORMAL');
  });

  it('not_enough: held under its number with a case, which ends when the refund is paid', async () => {
    const bought = await directed('not_enough');
    const id = await askFor(bought);
    expect(await approveRefund(paydesk, id)).toMatchObject({ status: 'processing', failure: { code: 'NOT_ENOUGH' } });
    expect(await casesOfRefund(paydesk, id)).toEqual(['refund_held open']);
    await bought.customer.api.post(`/refunds/${id}/sync/`);
    await approveRefund(paydesk, id);
    paydesk.clock.advance(HOUR);
    await tick(paydesk);
    expect(await stateOf(paydesk, id)).toBe('processing NOT_ENOUGH');
    expect(await casesOfRefund(paydesk, id)).toEqual(['refund_held open']);

    await paydesk.db.query(`UPDATE orders SET metadata = '{}' WHERE id = $1`, [bought.orderId]);
    expect(await approveRefund(paydesk, id)).toMatchObject({ id, status: 'succeeded', failure: null });
    expect(await casesOfRefund(paydesk, id)).toEqual(['refund_held resolved']);
  });

  it('not_enough: a case that a person ended too early is opened anew', async () => {
    const bought = await directed('not_enough');
    const id = await askFor(bought);
    await approveRefund(paydesk, id);
    await paydesk.db.query(
      `UPDATE discrepancies SET status = 'resolved', resolved_at = opened_at, note = 'topped up'
       WHERE out_refund_no = $1`,
      [id],
    );
    paydesk.clock.advance(HOUR);
    await tick(paydesk);
    expect(await casesOfRefund(paydesk, id)).toEqual(['refund_held resolved', 'refund_held open']);
    await paydesk.db.query(`UPDATE orders SET metadata = '{}' WHERE id = $1`, [bought.orderId]);
    await approveRefund(paydesk, id);
    expect(await casesOfRefund(paydesk, id)).toEqual(['refund_held resolved', 'refund_held resolved']);
  });

  it('timeout: neither failed nor paid; asked again under its number until there is an answer', async () => {
    const bought = await directed('timeout');
    const id = await askFor(bought);
    expect(await approveRefund(paydesk, id)).toMatchObject({ status: 'processing', failure: null });
    paydesk.clock.advance(MINUTE);
    await tick(paydesk);
    expect(await stateOf(paydesk, id)).toBe('processing');
    await paydesk.db.query(`UPDATE orders SET metadata = '{}' WHERE id = $1`, [bought.orderId]);
    paydesk.clock.advance(MINUTE);
    await times(5, () => tick(paydesk));
    expect(await refundOf(paydesk, id)).toMatchObject({ status: 'succeeded', failure: null });
    expect(await orderOf(bought)).toMatchObject({ refunded_amount: 1000 });
    expect((await announced(paydesk, id)).filter((line) => line.startsWith('refund.succeeded'))).toHaveLength(1);
  });
});
