import { byTimer } from '../../src/common/cause.js';
import { MINUTE } from '../../src/common/clock.js';
import { DueRefunds, type DueRefundsOptions, type DueRefundsReport } from '../../src/refunds/due-refunds.js';
import type { TestApp } from '../support/app.js';
import { inTurns } from '../support/flows.js';
import { approveRefund, askFor, paid } from '../support/refunds.js';
import { refundWord } from '../support/rows.js';
import { NO_ANSWER, type ScriptedProvider, startScripted } from '../support/scripted-provider.js';

describe('a question about refunds under way', () => {
  let paydesk: TestApp;
  let channel: ScriptedProvider;

  beforeAll(async () => {
    ({ channel, ...paydesk } = await startScripted());
  });
  afterAll(() => paydesk.close());
  beforeEach(async () => {
    channel.always('refund', NO_ANSWER);
    channel.always('queryRefund', NO_ANSWER);
    await paydesk.db.query(`DELETE FROM payment_events; DELETE FROM refunds`);
  });
  afterEach(() => channel.forget());

  const run = (options: Partial<DueRefundsOptions> = {}): Promise<DueRefundsReport> =>
    paydesk.app
      .get(DueRefunds)
      .run({ scope: 'all', cause: byTimer('send_and_check_refunds'), limit: 1000, ...options });
  const unconfirmed = async (count: number): Promise<string[]> => {
    const ids = await inTurns(count, async () => askFor(await paid(paydesk), 500));
    for (const id of ids) await approveRefund(paydesk, id);
    return ids.sort();
  };
  const rows = (): Promise<unknown> => paydesk.db.query('SELECT * FROM refunds ORDER BY id');

  it('only shows with dry-run what it would be about', async () => {
    const ids = await unconfirmed(2);
    const before = await rows();
    const inHand = ids.map((id) => ({ id, status: 'processing' }));
    expect(await run({ dryRun: true })).toEqual({ checked: 0, failed: 0, refunds: inHand });
    expect((await run({ dryRun: true, limit: 1 })).refunds).toEqual(inHand.slice(0, 1));
    expect((await run({ dryRun: true, scope: 'due' })).refunds).toEqual([]);
    expect(await rows()).toEqual(before);
    expect(channel.asked('queryRefund')).toEqual([]);
  });

  it('is about no more than the limit, and only about those whose time has come', async () => {
    const ids = await unconfirmed(3);
    expect(await run({ limit: 2 })).toMatchObject({ checked: 2, failed: 0 });
    expect((await run({ scope: 'due' })).checked).toBe(0);
    paydesk.clock.advance(MINUTE);
    const { refunds } = await run({ scope: 'due' });
    expect(refunds.map(({ id }) => id).sort()).toEqual(ids);
    expect(refunds.map(({ status }) => status)).toEqual(['processing', 'processing', 'processing']);
  });

  it('goes on when one of them cannot be worked on', async () => {
    const [bad] = await unconfirmed(3);
    channel.always('queryRefund', ({ outRefundNo, outTradeNo, amountFen, totalFen }) => {
      if (outRefundNo !== bad) throw NO_ANSWER;
      // A number that no table takes.
      const { mchid } = channel.account;
      return refundWord({ outRefundNo, outTradeNo, amountFen, totalFen, mchid, refundId: 'R\0' });
    });
    const report = await run();
    expect(report).toMatchObject({ checked: 3, failed: 1 });
    expect(report.refunds).toHaveLength(2);
  });

  it('goes through more of them than one batch holds, and once', async () => {
    const [model] = await unconfirmed(1);
    await paydesk.db.query(
      `INSERT INTO refunds SELECT (jsonb_populate_record(NULL::refunds,
         to_jsonb(r) || jsonb_build_object('id', 'ref_' || lpad(g::text, 26, '0')))).*
       FROM refunds r, generate_series(1, 230) g WHERE r.id = $1`,
      [model],
    );
    expect(await run({ limit: 130 })).toMatchObject({ checked: 130 });
    channel.forgetAsked();
    const progress: number[] = [];
    expect(await run({ onProgress: (done) => progress.push(done) })).toMatchObject({ checked: 231, failed: 0 });
    expect(progress).toEqual([100, 200, 231]);
    const asked = channel.asked('queryRefund').map(({ outRefundNo }) => outRefundNo);
    expect([asked.length, new Set(asked).size]).toEqual([231, 231]);
  });
});
