import { CallbacksService } from '../../src/callbacks/callbacks.service.js';
import { eventually } from '../support/embedded.js';
import { journalOf, statesOf } from '../support/flows.js';
import { type OwnWechat, startOwnWechat } from '../support/own-wechat.js';

describe('a callback whose settlement takes longer than the channel waits', () => {
  let shop: OwnWechat;

  beforeAll(async () => {
    shop = await startOwnWechat();
  });
  afterAll(() => shop.close());

  it('is answered in time all the same, so that it is sent again, and is known then', async () => {
    const bought = await shop.waiting();
    const { headers, body } = shop.paidNotice(bought);
    const receive = (): Promise<{ status: number }> =>
      shop.app.get(CallbacksService).receive({ headers, body, address: '127.0.0.1', requestId: 'req_slow' });
    await shop.db.query(`
      CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2.6); RETURN NULL; END';
      CREATE TRIGGER slow AFTER INSERT ON payment_events FOR EACH STATEMENT EXECUTE FUNCTION slow();
      CREATE TRIGGER slow AFTER INSERT ON callbacks FOR EACH STATEMENT EXECUTE FUNCTION slow()`);

    expect(await receive()).toEqual({ status: 500, message: 'internal_error' });
    expect(await statesOf(bought)).toBe('processing/pending');

    // The settlement goes on, and is committed.
    await eventually(async () => (await statesOf(bought)) === 'succeeded/paid');
    await shop.db.query('DROP FUNCTION slow CASCADE');
    shop.clock.advance(1);
    expect((await receive()).status).toBe(200);
    expect(await journalOf(shop, bought.paymentId)).toEqual(['applied 200', 'known 200']);
  });
});
