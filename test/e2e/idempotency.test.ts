import { DAY, MINUTE } from '../../src/common/clock.js';
import { type Answer, startTestApp, TEA, type TestApp, times } from '../support/app.js';
import {
  movesOf,
  newCustomer,
  orderTea,
  type OrderView,
  placeOrder,
  type Problem,
  raw,
  waitUntilBlocked,
} from '../support/flows.js';

describe('Idempotency-Key', () => {
  let paydesk: TestApp;
  let keys = 0;

  beforeAll(async () => {
    paydesk = await startTestApp();
  });
  afterAll(() => paydesk.close());

  const newKey = (): { 'idempotency-key': string } => {
    keys += 1;
    return { 'idempotency-key': `key-${keys}` };
  };
  const ordersOf = async (userId: string): Promise<number> => {
    const [row] = await paydesk.db.query<[{ n: string }]>('SELECT count(*) n FROM orders WHERE user_id = $1', [userId]);
    return Number(row.n);
  };

  /** As if the process that ran the first request had died: its answer was never kept. */
  const forgetAnswer = (key: string): Promise<unknown> =>
    paydesk.db.query('UPDATE idempotency_keys SET http_status = NULL, body = NULL WHERE key = $1', [key]);

  it('gives the first answer again to the same request, marked as such', async () => {
    const customer = await newCustomer(paydesk);
    const key = newKey();
    const first = await orderTea(customer, key);
    paydesk.clock.advance(MINUTE);
    const again = await orderTea(customer, key);
    expect(first.status).toBe(201);
    expect(again).toMatchObject({ status: 201, body: first.body });
    expect([first, again].map((answer) => answer.headers.get('idempotent-replayed'))).toEqual([null, 'true']);
    expect(await ordersOf(customer.id)).toBe(1);
  });

  it('takes another spelling of the path for the same request', async () => {
    const customer = await newCustomer(paydesk);
    const key = `key-spelled-${customer.id}`;
    const ask = (path: string) =>
      raw(
        paydesk.url,
        'POST',
        path,
        [
          ['content-type', 'application/json'],
          ['authorization', `Bearer ${customer.token}`],
          ['idempotency-key', key],
        ],
        JSON.stringify({ product_id: TEA, quantity: 1 }),
      );
    const first = await ask('/api/orders/');
    expect(first.status).toBe(201);
    for (const path of ['/api/orders', '/api/%6Frders/?a=b', 'http://shop.example.com/api/orders/', '/api/orders#x'])
      expect([path, await ask(path)]).toMatchObject([path, { status: 201, text: first.text }]);
    expect(await ordersOf(customer.id)).toBe(1);
  });

  it('gives the first answer of a payment again, its status 201 included, though the payment has moved on', async () => {
    const customer = await newCustomer(paydesk);
    const order_id = await placeOrder(paydesk, customer);
    const key = newKey();
    const first = await customer.api.post<{ id: string }>('/payments/', { order_id }, key);
    await customer.api.post(`/payments/${first.body.id}/cancel/`);
    expect(await customer.api.post('/payments/', { order_id }, key)).toMatchObject({ status: 201, body: first.body });
    expect(await movesOf(paydesk, order_id)).toEqual(['payment init by request', 'payment closed by request']);
  });

  it('makes one order, however many send the same request at once', async () => {
    const customer = await newCustomer(paydesk);
    const key = newKey();
    const answers = await times(30, () => orderTea(customer, key) as Promise<Answer<OrderView | Problem>>);
    expect(await ordersOf(customer.id)).toBe(1);
    const made = answers.filter((answer) => answer.status === 201).map((answer) => (answer.body as OrderView).id);
    expect(new Set(made).size).toBe(1);
    for (const { status, body } of answers.filter((answer) => answer.status !== 201)) {
      expect([status, (body as Problem).code]).toEqual([409, 'idempotency_in_progress']);
    }
    expect(await orderTea(customer, key)).toMatchObject({ status: 201, body: { id: made[0] } });
  });

  it('lets one request through of several that claim a key in the same moment', async () => {
    const customer = await newCustomer(paydesk);
    const key = newKey();
    // A claim that is not committed yet, and then never was.
    const rival = paydesk.db.createQueryRunner();
    await rival.startTransaction();
    await rival.query(
      `INSERT INTO idempotency_keys (user_id, key, fingerprint, resource, locked_until, created_at)
       VALUES ($1, $2, '', '', now(), now())`,
      [customer.id, key['idempotency-key']],
    );
    const asked = times(5, () => orderTea(customer, key));
    await waitUntilBlocked(paydesk, 5);
    await rival.rollbackTransaction();
    await rival.release();
    const made = (await asked).filter((answer) => answer.status === 201).map((answer) => answer.body.id);
    expect(new Set(made).size).toBe(1);
    expect(await ordersOf(customer.id)).toBe(1);
  });

  it('refuses another body, and another path, under the same key', async () => {
    const customer = await newCustomer(paydesk);
    const key = newKey();
    const { body } = await orderTea(customer, key);
    for (const [path, other] of [
      ['/orders/', { product_id: TEA, quantity: 2 }],
      ['/payments/', { order_id: body.id }],
    ] as const) {
      const answer = await customer.api.post<Problem>(path, other, key);
      expect([answer.status, answer.body.code]).toEqual([422, 'idempotency_key_reused']);
    }
    expect(await ordersOf(customer.id)).toBe(1);
  });

  it('is the same request with and without a trailing slash', async () => {
    const customer = await newCustomer(paydesk);
    const key = newKey();
    const { body } = await orderTea(customer, key);
    expect(await customer.api.post('/orders', { product_id: TEA, quantity: 1 }, key)).toMatchObject({ body });
  });

  it('answers 409 while the first request runs', async () => {
    const customer = await newCustomer(paydesk);
    const key = newKey();
    const order_id = await placeOrder(paydesk, customer);
    const lock = paydesk.db.createQueryRunner();
    await lock.startTransaction();
    await lock.query('SELECT 1 FROM orders WHERE id = $1 FOR UPDATE', [order_id]);
    const first = customer.api.post('/payments/', { order_id }, key);
    await waitUntilBlocked(paydesk);
    const second = await customer.api.post<Problem>('/payments/', { order_id }, key);
    expect([second.status, second.body.code]).toEqual([409, 'idempotency_in_progress']);
    await lock.commitTransaction();
    await lock.release();
    expect((await first).status).toBe(201);
  });

  it('belongs to its user: the same key of somebody else is another one', async () => {
    const [one, other] = [await newCustomer(paydesk), await newCustomer(paydesk)];
    const key = newKey();
    const answers = [await orderTea(one, key), await orderTea(other, key)];
    expect(answers.map((answer) => [answer.status, answer.body.user_id])).toEqual([
      [201, one.id],
      [201, other.id],
    ]);
  });

  it('lives for 24 hours', async () => {
    const shop = await paydesk.as('service', 'shop-of-every-day');
    const customer = await newCustomer(paydesk);
    const key = newKey();
    const order = { user_id: customer.id, description: 'Daily tea', amount: 100 };
    const first = await shop.post<OrderView>('/orders/', order, key);
    paydesk.clock.advance(DAY - 1000);
    const sameDay = await (await paydesk.as('service', 'shop-of-every-day')).post<OrderView>('/orders/', order, key);
    expect(sameDay.body.id).toBe(first.body.id);
    paydesk.clock.advance(2000);
    const nextDay = await (await paydesk.as('service', 'shop-of-every-day')).post<OrderView>('/orders/', order, key);
    expect([nextDay.status, nextDay.body.id === first.body.id]).toEqual([201, false]);
  });

  it('is free again after a refusal, as nothing was made', async () => {
    const customer = await newCustomer(paydesk);
    const key = newKey();
    expect((await customer.api.post('/orders/', { product_id: TEA, quantity: 0 }, key)).status).toBe(400);
    expect((await orderTea(customer, key)).status).toBe(201);
  });

  it('is not asked for: without it every request makes an order', async () => {
    const customer = await newCustomer(paydesk);
    await times(3, () => orderTea(customer));
    expect(await ordersOf(customer.id)).toBe(3);
  });

  it.each(['', 'with space', 'one, two', 'x'.repeat(256)])('refuses the key "%s", naming the header', async (value) => {
    const customer = await newCustomer(paydesk);
    const answer = (await orderTea(customer, { 'idempotency-key': value })) as Answer<unknown> as Answer<Problem>;
    expect([answer.status, answer.body.errors?.map((error) => error.field)]).toEqual([400, ['Idempotency-Key']]);
  });

  it.each([
    ['twice with one value is one key', ['same', 'same'], 201],
    ['twice with two values is refused', ['one', 'other'], 400],
  ] as const)('sent %s', async (_, values, status) => {
    const { token } = await newCustomer(paydesk);
    const headers: [string, string][] = [
      ['authorization', `Bearer ${token}`],
      ['content-type', 'application/json'],
      ...values.map((value): [string, string] => ['idempotency-key', value]),
    ];
    const body = JSON.stringify({ product_id: TEA, quantity: 1 });
    expect((await raw(paydesk.url, 'POST', '/api/orders/', headers, body)).status).toBe(status);
  });

  describe('after a crash between the commit and the answer', () => {
    it('is in progress for a minute, then finds what was made', async () => {
      const customer = await newCustomer(paydesk);
      const key = newKey();
      const first = await orderTea(customer, key);
      await forgetAnswer(key['idempotency-key']);
      const soon = (await orderTea(customer, key)) as Answer<unknown> as Answer<Problem>;
      expect([soon.status, soon.body.code]).toEqual([409, 'idempotency_in_progress']);
      paydesk.clock.advance(MINUTE);
      expect(await orderTea(customer, key)).toMatchObject({ status: 201, body: { id: first.body.id } });
      expect(await ordersOf(customer.id)).toBe(1);
    });

    it('lets one of many repeats take it over', async () => {
      const customer = await newCustomer(paydesk);
      const key = newKey();
      const first = await orderTea(customer, key);
      await forgetAnswer(key['idempotency-key']);
      paydesk.clock.advance(MINUTE);
      const answers = await times(20, () => orderTea(customer, key));
      const made = answers.filter((answer) => answer.status === 201);
      expect(new Set(made.map((answer) => answer.body.id))).toEqual(new Set([first.body.id]));
      expect(await ordersOf(customer.id)).toBe(1);
    });

    it.each(['succeed', 'cancel'])('answers the payment that it made, after its %s', async (how) => {
      const customer = await newCustomer(paydesk);
      const order_id = await placeOrder(paydesk, customer);
      const key = newKey();
      const { body } = await customer.api.post<{ id: string }>('/payments/', { order_id }, key);
      await forgetAnswer(key['idempotency-key']);
      await customer.api.post(`/payments/${body.id}/${how}/`);
      paydesk.clock.advance(MINUTE);
      const again = await customer.api.post<{ id: string }>('/payments/', { order_id }, key);
      expect([again.status, again.body.id]).toEqual([201, body.id]);
    });
  });
});
