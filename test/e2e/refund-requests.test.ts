import { startTestApp, type TestApp, times } from '../support/app.js';
import { buyAndStart, newCustomer, orderOf, paymentOf, type Problem } from '../support/flows.js';
import {
  announced,
  approveRefund,
  askFor,
  movesOfRefund,
  paid,
  refundOf,
  type RefundView,
} from '../support/refunds.js';

describe('refunds under the mock provider', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp();
  });
  afterAll(() => paydesk.close());

  it('are paid in parts until nothing is left, and the order says how much', async () => {
    const bought = await paid(paydesk, { amount: 1800 });
    for (const [amount, status, sum] of [
      [500, 'partially_refunded', 500],
      [1000, 'partially_refunded', 1500],
      [undefined, 'refunded', 1800],
    ] as const) {
      const id = await askFor(bought, amount);
      expect(await orderOf(bought)).toMatchObject({ refunded_amount: sum - (await refundOf(paydesk, id)).amount });
      expect(await approveRefund(paydesk, id)).toMatchObject({ status: 'succeeded', failure: null });
      expect(await orderOf(bought)).toMatchObject({ status, refunded_amount: sum });
      expect(await paymentOf(bought)).toMatchObject({ status: 'succeeded', refunded_amount: sum });
    }
    const more = await bought.customer.api.post<Problem>('/refunds/', { payment_id: bought.paymentId });
    expect(more).toMatchObject({ status: 409, body: { code: 'refund_exceeds_payment' } });
  });

  it('never promise more than is left: what was asked for counts, what was rejected does not', async () => {
    const bought = await paid(paydesk, { amount: 1000 });
    const ask = (amount?: number) =>
      bought.customer.api.post<{ id: string; code?: string }>('/refunds/', { payment_id: bought.paymentId, amount });
    const first = await ask(600);
    expect(await ask(401)).toMatchObject({ status: 409, body: { code: 'refund_exceeds_payment' } });
    expect(await ask(400)).toMatchObject({ status: 201 });
    expect(await ask(1)).toMatchObject({ status: 409 });
    const operator = await paydesk.as('operator');
    await operator.post(`/refunds/${first.body.id}/reject/`, { reason: 'The goods were not sent back' });
    expect(await ask()).toMatchObject({ status: 201, body: { amount: 600 } });
  });

  it('are refused for a payment that was not paid', async () => {
    const { customer, paymentId } = await buyAndStart(paydesk);
    const refused = await customer.api.post<Problem>('/refunds/', { payment_id: paymentId });
    expect(refused).toMatchObject({ status: 409, body: { code: 'payment_not_refundable' } });
  });

  it.each([
    ['no payment', { amount: 1 }],
    ['nothing', { amount: 0 }],
    ['less than nothing', { amount: -1 }],
    ['half a fen', { amount: 0.5 }],
    ['text', { amount: '100' }],
    ['a number beyond all money', { amount: 2 ** 53 }],
    ['a reason of 81 bytes', { amount: 1, reason: '退'.repeat(27) }],
    ['a reason with a line break', { amount: 1, reason: 'a\nb' }],
    ['a field that is not there', { amount: 1, refund_id: 'x' }],
  ])('are refused for %s', async (name, body) => {
    const bought = await paid(paydesk);
    const payment = name === 'no payment' ? {} : { payment_id: bought.paymentId };
    const { status } = await bought.customer.api.post('/refunds/', { ...payment, ...body });
    expect(name === 'no payment' ? [400, 404] : [400]).toContain(status);
    expect((await paymentOf(bought)).refunded_amount).toBe(0);
  });

  it('keep a reason of up to 80 bytes', async () => {
    const bought = await paid(paydesk);
    const reason = `${'退'.repeat(26)}ab`;
    expect((await refundOf(paydesk, await askFor(bought, 1, reason))).reason).toBe(reason);
  });

  it('are asked for by the payer and carried out by an operator, and by nobody else', async () => {
    const bought = await paid(paydesk);
    const id = await askFor(bought, 100);
    for (const step of ['succeed', 'reject']) {
      const body = step === 'reject' ? { reason: 'no' } : undefined;
      const own = await bought.customer.api.post<Problem>(`/refunds/${id}/${step}/`, body);
      expect(own).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      expect((await paydesk.api().post(`/refunds/${id}/${step}/`, body)).status).toBe(401);
    }
    const card = await bought.customer.api.post<Problem>(`/refunds/${id}/retry-abnormal/`, { to: 'merchant_card' });
    expect(card.status).toBe(403);
    const service = await paydesk.as('service', 'shop-backend');
    expect((await service.post(`/refunds/${id}/retry-abnormal/`, { to: 'merchant_card' })).status).toBe(403);
    expect((await service.post(`/refunds/${id}/succeed/`)).status).toBe(200);
    expect(await movesOfRefund(paydesk, id)).toEqual([
      `requested by request ${bought.customer.id}`,
      'processing by request shop-backend',
      'succeeded by request shop-backend',
    ]);
  });

  it("of somebody else's payment are not found, with the bytes of one that does not exist", async () => {
    const bought = await paid(paydesk);
    const id = await askFor(bought, 100);
    const stranger = await newCustomer(paydesk);
    const nowhere = id.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    const nowhereToo = bought.paymentId.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    const bytes = async (path: string, body?: unknown): Promise<string> => {
      const answer = await (body === undefined ? stranger.api.get(path) : stranger.api.post(path, body));
      return `${answer.status} ${JSON.stringify({ ...answer.body, request_id: '', instance: '' })}`;
    };
    expect(await bytes(`/refunds/${id}/`)).toBe(await bytes(`/refunds/${nowhere}/`));
    expect(await bytes(`/refunds/${id}/sync/`, {})).toBe(await bytes(`/refunds/${nowhere}/sync/`, {}));
    expect(await bytes(`/refunds/?payment_id=${bought.paymentId}`)).toBe(
      await bytes(`/refunds/?payment_id=${nowhereToo}`),
    );
    const asked = await bytes('/refunds/', { payment_id: bought.paymentId });
    expect(asked).toBe(await bytes('/refunds/', { payment_id: nowhereToo }));
    expect(asked).toContain('404');
  });

  it('are rejected once, with the reason, and give back what was reserved', async () => {
    const bought = await paid(paydesk, { amount: 700 });
    const id = await askFor(bought);
    const operator = await paydesk.as('operator');
    const answers = await times(5, () => operator.post(`/refunds/${id}/reject/`, { reason: 'No goods came back' }));
    expect(answers.map((answer) => answer.status)).toEqual(Array(5).fill(200));
    expect(await refundOf(paydesk, id)).toMatchObject({
      status: 'rejected',
      failure: { code: 'rejected_by_operator', message: 'No goods came back' },
    });
    const late = await operator.post<Problem>(`/refunds/${id}/succeed/`);
    expect(late).toMatchObject({ status: 409, body: { code: 'refund_not_open' } });
    expect(await announced(paydesk, id)).toEqual([
      'refund.rejected to owner',
      'refund.requested to owner',
      'refund.requested to operators',
    ]);
    const again = await askFor(bought);
    await approveRefund(paydesk, again);
    const tooLate = await operator.post<Problem>(`/refunds/${again}/reject/`, { reason: 'too late' });
    expect(tooLate).toMatchObject({ status: 409, body: { code: 'refund_not_open' } });
  });

  it('have one effect, however many carry them out at once', async () => {
    const bought = await paid(paydesk, { amount: 900 });
    const id = await askFor(bought, 300);
    const operator = await paydesk.as('operator');
    const answers = await times(50, () => operator.post<RefundView>(`/refunds/${id}/succeed/`));
    expect(answers.map((answer) => answer.status)).toEqual(Array(50).fill(200));
    expect(await approveRefund(paydesk, id)).toMatchObject({ status: 'succeeded' });
    expect(await paymentOf(bought)).toMatchObject({ refunded_amount: 300 });
    expect(await announced(paydesk, id)).toEqual([
      'refund.requested to owner',
      'refund.requested to operators',
      'refund.succeeded to owner',
    ]);
    expect(await movesOfRefund(paydesk, id)).toHaveLength(3);
  });

  it('are either carried out or rejected, never both', async () => {
    const bought = await paid(paydesk, { amount: 2000 });
    const operator = await paydesk.as('operator');
    for (let round = 0; round < 10; round += 1) {
      const id = await askFor(bought, 100);
      await Promise.all([
        operator.post(`/refunds/${id}/succeed/`),
        operator.post(`/refunds/${id}/reject/`, { reason: 'raced' }),
      ]);
      const { status } = await refundOf(paydesk, id);
      expect(['succeeded', 'rejected']).toContain(status);
      const end = (await announced(paydesk, id)).filter((line) => !line.startsWith('refund.requested'));
      expect(end).toEqual([`refund.${status} to owner`]);
    }
    const { refunded_amount: refunded } = await paymentOf(bought);
    const { body } = await operator.get<{ items: RefundView[] }>(`/refunds/?payment_id=${bought.paymentId}&limit=100`);
    expect(body.items.filter((refund) => refund.status === 'succeeded').length * 100).toBe(refunded);
  });

  it('are asked for once under one Idempotency-Key', async () => {
    const bought = await paid(paydesk, { amount: 1000 });
    const ask = (amount: number) =>
      bought.customer.api.post<{ id: string; code?: string }>(
        '/refunds/',
        { payment_id: bought.paymentId, amount },
        { 'idempotency-key': `refund-${bought.paymentId}` },
      );
    const answers = await times(20, () => ask(400));
    const made = answers.filter((answer) => answer.status === 201);
    expect(new Set(made.map((answer) => answer.body.id)).size).toBe(1);
    expect(answers.filter((answer) => answer.status !== 201).every((answer) => answer.status === 409)).toBe(true);
    expect(await ask(400)).toMatchObject({ status: 201, body: { id: made[0]?.body.id } });
    expect(await ask(300)).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
    const { body } = await bought.customer.api.get<{ items: RefundView[] }>(`/refunds/?payment_id=${bought.paymentId}`);
    expect(body.items).toHaveLength(1);
  });

  it('are listed oldest first, page by page', async () => {
    const bought = await paid(paydesk, { amount: 1000 });
    const made: string[] = [];
    for (let part = 0; part < 5; part += 1) {
      made.push(await askFor(bought, 10 + part));
      paydesk.clock.advance(1000);
    }
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: { items: RefundView[]; next_cursor: string | null } = (
        await bought.customer.api.get<{ items: RefundView[]; next_cursor: string | null }>(
          `/refunds/?payment_id=${bought.paymentId}&limit=2${cursor && `&cursor=${cursor}`}`,
        )
      ).body;
      seen.push(...page.items.map((refund) => refund.id));
      cursor = page.next_cursor;
    }
    expect(seen).toEqual(made);
  });

  it('are refused from the 366th day on, and from the 51st part on', async () => {
    const bought = await paid(paydesk, { amount: 1000 });
    for (let part = 0; part < 50; part += 1) await askFor(bought, 1);
    const ask = () => bought.customer.api.post<Problem>('/refunds/', { payment_id: bought.paymentId, amount: 1 });
    expect(await ask()).toMatchObject({ status: 409, body: { code: 'refund_too_many' } });
    const other = await paid(paydesk);
    await paydesk.db.query(`UPDATE payments SET paid_at = paid_at - interval '365 days' WHERE id = $1`, [
      other.paymentId,
    ]);
    const askOther = () => other.customer.api.post<Problem>('/refunds/', { payment_id: other.paymentId, amount: 1 });
    expect((await askOther()).status).toBe(201);
    paydesk.clock.advance(1);
    expect(await askOther()).toMatchObject({ status: 409, body: { code: 'refund_too_old' } });
  });
});
