import { type Api, startTestApp, type TestApp, times } from '../support/app.js';
import { buy, type OrderView, type PaymentView, type Problem } from '../support/flows.js';

interface RefundBody extends Pick<Partial<Problem>, 'code' | 'errors'> {
  id: string;
  order_id: string;
  payment_id: string;
  external_id: string | null;
  status: string;
  amount: number;
}

let numbers = 0;
const number = (): string => `r-${(numbers += 1)}`;

describe("refunds of a shop's backend", () => {
  let paydesk: TestApp;
  let other: TestApp;
  let shop: Api;

  beforeAll(async () => {
    paydesk = await startTestApp();
    other = await startTestApp({ databaseUrl: paydesk.databaseUrl, clock: paydesk.clock });
    shop = await paydesk.as('service', 'shop');
  });
  afterAll(async () => {
    await other.close();
    await paydesk.close();
  });

  const ask = (body: Record<string, unknown>, api: Api = shop) => api.post<RefundBody>('/refunds/', body);
  async function paid(by: Api = shop): Promise<{ orderId: string; paymentId: string }> {
    const { body } = await by.post<OrderView & { payment: PaymentView }>('/orders/', {
      ...{ payer: { openid: 'o_1' }, description: 'tea', amount: 1000 },
      start: { scene: 'jsapi' },
    });
    await by.post(`/payments/${body.payment.id}/succeed/`);
    return { orderId: body.id, paymentId: body.payment.id };
  }
  const reservedOf = async (paymentId: string): Promise<number> => {
    const [row] = await paydesk.db.query<{ reserved_fen: number }[]>(
      'SELECT reserved_fen FROM payments WHERE id = $1',
      [paymentId],
    );
    return row?.reserved_fen ?? -1;
  };

  it('are made by order, and carried out in the same call', async () => {
    const { orderId, paymentId } = await paid();
    const external_id = number();
    const refund = await ask({ order_id: orderId, amount: 300, external_id, reason: 'a cup broke', approve: true });
    expect(refund).toMatchObject({
      status: 201,
      body: { order_id: orderId, payment_id: paymentId, external_id, status: 'succeeded', amount: 300 },
    });
    expect((await shop.get(`/orders/${orderId}/`)).body).toMatchObject({
      status: 'partially_refunded',
      refunded_amount: 300,
    });
    for (const query of [`order_id=${orderId}`, `payment_id=${paymentId}`, `external_id=${external_id}`]) {
      const { body } = await shop.get<{ items: RefundBody[] }>(`/refunds/?${query}`);
      expect(body.items.map(({ id }) => id)).toEqual([refund.body.id]);
    }
    const rival = await paydesk.as('service', 'rival');
    expect((await rival.get(`/refunds/?external_id=${external_id}`)).body).toEqual({ items: [], next_cursor: null });
  });

  it.each(['approve', 'succeed'])('are approved by /%s/, and again without a second effect', async (word) => {
    const { orderId } = await paid();
    const { body } = await ask({ order_id: orderId });
    expect(body).toMatchObject({ status: 'requested', amount: 1000 });
    for (let round = 0; round < 2; round += 1)
      expect(await shop.post(`/refunds/${body.id}/${word}/`)).toMatchObject({
        status: 200,
        body: { status: 'succeeded' },
      });
    expect((await shop.get(`/orders/${orderId}/`)).body).toMatchObject({ status: 'refunded', refunded_amount: 1000 });
  });

  it('are the same refund under the same number for ever', async () => {
    const { orderId, paymentId } = await paid();
    const external_id = number();
    const first = await ask({ order_id: orderId, amount: 400, external_id, approve: true });
    const again = await ask(
      { payment_id: paymentId, amount: 400, external_id, approve: true },
      await other.as('service', 'shop'),
    );
    expect(again).toMatchObject({ status: 200, body: { id: first.body.id, status: 'succeeded' } });
    expect(await reservedOf(paymentId)).toBe(400);

    const whole = number();
    const rest = await ask({ order_id: orderId, external_id: whole });
    expect(rest).toMatchObject({ status: 201, body: { amount: 600 } });
    expect(await ask({ order_id: orderId, external_id: whole })).toMatchObject({
      status: 200,
      body: { id: rest.body.id },
    });
    await shop.post(`/refunds/${rest.body.id}/reject/`, { reason: 'not sent back' });
    expect(await ask({ order_id: orderId, external_id: whole, approve: true })).toMatchObject({
      status: 200,
      body: { id: rest.body.id, status: 'rejected' },
    });
  });

  it('are refused under a used number where anything else differs, which the answer names', async () => {
    const [one, two] = [await paid(), await paid()];
    const external_id = number();
    const body = { order_id: one.orderId, amount: 400, external_id, reason: 'broken' };
    const first = await ask(body);
    for (const [change, field] of [
      [{ amount: 401 }, 'amount'],
      [{ amount: undefined }, 'amount'],
      [{ reason: 'lost' }, 'reason'],
      [{ reason: undefined }, 'reason'],
      [{ order_id: two.orderId }, 'payment_id'],
    ] as const) {
      const answer = await ask({ ...body, ...change });
      expect({ status: answer.status, code: answer.body.code, errors: answer.body.errors }).toEqual({
        status: 409,
        code: 'external_id_conflict',
        errors: [{ field, message: `differs from that of refund ${first.body.id}` }],
      });
    }
    expect(await reservedOf(two.paymentId)).toBe(0);
  });

  it('are one refund for 50 equal requests at two processes', async () => {
    const { orderId, paymentId } = await paid();
    const external_id = number();
    const doors = [shop, await other.as('service', 'shop')];
    const answers = await times(50, (index) =>
      ask({ order_id: orderId, amount: 10, external_id, approve: true }, doors[index % 2]),
    );
    expect(new Set(answers.map(({ body: { id } }) => id)).size).toBe(1);
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array<number>(49).fill(200), 201]);
    expect(await reservedOf(paymentId)).toBe(10);
  });

  it('are one refund when different payments race for one number', async () => {
    const bought = await times(8, () => paid());
    const external_id = number();
    const answers = await Promise.all(
      bought.map(({ orderId }, index) =>
        ask({ order_id: orderId, amount: 10, external_id }, index % 2 ? shop : undefined),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(7).fill(409)]);
    const reserved = await Promise.all(bought.map(({ paymentId }) => reservedOf(paymentId)));
    expect(reserved.sort((a, b) => a - b)).toEqual([...Array<number>(7).fill(0), 10]);
  });

  it('are asked for with one thing to refund', async () => {
    const { orderId, paymentId } = await paid();
    const refused = async (body: Record<string, unknown>, api?: Api): Promise<string[]> => {
      const answer = await ask(body, api);
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
      return answer.body.errors?.map(({ field }) => field) ?? [];
    };
    expect(await refused({})).toEqual(['payment_id']);
    expect(await refused({ payment_id: null, order_id: null })).toEqual(['payment_id']);
    expect(await refused({ payment_id: paymentId, order_id: orderId })).toEqual(['order_id']);
    expect(await refused({ order_id: orderId, approve: 'yes' })).toEqual(['approve']);
    expect(await refused({ order_id: orderId, external_id: 'x'.repeat(65) })).toEqual(['external_id']);
    expect(await refused({ order_id: orderId, external_id: 'a\u0007' })).toEqual(['external_id']);
    expect(await refused({ order_id: orderId, external_id: 'mine' }, await paydesk.as('operator'))).toEqual([
      'external_id',
    ]);
    for (const query of ['', `payment_id=${paymentId}&order_id=${orderId}`, 'external_id='])
      expect((await shop.get(`/refunds/?${query}`)).status).toBe(400);
    expect((await (await paydesk.as('operator')).get('/refunds/?external_id=r-1')).status).toBe(400);
  });

  it('are not made for an order that nobody has paid', async () => {
    const { body } = await shop.post<OrderView>('/orders/', {
      ...{ payer: { openid: 'o_1' }, description: 'tea', amount: 1000 },
    });
    expect(await ask({ order_id: body.id })).toMatchObject({
      status: 409,
      body: { code: 'payment_not_refundable', detail: 'the order is pending' },
    });
  });

  it('are requested by a user, who cannot approve them', async () => {
    const bought = await buy(paydesk);
    await bought.customer.api.post(`${bought.path}start/`);
    await bought.customer.api.post(`${bought.path}succeed/`);
    const refused = await ask({ order_id: bought.orderId, approve: true }, bought.customer.api);
    expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await reservedOf(bought.paymentId)).toBe(0);
    expect(await ask({ order_id: bought.orderId, amount: 7 }, bought.customer.api)).toMatchObject({
      status: 201,
      body: { status: 'requested', external_id: null },
    });
    const operator = await paydesk.as('operator');
    expect(await ask({ order_id: bought.orderId, amount: 8, approve: true }, operator)).toMatchObject({
      status: 201,
      body: { status: 'succeeded' },
    });
  });
});
