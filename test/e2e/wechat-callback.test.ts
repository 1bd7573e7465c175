import pg from 'pg';
import { MINUTE } from '../../src/common/clock.js';
import { times } from '../support/app.js';
import { announcementsOf, type Bought, buyAndStart, journalOf, movesOf, orderOf, statesOf } from '../support/flows.js';
import { lastInJournal, type OwnWechat, PAYMENT_URL, REFUND_URL, startOwnWechat } from '../support/own-wechat.js';
import { type Simulated, startSimulated } from '../support/simulated.js';
import { callbackOf, notice } from '../unit/wechat/support.js';

const TAKEN = { status: 200, text: '{"code":"SUCCESS","message":"成功"}' };

describe('a genuine notice', () => {
  let shop: OwnWechat;

  beforeAll(async () => {
    shop = await startOwnWechat();
  });
  afterAll(() => shop.close());

  it.each([PAYMENT_URL, REFUND_URL, PAYMENT_URL.slice(0, -1)])('is taken at %s', async (url) => {
    const bought = await shop.waiting();
    const answer = await shop.send(shop.paidNotice(bought), url);
    expect(answer).toMatchObject(TAKEN);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('has one effect, though it comes a hundred times at once', async () => {
    const bought = await shop.waiting();
    const callback = shop.paidNotice(bought);
    const answers = await times(100, () => shop.send(callback));
    expect(answers.map(({ status }) => status)).toEqual(Array(100).fill(200));
    expect(await statesOf(bought)).toBe('succeeded/paid');
    expect((await movesOf(shop, bought.orderId)).filter((move) => move.endsWith('callback'))).toEqual([
      'payment succeeded by callback',
      'order paid by callback',
    ]);
    expect(await announcementsOf(shop, bought.paymentId)).toEqual(['payment.succeeded']);
    const journal = await journalOf(shop, bought.paymentId);
    expect(journal.sort()).toEqual(['applied 200', ...Array<string>(99).fill('known 200')]);
  });

  it('among a hundred others and bad ones is settled like each of them', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => shop.waiting()));
    const answers = await Promise.all(
      all.flatMap((bought) => [
        shop.send(shop.paidNotice(bought)),
        shop.send(shop.paidNotice(bought, { amount: { total: 1, currency: 'CNY' } })),
        shop.send(shop.paidNotice(bought, {}, { serial: 'PUB_KEY_ID_0' })),
      ]),
    );
    expect(answers.map(({ status }) => status)).toEqual(all.flatMap(() => [200, 400, 401]));
    for (const bought of all) expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('of a kind that moves nothing is recorded and taken', async () => {
    const bought = await shop.waiting();
    const strange = notice('COUPON.USE', { out_trade_no: bought.paymentId }, 'coupon');
    expect(await shop.send(callbackOf(strange, { at: shop.clock.now() }))).toMatchObject(TAKEN);
    expect(await lastInJournal(shop)).toMatchObject({ outcome: 'ignored', http_status: 200 });
    expect(await statesOf(bought)).toBe('processing/pending');
  });

  it('of another transaction of a payment that succeeded opens a case', async () => {
    const bought = await shop.waiting();
    await shop.send(shop.paidNotice(bought));
    const answer = await shop.send(shop.paidNotice(bought, { transaction_id: '4200009999999999999999999999' }));
    expect(answer.status).toBe(400);
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('of a cancelled order is late money, and never a paid order', async () => {
    const bought = await shop.waiting();
    await bought.customer.api.post(`${bought.path}cancel/`);
    expect(await shop.send(shop.paidNotice(bought))).toMatchObject(TAKEN);
    expect(await statesOf(bought)).toBe('succeeded/pending');
    expect(await announcementsOf(shop, bought.paymentId)).toContain('payment.late');
  });

  describe('while somebody holds the row', () => {
    let holder: pg.Client;
    let held: Bought;

    beforeEach(async () => {
      held = await shop.waiting();
      holder = new pg.Client({ connectionString: shop.databaseUrl });
      await holder.connect();
      await holder.query('BEGIN');
      await holder.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [held.orderId]);
    });
    afterEach(async () => {
      await holder.query('ROLLBACK');
      await holder.end();
    });

    it('is refused while the lock is held, and taken when it is sent again', async () => {
      const callback = shop.paidNotice(held);
      const answer = await shop.send(callback);
      expect(answer).toMatchObject({ status: 500, text: '{"code":"FAIL","message":"internal_error"}' });
      expect(await statesOf(held)).toBe('processing/pending');
      await holder.query('ROLLBACK');
      expect(await shop.send(callback)).toMatchObject(TAKEN);
      expect(await statesOf(held)).toBe('succeeded/paid');
      expect(await journalOf(shop, held.paymentId)).toEqual(['failed 500', 'applied 200']);
    });

    it('keeps nobody else waiting, and is answered in time however often it comes', async () => {
      const duplicates = times(30, () => shop.send(shop.paidNotice(held)));
      const others = await Promise.all(Array.from({ length: 5 }, () => shop.waiting()));
      const answers = await Promise.all(others.map((bought) => shop.send(shop.paidNotice(bought))));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      // All this while the lock is held.
      for (const { status } of await duplicates) expect(status).toBe(500);
    });
  });
});

describe('notices out of order', () => {
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated();
  });
  afterAll(() => shop.close());

  it('a refund is announced before its payment: both are known in the end', async () => {
    const bought = await buyAndStart(shop, { amount: 1800 });
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'after_refund' }] });
    await shop.pay(bought.paymentId);
    await bought.customer.api.post(`${bought.path}sync/`);
    const asked = await bought.customer.api.post('/refunds/', { payment_id: bought.paymentId, amount: 700 });
    const operator = await shop.as('operator');
    await operator.post(`/refunds/${String(asked.body.id)}/succeed/`);
    await shop.advance(5 * MINUTE);
    await shop.advance(MINUTE);

    const notices = shop.sim.notices({ out_trade_no: bought.paymentId });
    expect(notices.map(({ event_type, state }) => `${event_type} ${state}`).sort()).toEqual([
      'REFUND.SUCCESS received',
      'TRANSACTION.SUCCESS received',
    ]);
    expect(await journalOf(shop, bought.paymentId)).toEqual(['applied 200', 'known 200']);
    expect(await orderOf(bought)).toMatchObject({ status: 'partially_refunded', refunded_amount: 700 });
    expect(await statesOf(bought)).toBe('succeeded/partially_refunded');
  });
});
