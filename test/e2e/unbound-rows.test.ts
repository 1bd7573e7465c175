import { byCommand, byTimer } from '../../src/common/cause.js';
import { HOUR, ManualClock } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { UnboundPayments } from '../../src/payments/unbound-payments.js';
import { type Answer, startTestApp, type TestApp, times } from '../support/app.js';
import { type Bought, buy, buyAndStart, movesOf, orderOf, paymentOf, statesOf } from '../support/flows.js';
import { approveRefund, askFor, casesOfRefund, paid, refundOf, stateOf, tick } from '../support/refunds.js';
import { runBuilt } from '../support/service-process.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

const NOTE = 'made with the mock before the shop opened';
const TOKENS = { JWT_SECRET: '5f0c8a1e7b3d49f2a6c4e8b0d1f37a95', JWT_TTL_SECONDS: '2592000' };
/** A command is a process of its own: on a busy machine it takes its time. */
const BY_COMMAND = 150_000;
const NO_ID = '01JD8Q5Z6T8RZ1M0V4N9X2K7CB';

type Rows = { items: { id: string }[] };

/** Asked again where a lock was held for too long; answers the status. */
async function answered(ask: () => Promise<Answer>): Promise<number> {
  for (;;) {
    const { status } = await ask();
    if (status !== 503) return status;
  }
}

/** A shop that was tried with the mock provider and takes real money now, with the same database. */
describe('payments and refunds of a provider that is not bound any more', () => {
  let mock: TestApp;
  let shop: Simulated;
  let operator: Awaited<ReturnType<TestApp['as']>>;
  let unsent: Bought;
  let sent: Bought;
  let refunding: Bought;
  /** Of the last one: asked for, and sent without an answer that would settle it. */
  let requested: string;
  let processing: string;

  beforeAll(async () => {
    mock = await startTestApp({ env: TOKENS, clock: new ManualClock() });
    shop = await startSimulated({ databaseUrl: mock.databaseUrl, env: TOKENS });
    operator = await shop.as('operator');
    unsent = await buy(mock);
    sent = await buyAndStart(mock, { metadata: { mock_outcome: 'success' } });
    refunding = await paid(mock, { metadata: { mock_refund_outcome: 'processing' } });
    requested = await askFor(refunding, 300);
    processing = await askFor(refunding, 500);
    await approveRefund(mock, processing);
  });
  afterAll(async () => {
    await shop.close();
    await mock.close();
  });

  const as = (who: Bought) => shop.api(who.customer.token);
  const listed = async (what: 'payments' | 'refunds', query: string): Promise<string[]> =>
    (await operator.get<Rows>(`/admin/${what}/?${query}`)).body.items.map(({ id }) => id).sort();
  const endPayment = (id: string, body: object = { note: NOTE }) => operator.post(`/admin/payments/${id}/end/`, body);
  const endRefund = (id: string, body: object = { note: NOTE }) => operator.post(`/admin/refunds/${id}/end/`, body);
  const scrape = async (): Promise<string> => (await fetch(`${shop.url}/metrics`)).text();
  /** `[reserved, refunded]`, in fen. */
  const promised = async ({ paymentId }: Bought): Promise<[number, number]> => {
    const [row] = await mock.db.query<{ reserved_fen: number; refunded_fen: number }[]>(
      'SELECT reserved_fen, refunded_fen FROM payments WHERE id = $1',
      [paymentId],
    );
    return [row?.reserved_fen ?? -1, row?.refunded_fen ?? -1];
  };
  const notesOf = async (column: 'payment_id' | 'refund_id', id: string): Promise<unknown[]> =>
    mock.db.query(
      `SELECT entity, to_status, cause, actor, note FROM payment_events
       WHERE ${column} = $1 AND to_status IN ('closed', 'cancelled', 'rejected', 'succeeded') ORDER BY id`,
      [id],
    );
  const cli = (...words: string[]) =>
    runBuilt('cli.js', words, { ...shop.env, DATABASE_URL: mock.databaseUrl, LOG_LEVEL: 'warn' });

  it('are listed for operators', async () => {
    const ours = await buyAndStart(shop);
    expect(await listed('payments', 'unbound=true')).toEqual([unsent.paymentId, sent.paymentId].sort());
    expect(await listed('refunds', 'unbound=true')).toEqual([requested, processing].sort());
    const others = await listed('payments', 'unbound=false&limit=100');
    expect(others).toEqual(expect.arrayContaining([ours.paymentId, refunding.paymentId]));
    expect(others).not.toContain(sent.paymentId);
    expect(await listed('refunds', 'unbound=false')).toEqual([]);
    expect((await operator.get('/admin/payments/?unbound=yes')).status).toBe(400);
    await as(ours).post(`${ours.path}cancel/`);
  });

  it('are not started, asked about, closed or refunded', async () => {
    const answers = await Promise.all([
      as(sent).post(`${sent.path}start/`),
      as(sent).post(`${sent.path}sync/`),
      as(sent).post(`${sent.path}cancel/`),
      as(refunding).post('/refunds/', { payment_id: refunding.paymentId, amount: 100 }),
      as(refunding).post(`/refunds/${processing}/sync/`),
      operator.post(`/refunds/${requested}/succeed/`),
    ]);
    expect(answers.map(({ status, body }) => `${status} ${String(body.code)}`)).toEqual(
      answers.map(() => '409 other_provider'),
    );
    expect(await promised(refunding)).toEqual([800, 0]);
  });

  it('are not due, raise no alarm and are counted apart', async () => {
    await shop.advance(HOUR);
    for (const scope of ['due', 'all', 'expired'] as const) {
      const report = await shop.app.get(DuePayments).run({ scope, cause: byTimer('check_payments'), limit: 1000 });
      expect([report.checked, report.payments]).toEqual([0, []]);
    }
    expect((await tick(shop)).checked).toBe(0);
    const text = await scrape();
    for (const line of [
      /^paydesk_unbound_open\{entity="payment"\} 2$/m,
      /^paydesk_unbound_open\{entity="refund"\} 2$/m,
      /^paydesk_oldest_due_seconds\{entity="payment"\} 0$/m,
      /^paydesk_oldest_due_seconds\{entity="refund"\} 0$/m,
    ]) {
      expect(text).toMatch(line);
    }
    expect(text).not.toMatch(/^paydesk_open\{/m);
    expect(await statesOf(sent)).toBe('processing/pending');
    expect(await stateOf(shop, processing)).toBe('processing');
  });

  it.each(['expire_payments', 'sync_refunds'])(
    'are left alone by %s, which says so',
    async (command) => {
      const { code, stdout } = await cli(command, '--json');
      expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ checked: 0, unbound: 2 })]);
      expect(await statesOf(sent)).toBe('processing/pending');
    },
    BY_COMMAND,
  );

  it(
    'are counted by doctor',
    async () => {
      const { stdout } = await cli('doctor', '--json');
      const { checks } = JSON.parse(stdout) as { checks: { name: string; ok: string; message: string }[] };
      expect(checks).toContainEqual(
        expect.objectContaining({
          name: 'payments of another provider',
          ok: 'warn',
          message: expect.stringContaining('2 open payments and 2 open refunds') as string,
        }),
      );
    },
    BY_COMMAND,
  );

  it('can be ended by operators alone, with a note, and only while nobody else could', async () => {
    expect(await as(sent).post(`/admin/payments/${sent.paymentId}/end/`, { note: NOTE })).toMatchObject({
      status: 403,
    });
    expect((await endPayment(sent.paymentId, {})).body).toMatchObject({ code: 'invalid_request' });
    expect(await endPayment(`pay_${NO_ID}`)).toMatchObject({ status: 404 });
    expect(await endRefund(`ref_${NO_ID}`)).toMatchObject({ status: 404 });
    const ours = await paid(shop);
    const ourRefund = await askFor(ours, 100);
    const open = await buyAndStart(shop);
    expect(await endPayment(open.paymentId)).toMatchObject({ status: 409, body: { code: 'provider_bound' } });
    expect(await endRefund(ourRefund)).toMatchObject({ status: 409, body: { code: 'provider_bound' } });
    expect(await endPayment(ours.paymentId)).toMatchObject({ status: 409, body: { code: 'payment_not_open' } });
    await operator.post(`/refunds/${ourRefund}/reject/`, { reason: 'no' });
    await as(open).post(`${open.path}cancel/`);
  });

  it('end with their order, once, and leave who and why behind', async () => {
    const answers = await times(5, () => endPayment(unsent.paymentId));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
    expect(await paymentOf(unsent)).toMatchObject({ status: 'closed', failure: { code: 'ended_by_operator' } });
    expect((await orderOf(unsent)).status).toBe('cancelled');
    const by = { cause: 'request', actor: `usr_${NO_ID}` };
    expect(await notesOf('payment_id', unsent.paymentId)).toEqual([
      { entity: 'payment', to_status: 'closed', note: NOTE, ...by },
      { entity: 'order', to_status: 'cancelled', note: null, ...by },
    ]);
    expect(await listed('payments', 'unbound=true')).toEqual([sent.paymentId]);
  });

  it(
    'end by a command too, which shows before what it would do',
    async () => {
      const end = { note: NOTE, cause: byCommand('end_unbound') };
      const preview = await shop.app.get(UnboundPayments).end(sent.paymentId, { ...end, dryRun: true });
      expect(preview.status).toBe('closed');
      expect(await statesOf(sent)).toBe('processing/pending');
      const { code, stdout } = await cli('end_unbound', '--payment', sent.paymentId, '--note', NOTE, '--json');
      expect([code, JSON.parse(stdout)]).toEqual([
        0,
        { dry_run: false, id: sent.paymentId, status: 'closed', note: NOTE },
      ]);
      expect(await statesOf(sent)).toBe('closed/cancelled');
      expect(await notesOf('payment_id', sent.paymentId)).toContainEqual(
        expect.objectContaining({ to_status: 'closed', cause: 'command', actor: 'end_unbound', note: NOTE }),
      );
    },
    BY_COMMAND,
  );

  it('are late money where their provider, bound again, proves it', async () => {
    expect((await mock.callback({ payment_id: sent.paymentId, status: 'SUCCESS' })).status).toBe(200);
    expect(await statesOf(sent)).toBe('succeeded/cancelled');
    const [row] = await mock.db.query<{ late: boolean; refunds: number }[]>(
      `SELECT late, (SELECT count(*)::int FROM refunds r WHERE r.payment_id = p.id) AS refunds
       FROM payments p WHERE id = $1`,
      [sent.paymentId],
    );
    expect(row).toEqual({ late: true, refunds: 1 });
  });

  it('are paid or late, never both, when the money is announced while they are ended', async () => {
    const ends = await times(8, async () => {
      const bought = await buyAndStart(mock, { metadata: { mock_outcome: 'pending' } });
      const [ended] = await Promise.all([
        answered(() => endPayment(bought.paymentId)),
        answered(() => mock.callback({ payment_id: bought.paymentId, status: 'SUCCESS' })),
      ]);
      return { bought, ended };
    });
    for (const { bought, ended } of ends) {
      const moves = await movesOf(mock, bought.orderId);
      const paidIt = moves.includes('order paid by callback');
      expect([ended, await statesOf(bought)]).toEqual(paidIt ? [409, 'succeeded/paid'] : [200, 'succeeded/cancelled']);
      expect(moves.includes('order cancelled by request')).toBe(!paidIt);
    }
  });

  describe('and a refund', () => {
    it('that was never sent is rejected: its amount is free again', async () => {
      expect((await endRefund(requested, { note: NOTE, outcome: 'succeeded' })).body.code).toBe('refund_not_open');
      expect(await endRefund(requested)).toMatchObject({ status: 200, body: { status: 'rejected' } });
      expect((await refundOf(shop, requested)).failure).toEqual({ code: 'ended_by_operator', message: null });
      expect(await promised(refunding)).toEqual([500, 0]);
      expect(await notesOf('refund_id', requested)).toEqual([
        { entity: 'refund', to_status: 'rejected', cause: 'request', actor: `usr_${NO_ID}`, note: NOTE },
      ]);
      expect((await endRefund(requested)).body.code).toBe('refund_not_open');
    });

    it('that was sent keeps its amount until it is said what became of it', async () => {
      expect(await endRefund(processing)).toMatchObject({ status: 409, body: { code: 'refund_outcome_required' } });
      expect((await endRefund(processing, { note: NOTE, outcome: 'lost' })).status).toBe(400);
      expect([await stateOf(shop, processing), await promised(refunding)]).toEqual(['processing', [500, 0]]);
    });

    it(
      'that reached the payer counts as paid back',
      async () => {
        const words = ['end_unbound', '--refund', processing, '--outcome', 'succeeded', '--note', NOTE, '--json'];
        expect(JSON.parse((await cli(...words, '--dry-run')).stdout)).toMatchObject({ status: 'succeeded' });
        expect(await promised(refunding)).toEqual([500, 0]);
        expect((await endRefund(processing, { note: NOTE, outcome: 'succeeded' })).status).toBe(200);
        expect(await promised(refunding)).toEqual([500, 500]);
        expect(await statesOf(refunding)).toBe('succeeded/partially_refunded');
        expect(await notesOf('refund_id', processing)).toContainEqual({
          ...{ entity: 'refund', to_status: 'succeeded', cause: 'request', actor: `usr_${NO_ID}`, note: NOTE },
        });
      },
      BY_COMMAND,
    );

    it('that was paid to nobody gives its amount back once', async () => {
      const bought = await paid(mock, { metadata: { mock_refund_outcome: 'processing' } });
      const id = await askFor(bought, 700);
      await approveRefund(mock, id);
      const answers = await times(5, () => endRefund(id, { note: NOTE, outcome: 'closed' }));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
      expect(await stateOf(shop, id)).toBe('closed ended_by_operator');
      expect(await promised(bought)).toEqual([0, 0]);
      expect(await casesOfRefund(mock, id)).toEqual([]);
    });
  });

  it('until none is left', async () => {
    // The refunds of the late money above.
    for (const id of await listed('refunds', 'unbound=true')) await endRefund(id);
    expect(await listed('payments', 'unbound=true')).toEqual([]);
    expect(await listed('refunds', 'unbound=true')).toEqual([]);
    expect(await scrape()).toMatch(/^paydesk_unbound_open\{entity="refund"\} 0$/m);
  });
});
