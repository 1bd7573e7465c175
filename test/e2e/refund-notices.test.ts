import { casesOf } from '../support/flows.js';
import { lastInJournal, type OwnWechat, PAYMENT_URL, REFUND_URL, startOwnWechat } from '../support/own-wechat.js';
import { announced, askFor, casesOfRefund, movesOfRefund, refundOf, stateOf } from '../support/refunds.js';
import { callbackOf, notice, REFUNDED } from '../unit/wechat/support.js';

type Status = 'SUCCESS' | 'CLOSED' | 'ABNORMAL';

describe("WeChat Pay's notices about refunds", () => {
  let shop: OwnWechat;
  let refunds = 0;

  beforeAll(async () => {
    shop = await startOwnWechat({ JWT_TTL_SECONDS: '2592000' });
  });
  afterAll(() => shop.close());

  /** A refund of 500 of 1990 fen that was sent and accepted, as it would be after its call. */
  async function underWay(): Promise<{ id: string; paymentId: string; refundId: string }> {
    const bought = await shop.waiting();
    await shop.send(shop.paidNotice(bought));
    const id = await askFor(bought, 500);
    refunds += 1;
    const refundId = `5030000038201905270973${String(refunds).padStart(8, '0')}`;
    await shop.db.query(
      `UPDATE refunds SET status = 'processing', sent_at = created_at, last_sent_at = created_at,
              next_check_at = created_at, refund_id = $2 WHERE id = $1`,
      [id, refundId],
    );
    return { id, paymentId: bought.paymentId, refundId };
  }

  async function say(
    refund: { id: string; paymentId: string; refundId: string },
    status: Status,
    change: Record<string, unknown> = {},
    url = REFUND_URL,
  ): Promise<string> {
    const content = {
      ...REFUNDED,
      out_trade_no: refund.paymentId,
      out_refund_no: refund.id,
      refund_id: refund.refundId,
      refund_status: status,
      ...(status === 'SUCCESS' ? {} : { success_time: undefined }),
      ...change,
    };
    const answer = await shop.send(
      callbackOf(notice(`REFUND.${status}`, content, 'refund'), { at: shop.clock.now() }),
      url,
    );
    return `${answer.status} ${(JSON.parse(answer.text) as { code: string }).code}`;
  }

  it.each([
    ['SUCCESS', 'succeeded'],
    ['CLOSED', 'closed CLOSED'],
    ['ABNORMAL', 'abnormal ABNORMAL'],
  ] as const)('%s moves the refund, at either address, once however often it comes', async (status, state) => {
    for (const url of [REFUND_URL, PAYMENT_URL]) {
      const refund = await underWay();
      const answers = await Promise.all(Array.from({ length: 10 }, () => say(refund, status, {}, url)));
      expect(new Set(answers)).toEqual(new Set(['200 SUCCESS']));
      expect(await stateOf(shop, refund.id)).toBe(state);
      const word = state.split(' ')[0] ?? '';
      expect((await movesOfRefund(shop, refund.id)).filter((move) => move.startsWith(word))).toHaveLength(1);
      const told = (await announced(shop, refund.id)).filter((line) => line === `refund.${word} to owner`);
      expect(told).toHaveLength(1);
    }
  });

  it('closed releases what was promised, abnormal and succeeded do not', async () => {
    for (const [status, left] of [
      ['CLOSED', 1990],
      ['ABNORMAL', 1490],
      ['SUCCESS', 1490],
    ] as const) {
      const refund = await underWay();
      await say(refund, status);
      const operator = await shop.as('operator');
      const rest = await operator.post('/refunds/', { payment_id: refund.paymentId });
      expect(rest).toMatchObject({ status: 201, body: { amount: left } });
      expect(rest.body.id).not.toBe(refund.id);
    }
  });

  it.each<[Status[], string, string[]]>([
    [['ABNORMAL', 'SUCCESS'], 'succeeded', ['200 SUCCESS', '200 SUCCESS']],
    [['SUCCESS', 'ABNORMAL'], 'succeeded', ['200 SUCCESS', '200 SUCCESS']],
    [['ABNORMAL', 'CLOSED'], 'closed CLOSED', ['200 SUCCESS', '200 SUCCESS']],
    [['CLOSED', 'SUCCESS'], 'closed CLOSED', ['200 SUCCESS', '400 FAIL']],
    [['SUCCESS', 'CLOSED'], 'succeeded', ['200 SUCCESS', '400 FAIL']],
  ])('%j ends as %s, and what cannot be true is a case', async (order, state, expected) => {
    const refund = await underWay();
    const answers: string[] = [];
    for (const status of order) answers.push(await say(refund, status));
    expect(answers).toEqual(expected);
    expect(await stateOf(shop, refund.id)).toBe(state);
    expect(await casesOfRefund(shop, refund.id)).toEqual(expected.includes('400 FAIL') ? ['mismatch open'] : []);
  });

  it.each<[string, Record<string, unknown>]>([
    ['another amount', { amount: { total: 1990, refund: 501, payer_total: 1990, payer_refund: 501 } }],
    ['another total', { amount: { total: 1991, refund: 500, payer_total: 1990, payer_refund: 500 } }],
    ['another merchant', { mchid: '1900007292' }],
    ['another payment', { out_trade_no: 'pay_01KB0A1B2C3D4E5F6G7H8J9KAM' }],
    ['another refund_id', { refund_id: '50000000382019052709732678859' }],
  ])('with %s is refused and a case, and moves nothing', async (_name, change) => {
    const refund = await underWay();
    expect(await say(refund, 'SUCCESS', change)).toBe('400 FAIL');
    expect(await say(refund, 'SUCCESS', change)).toBe('400 FAIL');
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'mismatch', http_status: 400 });
    expect(await stateOf(shop, refund.id)).toBe('processing');
    expect(await casesOfRefund(shop, refund.id)).toEqual(['mismatch open']);
    expect(await say(refund, 'SUCCESS')).toBe('200 SUCCESS');
    expect(await stateOf(shop, refund.id)).toBe('succeeded');
  });

  it.each<[string, Record<string, unknown>]>([
    ['amount', { amount: undefined }],
    ['amount.refund', { amount: { total: 1990, payer_total: 1990, payer_refund: 500 } }],
    ['mchid', { mchid: undefined }],
    ['out_trade_no', { out_trade_no: undefined }],
    ['refund_status', { refund_status: undefined }],
    ['success_time', { success_time: undefined }],
  ])('without %s is not what the protocol says: refused', async (_name, change) => {
    const refund = await underWay();
    expect(await say(refund, 'SUCCESS', change)).toBe('400 FAIL');
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'unreadable', http_status: 400 });
    expect(await stateOf(shop, refund.id)).toBe('processing');
  });

  it('about a number that we never gave is refused and one case', async () => {
    const refund = await underWay();
    const id = 'ref_01KB0A1B2C3D4E5F6G7H8J9KZZ';
    expect(await say({ ...refund, id }, 'SUCCESS')).toBe('400 FAIL');
    expect(await say({ ...refund, id }, 'SUCCESS')).toBe('400 FAIL');
    expect(await casesOfRefund(shop, id)).toEqual(['unknown_refund open']);
    expect(await casesOf(shop, refund.paymentId)).toEqual(['unknown_refund']);
    expect((await refundOf(shop, refund.id)).status).toBe('processing');
  });

  it('about a number that we never gave, of the same transaction, is a refund that was made in the console', async () => {
    const refund = await underWay();
    const [payment] = await shop.db.query<{ transaction_id: string }[]>(
      'SELECT transaction_id FROM payments WHERE id = $1',
      [refund.paymentId],
    );
    const theirs = { ...refund, id: '50300008062025113012345678901234', refundId: '50300008062025113099999999999' };
    const at = { transaction_id: payment?.transaction_id };
    const other = { ...at, amount: { total: 1991, refund: 500, payer_total: 1991, payer_refund: 500 } };
    expect(await say(theirs, 'SUCCESS', other)).toBe('400 FAIL');
    expect(await casesOfRefund(shop, theirs.id)).toEqual(['mismatch open']);
    expect(await say(theirs, 'SUCCESS')).toBe('400 FAIL');
    expect(await casesOfRefund(shop, theirs.id)).toEqual(['mismatch open', 'unknown_refund open']);

    const answers = await Promise.all(Array.from({ length: 20 }, () => say(theirs, 'SUCCESS', at)));
    expect(new Set(answers)).toEqual(new Set(['200 SUCCESS']));
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'known', http_status: 200 });
    const rows = await shop.db.query<unknown[]>(
      'SELECT origin, status, amount_fen FROM refunds WHERE console_refund_no = $1',
      [theirs.id],
    );
    expect(rows).toEqual([{ origin: 'console', status: 'succeeded', amount_fen: 500 }]);
    expect(await casesOfRefund(shop, theirs.id)).toEqual(['mismatch open', 'unknown_refund resolved']);
    expect(await say(theirs, 'CLOSED', at)).toBe('400 FAIL');
    expect(await say(refund, 'SUCCESS')).toBe('200 SUCCESS');
  });

  it('before the notice of its payment: both are taken, and the payment is paid once', async () => {
    const bought = await shop.waiting();
    const early = shop.paidNotice(bought);
    await shop.send(early);
    const id = await askFor(bought, 500);
    await shop.db.query(
      `UPDATE refunds SET status = 'processing', sent_at = created_at, next_check_at = created_at WHERE id = $1`,
      [id],
    );
    const refund = { id, paymentId: bought.paymentId, refundId: '50000000382019052709732670001' };
    expect(await say(refund, 'SUCCESS', {}, PAYMENT_URL)).toBe('200 SUCCESS');
    expect((await shop.send(early, REFUND_URL)).status).toBe(200);
    expect(await stateOf(shop, id)).toBe('succeeded');
    expect(await casesOf(shop, bought.paymentId)).toEqual([]);
  });
});
