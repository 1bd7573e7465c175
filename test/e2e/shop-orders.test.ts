import { newId } from '../../src/common/ids.js';
import { type Api, startTestApp, type TestApp, times } from '../support/app.js';
import {
  movesOf,
  newCustomer,
  type OrderView,
  type PaymentView,
  type Problem,
  waitUntilBlocked,
} from '../support/flows.js';

interface Placed extends OrderView, Pick<Partial<Problem>, 'code' | 'errors'> {
  payment?: PaymentView | null;
  pay_params?: Record<string, string> | null;
}

let numbers = 0;
/** A number that the shop has not used yet. */
const number = (): string => `2026-${(numbers += 1)}`;

describe("orders of a shop's backend", () => {
  let paydesk: TestApp;
  /** Another process on the same database. */
  let other: TestApp;
  let shop: Api;

  beforeAll(async () => {
    const env = { JWT_TTL_SECONDS: '86400' };
    paydesk = await startTestApp({ env });
    other = await startTestApp({ env, databaseUrl: paydesk.databaseUrl, clock: paydesk.clock });
    shop = await paydesk.as('service', 'shop');
  });
  afterAll(async () => {
    await other.close();
    await paydesk.close();
  });

  const order = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
    payer: { openid: 'openid_of_the_shop' },
    description: 'Two cups of tea',
    amount: 1800,
    ...more,
  });
  const place = (body: Record<string, unknown>, headers?: Record<string, string>, by: Api = shop) =>
    by.post<Placed>('/orders/', body, headers);
  const rows = async (table: string, where: string, value: string): Promise<number> =>
    (await paydesk.db.query<unknown[]>(`SELECT FROM ${table} WHERE ${where} = $1`, [value])).length;

  it('are placed for an openid, read, and paid by a user who also logs in here', async () => {
    const external_id = number();
    const placed = await place(order({ external_id, payer: { openid: 'mock_reader' }, metadata: { cart: 'c-17' } }));
    expect(placed).toMatchObject({
      status: 201,
      body: { external_id, status: 'pending', paid_payment_id: null, product_id: null, quantity: null },
    });
    expect(placed.body).not.toHaveProperty('payment');
    const { id } = placed.body;
    const reader = await paydesk.login('reader');
    expect(placed.body.user_id).toBe(reader.id);

    const payment = await shop.post<PaymentView>('/payments/', { order_id: id });
    expect(payment.status).toBe(201);
    expect((await reader.api.post(`/payments/${payment.body.id}/start/`)).status).toBe(200);
    expect((await reader.api.post(`/payments/${payment.body.id}/succeed/`)).status).toBe(200);
    for (const api of [shop, reader.api]) {
      expect((await api.get(`/orders/${id}/`)).body).toMatchObject({
        status: 'paid',
        paid_payment_id: payment.body.id,
      });
      const { body } = await api.get<{ items: PaymentView[] }>(`/orders/${id}/payments/`);
      expect(body).toMatchObject({ items: [{ id: payment.body.id, status: 'succeeded' }], next_cursor: null });
    }
    expect((await shop.get(`/payments/${payment.body.id}/`)).body).toMatchObject({ status: 'succeeded' });
    expect((await shop.post(`/payments/${payment.body.id}/sync/`)).status).toBe(200);
  });

  it('are placed and started in one call', async () => {
    const { status, body } = await place(order({ start: { scene: 'jsapi' } }));
    expect({ status, order: body.status, payment: body.payment }).toMatchObject({
      status: 201,
      order: 'pending',
      payment: { order_id: body.id, status: 'processing', amount: 1800 },
    });
    expect(Object.keys(body.pay_params ?? {}).sort()).toEqual([
      'nonceStr',
      'package',
      'paySign',
      'signType',
      'timeStamp',
    ]);
    expect(body.expires_at).toBe(body.payment?.expires_at);
    expect(await movesOf(paydesk, body.id)).toEqual(['payment init by request', 'payment processing by request']);
  });

  it('are the same order under the same number for ever, whatever became of it', async () => {
    const body = order({ external_id: number(), start: { scene: 'jsapi' } });
    const first = await place(body);
    const again = await place(body, {}, await other.as('service', 'shop'));
    expect(again).toMatchObject({ status: 200, body: { id: first.body.id, payment: { id: first.body.payment?.id } } });
    expect(again.body.pay_params?.package).toBe(first.body.pay_params?.package);

    await shop.post(`/payments/${first.body.payment?.id}/succeed/`);
    const paid = await place(body);
    expect(paid).toMatchObject({
      status: 200,
      body: { id: first.body.id, status: 'paid', payment: { status: 'succeeded' }, pay_params: null },
    });
    expect(await place({ ...body, start: undefined })).toMatchObject({ status: 200, body: { id: first.body.id } });
    expect(await rows('payments', 'order_id', first.body.id)).toBe(1);
  });

  it.each([
    ['amount', { amount: 1801 }],
    ['description', { description: 'Three cups of tea' }],
    ['user_id', { payer: { openid: 'somebody_else' } }],
    ['metadata', { metadata: { cart: 'c-18' } }],
    ['expires_in', { expires_in: 600 }],
  ])('are refused under a used number with another %s, which the answer names', async (field, change) => {
    const body = order({ external_id: number(), metadata: { cart: 'c-17', list: [1, { b: 2, a: 1 }] } });
    const first = await place(body);
    const { status, body: problem } = await place({ ...body, ...change });
    expect({ status, code: problem.code }).toEqual({ status: 409, code: 'external_id_conflict' });
    expect(problem.errors).toEqual([{ field, message: `differs from that of order ${first.body.id}` }]);
    expect((await place(body)).status).toBe(200);
  });

  it.each([
    ['without an idempotency key', undefined],
    ['with one', 'the-same-key'],
  ])('are one order and one payment for 50 equal requests at two processes, %s', async (_, key) => {
    const external_id = number();
    const body = order({ external_id, start: { scene: 'jsapi' } });
    const doors = [shop, await other.as('service', 'shop')];
    const answers = await times(50, (index) =>
      place(body, key === undefined ? {} : { 'idempotency-key': `${key}-${external_id}` }, doors[index % 2]),
    );
    const done = answers.filter(({ status }) => status < 300);
    const refused = answers.filter(({ status }) => status >= 300).map(({ body: { code } }) => code);
    expect(done.filter(({ status }) => status === 201).length).toBeGreaterThanOrEqual(1);
    expect(new Set(refused)).toEqual(
      key === undefined ? new Set() : new Set(refused.length > 0 ? ['idempotency_in_progress'] : []),
    );
    expect(new Set(done.map(({ body: { id } }) => id)).size).toBe(1);
    expect(new Set(done.map(({ body: { payment } }) => payment?.id)).size).toBe(1);
    expect(new Set(done.map(({ body: { pay_params } }) => pay_params?.package)).size).toBe(1);
    expect(await rows('orders', 'external_id', external_id)).toBe(1);
    expect(await rows('payments', 'order_id', done[0]?.body.id ?? '')).toBe(1);
  });

  it('have numbers that belong to the service alone', async () => {
    const external_id = number();
    const rival = await paydesk.as('service', 'rival');
    const mine = await place(order({ external_id }));
    const theirs = await place(order({ external_id, amount: 5 }), {}, rival);
    expect([mine.status, theirs.status]).toEqual([201, 201]);
    expect(mine.body.id).not.toBe(theirs.body.id);
    const found = await rival.get<{ items: OrderView[] }>(`/orders/?external_id=${external_id}`);
    expect(found.body.items.map(({ id }) => id)).toEqual([theirs.body.id]);
  });

  it('do not exist for another service, nor their payments and refunds', async () => {
    const rival = await paydesk.as('service', 'rival');
    const { body } = await place(order({ start: { scene: 'jsapi' } }));
    const paymentId = body.payment?.id ?? '';
    await shop.post(`/payments/${paymentId}/succeed/`);
    const refund = await shop.post<{ id: string }>('/refunds/', { payment_id: paymentId, amount: 1 });
    expect(refund.status).toBe(201);
    const same = { 'x-request-id': 'the-same-request' };
    const asks: [prefix: 'ord' | 'pay' | 'ref', real: string, ask: (id: string) => ReturnType<Api['get']>][] = [
      ['ord', body.id, (id) => rival.get(`/orders/${id}/`, same)],
      ['ord', body.id, (id) => rival.get(`/orders/${id}/payments/`, same)],
      ['ord', body.id, (id) => rival.post(`/orders/${id}/cancel/`, {}, same)],
      ['ord', body.id, (id) => rival.post('/payments/', { order_id: id }, same)],
      ['ord', body.id, (id) => rival.post('/refunds/', { order_id: id }, same)],
      ['ord', body.id, (id) => rival.get(`/refunds/?order_id=${id}`, same)],
      ['pay', paymentId, (id) => rival.get(`/payments/${id}/`, same)],
      ['pay', paymentId, (id) => rival.post(`/payments/${id}/start/`, {}, same)],
      ['pay', paymentId, (id) => rival.post(`/payments/${id}/cancel/`, {}, same)],
      ['pay', paymentId, (id) => rival.post('/refunds/', { payment_id: id }, same)],
      ['pay', paymentId, (id) => rival.get(`/refunds/?payment_id=${id}`, same)],
      ['ref', refund.body.id, (id) => rival.get(`/refunds/${id}/`, same)],
      ['ref', refund.body.id, (id) => rival.post(`/refunds/${id}/approve/`, {}, same)],
      ['ref', refund.body.id, (id) => rival.post(`/refunds/${id}/succeed/`, {}, same)],
      ['ref', refund.body.id, (id) => rival.post(`/refunds/${id}/reject/`, { reason: 'no' }, same)],
    ];
    for (const [prefix, real, ask] of asks) {
      const existing = await ask(real);
      expect(existing).toMatchObject({ status: 404, body: { code: 'not_found' } });
      const missing = await ask(newId(prefix, paydesk.clock));
      expect({ status: missing.status, body: missing.body }).toEqual({ status: existing.status, body: existing.body });
    }
    expect((await rival.get<{ items: OrderView[] }>('/orders/')).body.items.map(({ id }) => id)).not.toContain(body.id);
  });

  it.each([
    ['external_id', { external_id: '' }],
    ['external_id', { external_id: 'x'.repeat(65) }],
    ['external_id', { external_id: 'a\u0000b' }],
    ['external_id', { external_id: 'a\nb' }],
    ['external_id', { external_id: 17 }],
    ['amount', { amount: 0 }],
    ['amount', { amount: 18.5 }],
    ['payer.openid', { payer: {} }],
    ['payer.openid', { payer: { openid: 'no spaces' } }],
    ['payer.openid', { payer: { openid: 'x'.repeat(129) } }],
    ['payer.appid', { payer: { openid: 'o1', appid: 'wx0000000000000000' } }],
    ['payer.unionid', { payer: { openid: 'o1', unionid: 'u1' } }],
    ['payer', { payer: 'o1' }],
    ['payer', { user_id: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }],
    ['user_id', { payer: undefined }],
    ['user_id', { payer: undefined, user_id: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }],
    ['expires_in', { expires_in: 59 }],
    ['expires_in', { expires_in: 1_296_001 }],
    ['merchant', { merchant: 'another' }],
    ['start.scene', { start: { scene: 'native' } }],
    ['start.scene', { start: {} }],
    ['start', { start: true }],
  ])('are refused with a wrong %s: %j', async (field, change) => {
    const { status, body } = await place(order({ ...change }));
    expect({ status, code: body.code, fields: body.errors?.map((error) => error.field) }).toEqual({
      status: 400,
      code: 'invalid_request',
      fields: [field],
    });
  });

  it.each([
    ['no payer', { payer: undefined }],
    ['a payer without an openid', { payer: {} }],
  ])('are not started for %s', async (_, change) => {
    const external_id = number();
    const answer = await place(order({ external_id, ...change, start: { scene: 'jsapi' } }));
    expect(answer).toMatchObject({ status: 422, body: { code: 'payer_openid_required' } });
    expect(await rows('orders', 'external_id', external_id)).toBe(0);
  });

  it('can be paid as long as the service says, and no longer', async () => {
    const started = paydesk.clock.now().getTime();
    const { body } = await place(order({ expires_in: 7200, start: { scene: 'jsapi' } }));
    const ends = new Date(started + 7_200_000).toISOString();
    expect([body.expires_at, body.payment?.expires_at]).toEqual([ends, ends]);
    await shop.post(`/payments/${body.payment?.id}/cancel/`);
    paydesk.clock.advance(3_600_000);
    const second = await shop.post<PaymentView>('/payments/', { order_id: body.id });
    expect(second).toMatchObject({ status: 201, body: { expires_at: ends } });
    await shop.post(`/payments/${second.body.id}/cancel/`);
    paydesk.clock.advance(3_600_000);
    expect(await shop.post('/payments/', { order_id: body.id })).toMatchObject({
      status: 409,
      body: { code: 'order_expired' },
    });
  });

  describe('are cancelled', () => {
    it('with their open payment, by the service and by the user', async () => {
      const customer = await newCustomer(paydesk);
      for (const api of [shop, customer.api]) {
        const { body } = await place(order({ payer: undefined, user_id: customer.id, start: { scene: 'jsapi' } }));
        expect(await api.post(`/orders/${body.id}/cancel/`)).toMatchObject({
          status: 200,
          body: { status: 'cancelled' },
        });
        expect(await api.post(`/orders/${body.id}/cancel/`)).toMatchObject({
          status: 200,
          body: { status: 'cancelled' },
        });
        expect(await movesOf(paydesk, body.id)).toEqual([
          'payment init by request',
          'payment processing by request',
          'payment closed by request',
          'order cancelled by request',
        ]);
        const late = await place(order({ payer: undefined, user_id: customer.id }));
        await api.post(`/orders/${late.body.id}/cancel/`);
        expect(await api.post('/payments/', { order_id: late.body.id })).toMatchObject({
          status: 409,
          body: { code: 'order_not_payable' },
        });
      }
    });

    it('never once they are paid', async () => {
      const { body } = await place(order({ start: { scene: 'jsapi' } }));
      await shop.post(`/payments/${body.payment?.id}/succeed/`);
      expect(await shop.post(`/orders/${body.id}/cancel/`)).toMatchObject({
        status: 409,
        body: { code: 'order_not_cancellable', detail: 'the order is paid' },
      });
    });

    // Without the order's lock both decide on what they have read before, and the payment of a cancelled order stays open.
    it('with no payment left open that was made meanwhile', async () => {
      const { body } = await place(order());
      const holder = paydesk.db.createQueryRunner();
      await holder.connect();
      await holder.query('BEGIN');
      await holder.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [body.id]);
      const racing = Promise.all([
        shop.post(`/orders/${body.id}/cancel/`),
        shop.post('/payments/', { order_id: body.id }),
      ]);
      await waitUntilBlocked(paydesk, 2);
      await holder.query('COMMIT');
      await holder.release();
      expect((await racing)[0]).toMatchObject({ status: 200, body: { status: 'cancelled' } });
      const { body: list } = await shop.get<{ items: PaymentView[] }>(`/orders/${body.id}/payments/`);
      expect(list.items.filter(({ status }) => status !== 'closed')).toEqual([]);
    });

    it('or paid, never both, when cancelling and paying race', async () => {
      const placed = await times(12, () => place(order({ start: { scene: 'jsapi' } })));
      await Promise.all(
        placed.flatMap(({ body }) => [
          shop.post(`/orders/${body.id}/cancel/`),
          paydesk.callback({ payment_id: body.payment?.id, status: 'SUCCESS' }),
          shop.post('/payments/', { order_id: body.id }),
        ]),
      );
      for (const { body } of placed) {
        const now = await shop.get<OrderView>(`/orders/${body.id}/`);
        const { body: list } = await shop.get<{ items: PaymentView[] }>(`/orders/${body.id}/payments/`);
        const open = list.items.filter(({ status }) => status === 'init' || status === 'processing');
        if (now.body.status === 'cancelled') expect(open).toEqual([]);
        else expect(['paid', 'pending']).toContain(now.body.status);
        if (now.body.status === 'paid') expect(now.body.paid_payment_id).toBe(body.payment?.id);
      }
    });
  });

  describe('are listed', () => {
    let desk: Api;
    let user: string;
    beforeAll(async () => {
      desk = await paydesk.as('service', 'desk');
      user = (await newCustomer(paydesk)).id;
      for (let index = 0; index < 7; index += 1) {
        const payer = index % 2 ? { user_id: user } : { payer: { openid: 'o1' } };
        const { body } = await place(
          { description: 'tea', amount: 100 + index, external_id: `d-${index}`, ...payer },
          {},
          desk,
        );
        if (index < 3) await desk.post(`/orders/${body.id}/cancel/`);
        paydesk.clock.advance(60_000);
      }
    });
    const numbersOf = async (query: string): Promise<(string | null)[]> => {
      const { status, body } = await desk.get<{ items: OrderView[] }>(`/orders/?${query}`);
      expect(status).toBe(200);
      return body.items.map(({ external_id }) => external_id);
    };

    it('newest first, a page after another', async () => {
      const seen: (string | null)[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: { items: OrderView[]; next_cursor: string | null } = (
          await desk.get<{ items: OrderView[]; next_cursor: string | null }>(`/orders/?limit=3&cursor=${cursor}`)
        ).body;
        seen.push(...page.items.map(({ external_id }) => external_id));
        cursor = page.next_cursor;
      }
      expect(seen).toEqual(['d-6', 'd-5', 'd-4', 'd-3', 'd-2', 'd-1', 'd-0']);
    });

    it('by number, status, user and time', async () => {
      expect(await numbersOf('external_id=d-4')).toEqual(['d-4']);
      expect(await numbersOf('external_id=d-99')).toEqual([]);
      expect(await numbersOf('status=cancelled')).toEqual(['d-2', 'd-1', 'd-0']);
      expect(await numbersOf(`user_id=${user}&status=pending`)).toEqual(['d-5', 'd-3']);
      const { body } = await desk.get<{ items: OrderView[] }>('/orders/?external_id=d-3');
      const from = encodeURIComponent(body.items[0]?.created_at ?? '');
      expect(await numbersOf(`created_from=${from}`)).toEqual(['d-6', 'd-5', 'd-4', 'd-3']);
      expect(await numbersOf(`created_to=${from}`)).toEqual(['d-2', 'd-1', 'd-0']);
    });

    it.each(['status=open', 'created_from=yesterday', 'limit=0', 'external_id=', 'cursor=abc', 'what=1'])(
      'with a clear refusal of %s',
      async (query) => {
        expect((await desk.get(`/orders/?${query}`)).status).toBe(400);
      },
    );

    it('to a user by status, and nothing of another user', async () => {
      const customer = await newCustomer(paydesk);
      const made = await times(3, () => place({ user_id: customer.id, description: 'tea', amount: 5 }));
      await customer.api.post(`/orders/${made[0]?.body.id}/cancel/`);
      const of = async (query: string) =>
        (await customer.api.get<{ items: OrderView[] }>(`/orders/?${query}`)).body.items.map(({ id }) => id);
      expect(await of('status=cancelled')).toEqual([made[0]?.body.id]);
      expect((await of('status=pending')).sort()).toEqual([made[1]?.body.id, made[2]?.body.id].sort());
      expect(await of(`user_id=${user}`)).toEqual([]);
    });
  });
});

describe("users of a shop's backend", () => {
  let paydesk: TestApp;
  let shop: Api;
  beforeAll(async () => {
    paydesk = await startTestApp();
    shop = await paydesk.as('service', 'shop');
  });
  afterAll(() => paydesk.close());

  it('are the same for the same openid, however often and by whom they are handed in', async () => {
    const answers = await times(10, () => shop.post<{ id: string }>('/users/', { openid: 'mock_walter' }));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array<number>(9).fill(200), 201]);
    expect(new Set(answers.map(({ body }) => body.id))).toEqual(new Set([(await paydesk.login('walter')).id]));
    expect(answers[0]?.body).toMatchObject({ openid: 'mock_walter', appid: 'mock_appid', external_id: null });
    const other = await paydesk.as('service', 'other');
    expect((await other.post('/users/', { openid: 'mock_walter' })).body.id).toBe(answers[0]?.body.id);
  });

  it('have one number of each service', async () => {
    const hand = (openid: string, external_id: string, api: Api = shop) =>
      api.post<{ id: string } & Problem>('/users/', { openid, external_id });
    const first = await hand('o_1', 'u-1');
    expect(first).toMatchObject({ status: 201, body: { external_id: 'u-1' } });
    expect(await hand('o_1', 'u-1')).toMatchObject({ status: 200, body: { id: first.body.id } });
    expect((await shop.post('/users/', { openid: 'o_1' })).body).toMatchObject({ external_id: 'u-1' });
    for (const [openid, external_id, field] of [
      ['o_1', 'u-2', 'external_id'],
      ['o_2', 'u-1', 'openid'],
    ] as const) {
      const { status, body } = await hand(openid, external_id);
      expect({ status, code: body.code, fields: body.errors?.map((error) => error.field) }).toEqual({
        status: 409,
        code: 'external_id_conflict',
        fields: [field],
      });
    }
    expect(await hand('o_2', 'u-1', await paydesk.as('service', 'other'))).toMatchObject({
      status: 200,
      body: { external_id: 'u-1' },
    });
  });

  it('have one number when many requests race for it', async () => {
    const answers = await times(20, (index) =>
      shop.post<{ external_id: string }>('/users/', { openid: `race_${index % 2}`, external_id: 'u-race' }),
    );
    expect(answers.filter(({ status }) => status < 300)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(10);
  });

  it('come from a service alone, with an openid of this app', async () => {
    for (const role of ['user', 'operator'] as const)
      expect((await (await paydesk.as(role)).post('/users/', { openid: 'o_9' })).status).toBe(403);
    for (const [body, field] of [
      [{}, 'openid'],
      [{ openid: '' }, 'openid'],
      [{ openid: 'a b' }, 'openid'],
      [{ openid: 'o_9', appid: 'wx0000000000000000' }, 'appid'],
      [{ openid: 'o_9', external_id: 'x'.repeat(65) }, 'external_id'],
      [{ openid: 'o_9', external_id: 'a\u200bb' }, 'external_id'],
    ] as const) {
      const answer = await shop.post<Problem>('/users/', body);
      expect({ status: answer.status, fields: answer.body.errors?.map((error) => error.field) }).toEqual({
        status: 400,
        fields: [field],
      });
    }
  });
});
