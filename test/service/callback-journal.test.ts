import { createHash } from 'node:crypto';
import { BAD_ROWS_KEPT, CallbackJournal, type JournalEntry } from '../../src/callbacks/callback-journal.js';
import { CallbacksService } from '../../src/callbacks/callbacks.service.js';
import { Instruments } from '../../src/metrics/instruments.js';
import { raw } from '../support/flows.js';
import { type OwnWechat, startOwnWechat } from '../support/own-wechat.js';
import { callbackOf, notice, otherPair, PUBLIC_KEY_ID, REFUNDED } from '../unit/wechat/support.js';

describe('the journal of callbacks', () => {
  let shop: OwnWechat;

  beforeAll(async () => {
    shop = await startOwnWechat({ BAD_CALLBACKS_PER_MINUTE: '2' });
  });
  afterAll(() => shop.close());

  const last = async (): Promise<Record<string, unknown>> => {
    const rows = await shop.db.query<Record<string, unknown>[]>('SELECT * FROM callbacks ORDER BY id DESC LIMIT 1');
    return rows[0] ?? {};
  };

  it('keeps what a notice said of itself, and its bytes as a hash', async () => {
    const callback = callbackOf(notice('REFUND.CLOSED', { ...REFUNDED, refund_status: 'CLOSED' }, 'refund'));
    await shop.app
      .get(CallbacksService)
      .receive({ headers: callback.headers, body: callback.body, address: '10.0.0.1', requestId: 'req_1' });
    expect(await last()).toMatchObject({
      provider: 'wechat',
      outcome: 'mismatch',
      http_status: 400,
      address: '10.0.0.1',
      event_type: 'REFUND.CLOSED',
      notification_id: 'EV-2018022511223320873',
      out_trade_no: REFUNDED.out_trade_no,
      out_refund_no: REFUNDED.out_refund_no,
      serial: PUBLIC_KEY_ID,
      body_sha256: createHash('sha256').update(callback.body).digest('hex'),
      body_bytes: callback.body.length,
      request_id: 'req_1',
    });
  });

  it('keeps of a stranger’s words what can be printed, up to a length', async () => {
    shop.clock.advance(1);
    const headers = { 'wechatpay-serial': `\u0000é微${'x'.repeat(200)}` };
    await shop.app
      .get(CallbacksService)
      .receive({ headers, body: Buffer.from('{}'), address: '10.0.0.2', requestId: 'req_2' });
    expect(await last()).toMatchObject({ outcome: 'unverified', serial: `??微${'x'.repeat(125)}` });
  });

  it('is counted by outcome, batch and time, for whoever watches', async () => {
    const { callbacks, batchSize, callbackSeconds } = shop.app.get(Instruments);
    const counted = async (): Promise<number | undefined> =>
      (await callbackSeconds.get()).values.find(({ metricName }) => metricName?.endsWith('_count'))?.value;
    const before = (await counted()) ?? 0;
    const { headers, body } = shop.paidNotice(await shop.waiting());
    await shop.app.get(CallbacksService).receive({ headers, body, address: '10.0.0.5', requestId: 'req_4' });
    expect(await counted()).toBe(before + 1);
    expect((await callbacks.get()).values.map(({ labels }) => labels.outcome)).toContain('applied');
    expect((await batchSize.get()).values.map(({ labels }) => labels.entity)).toContain('payment');
  });

  it('forgets the oldest that proved nothing, from time to time, and never one that did', async () => {
    await shop.db.query(
      `INSERT INTO callbacks (id, received_at, provider, outcome, http_status, address, body_sha256, body_bytes,
                              request_id)
       SELECT 'cbk_' || lpad(n::text, 26, '0'), now(), 'wechat', CASE n WHEN 1 THEN 'applied' ELSE 'forbidden' END, 403,
              '10.0.0.3', '', 0, '' FROM generate_series(1, $1::int) n`,
      [BAD_ROWS_KEPT],
    );
    const journal = shop.app.get(CallbackJournal);
    const entry: JournalEntry = {
      provider: 'wechat',
      outcome: 'unreadable',
      httpStatus: 400,
      address: '10.0.0.4',
      eventType: null,
      notificationId: null,
      outTradeNo: null,
      outRefundNo: null,
      code: null,
      serial: null,
      body: Buffer.alloc(0),
      requestId: 'req_3',
    };
    const bad = async (): Promise<number> => {
      const [row] = await shop.db.query<{ count: number }[]>(
        `SELECT count(*)::int AS count FROM callbacks WHERE outcome IN ('unverified', 'unreadable', 'forbidden')`,
      );
      return row?.count ?? 0;
    };
    const before = await bad();
    // One bad callback came in a test above: with it, the 500th is the last of these.
    for (let count = 1; count <= 498; count += 1) await journal.addAlone(entry);
    expect(await bad()).toBe(before + 498);
    await journal.addAlone(entry);
    expect(await bad()).toBe(BAD_ROWS_KEPT);
    const kept = await shop.db.query<{ id: string }[]>('SELECT id FROM callbacks ORDER BY id LIMIT 2');
    expect(kept.map(({ id }) => Number(id.slice(4)))).toEqual([1, before + 499 - BAD_ROWS_KEPT + 2]);
  });

  it('is not all that a flood meets: it is told to wait', async () => {
    const forged = callbackOf('{}', { key: otherPair.privateKey });
    const answers = [await shop.send(forged), await shop.send(forged), await shop.send(forged)];
    expect(answers.map(({ status, headers }) => [status, headers['retry-after']])).toEqual([
      [401, undefined],
      [401, undefined],
      [429, '60'],
    ]);
  });

  it('has nothing of the mock provider’s notices where real money is taken', async () => {
    const answer = await raw(shop.url, 'POST', '/api/payments/callback/mock/', [], '{}');
    expect(answer.status).toBe(404);
  });
});
