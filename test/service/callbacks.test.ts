import { type CallbackAnswer, CallbacksService } from '../../src/callbacks/callbacks.service.js';
import type { RawCallback } from '../../src/provider/payment-provider.js';
import { casesOf, journalOf, statesOf } from '../support/flows.js';
import { countOf, lastInJournal, type OwnWechat, startOwnWechat } from '../support/own-wechat.js';
import { askFor, stateOf } from '../support/refunds.js';
import { callbackOf, notice, otherPair, REFUNDED } from '../unit/wechat/support.js';

const OK = { status: 200, message: 'ok' };

describe('a callback, from its bytes to its answer', () => {
  let shop: OwnWechat;

  beforeAll(async () => {
    shop = await startOwnWechat({
      WECHAT_PAY_CALLBACK_ALLOWED_IPS: '10.0.0.0/8, 2001:db8::/32',
      BAD_CALLBACKS_PER_MINUTE: '2',
    });
  });
  afterAll(() => shop.close());

  function receive({ headers, body }: RawCallback, address = '10.1.2.3'): Promise<CallbackAnswer> {
    shop.clock.advance(1);
    return shop.app.get(CallbacksService).receive({ headers, body, address, requestId: 'req_test' });
  }

  const ignored = (): RawCallback => callbackOf({ id: 'EV-1', event_type: 'COUPON.USE' }, { at: shop.clock.now() });
  const forged = (): RawCallback => callbackOf('{}', { key: otherPair.privateKey, at: shop.clock.now() });

  it.each(['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1'])('is read when it comes from %s', async (address) => {
    expect(await receive(ignored(), address)).toEqual(OK);
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'ignored', http_status: 200, address });
  });

  it.each(['11.0.0.1', '::ffff:11.0.0.1', '::1', '2001:db9::1', '64:ff9b::ffff:10.1.2.3'])(
    'is not even looked at when it comes from %s',
    async (address) => {
      const bought = await shop.waiting();
      expect(await receive(shop.paidNotice(bought), address)).toEqual({ status: 403, message: 'address_not_allowed' });
      expect(await lastInJournal(shop)).toMatchObject({ outcome: 'forbidden', http_status: 403, address });
      expect(await statesOf(bought)).toBe('processing/pending');
    },
  );

  it('that proves nothing is counted by its address, recorded up to a limit, and then only refused', async () => {
    const address = '10.9.9.9';
    for (let count = 1; count <= 2; count += 1) {
      expect(await receive(forged(), address)).toEqual({ status: 401, message: 'bad_signature' });
    }
    const recorded = await countOf(shop, 'callbacks');
    expect(await receive(forged(), address)).toEqual({ status: 429, message: 'too_many_requests' });
    await shop.app.get(CallbacksService).tooLarge(address, 'req_large');
    expect(await countOf(shop, 'callbacks')).toBe(recorded);
    // Neither its neighbours nor what is genuine is refused for that.
    expect((await receive(forged(), '10.9.9.8')).status).toBe(401);
    expect(await receive(ignored(), address)).toEqual(OK);
  });

  it('that was too large to be read is recorded', async () => {
    shop.clock.advance(1);
    await shop.app.get(CallbacksService).tooLarge('10.7.7.7', 'req_large');
    expect(await lastInJournal(shop)).toMatchObject({
      outcome: 'unreadable',
      http_status: 413,
      code: 'payload_too_large',
      address: '10.7.7.7',
    });
  });

  it('about a refund goes through the door of refunds', async () => {
    const bought = await shop.waiting();
    expect(await receive(shop.paidNotice(bought))).toEqual(OK);
    const id = await askFor(bought, 500);
    await shop.db.query(
      `UPDATE refunds SET status = 'processing', sent_at = created_at, last_sent_at = created_at,
              next_check_at = created_at WHERE id = $1`,
      [id],
    );
    const content = { ...REFUNDED, out_trade_no: bought.paymentId, out_refund_no: id };
    const word = (change: Record<string, unknown> = {}): RawCallback =>
      callbackOf(notice('REFUND.SUCCESS', { ...content, ...change }, 'refund'), { at: shop.clock.now() });

    expect(await receive(word({ amount: { total: 1990, refund: 499 } }))).toEqual({
      status: 400,
      message: 'amount mismatch',
    });
    expect(await receive(word())).toEqual(OK);
    expect(await receive(word())).toEqual(OK);
    expect(await stateOf(shop, id)).toBe('succeeded');
    expect(await journalOf(shop, bought.paymentId)).toEqual([
      'applied 200',
      'mismatch 400',
      'applied 200',
      'known 200',
    ]);

    const stranger = word({ out_refund_no: 'ref_00000000000000000000UNKNOWN' });
    expect(await receive(stranger)).toEqual({ status: 400, message: 'unknown out_refund_no' });
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'mismatch', http_status: 400 });
  });

  it('about a number that is not ours is answered so, and recorded as one that does not fit', async () => {
    const bought = await shop.waiting();
    const stranger = shop.paidNotice(bought, { out_trade_no: 'pay_00000000000000000000UNKNOWN' });
    expect(await receive(stranger)).toEqual({ status: 400, message: 'unknown out_trade_no' });
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'mismatch', http_status: 400 });
    expect(await casesOf(shop, 'pay_00000000000000000000UNKNOWN')).toEqual(['unknown_payment']);
  });

  it('that we fail on is answered 500, recorded as our failure, and taken when it is sent again', async () => {
    const bought = await shop.waiting();
    await shop.db.query('ALTER TABLE payment_events RENAME TO payment_events_away');
    try {
      expect(await receive(shop.paidNotice(bought))).toEqual({ status: 500, message: 'internal_error' });
    } finally {
      await shop.db.query('ALTER TABLE payment_events_away RENAME TO payment_events');
    }
    expect(await journalOf(shop, bought.paymentId)).toEqual(['failed 500']);
    expect(await statesOf(bought)).toBe('processing/pending');
    expect(await receive(shop.paidNotice(bought))).toEqual(OK);
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('is answered as it would be when the journal cannot be written', async () => {
    const bought = await shop.waiting();
    await shop.db.query('ALTER TABLE callbacks RENAME TO callbacks_away');
    try {
      expect(await receive(forged(), '10.6.6.6')).toEqual({ status: 401, message: 'bad_signature' });
      expect(await receive(shop.paidNotice(bought))).toEqual({ status: 500, message: 'internal_error' });
    } finally {
      await shop.db.query('ALTER TABLE callbacks_away RENAME TO callbacks');
    }
    expect(await statesOf(bought)).toBe('processing/pending');
  });
});
