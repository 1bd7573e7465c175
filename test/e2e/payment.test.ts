import { startTestApp, TEA, type TestApp, times } from '../support/app.js';

describe('a payment under the mock provider', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp();
  });
  afterAll(() => paydesk.close());

  it('goes from a pending order to a paid one with a notification beside it', async () => {
    const alice = await paydesk.login('alice');
    const order = await alice.api.post('/orders/', { product_id: TEA, quantity: 2 });
    expect(order.status).toBe(201);
    expect(order.body).toMatchObject({ status: 'pending', amount: 3600, user_id: alice.id, paid_at: null });

    const payment = await alice.api.post('/payments/', { order_id: order.body.id });
    expect(payment.status).toBe(201);
    const path = `/payments/${String(payment.body.id)}/`;
    const started = await alice.api.post<{ pay_params: Record<string, string>; payment: unknown }>(`${path}start/`);
    expect(started.status).toBe(200);
    expect(Object.keys(started.body.pay_params).sort()).toEqual([
      'nonceStr',
      'package',
      'paySign',
      'signType',
      'timeStamp',
    ]);

    const paid = await alice.api.post(`${path}succeed/`);
    expect(paid).toMatchObject({ status: 200, body: { status: 'succeeded', amount: 3600 } });
    expect((await alice.api.get(`/orders/${String(order.body.id)}/`)).body).toMatchObject({ status: 'paid' });
    const { body } = await alice.api.get<{ items: { type: string }[] }>('/notifications/');
    expect(body.items.map((item) => item.type)).toEqual(['payment.succeeded']);
  });

  it('has one effect, however many succeed at once', async () => {
    const bob = await paydesk.login('bob');
    const order = await bob.api.post('/orders/', { product_id: TEA, quantity: 1 });
    const payments = await times(50, () => bob.api.post('/payments/', { order_id: order.body.id }));
    expect(new Set(payments.map((answer) => answer.body.id)).size).toBe(1);
    const path = `/payments/${String(payments[0]?.body.id)}/`;
    const starts = await times(50, () => bob.api.post<{ pay_params: { package: string } }>(`${path}start/`));
    expect(new Set(starts.map((answer) => answer.body.pay_params.package)).size).toBe(1);
    const answers = await times(50, () => bob.api.post(`${path}succeed/`));
    expect(answers.map((answer) => answer.status)).toEqual(Array(50).fill(200));
    const events = await paydesk.db.query<{ to_status: string; entity: string }[]>(
      'SELECT entity, to_status FROM payment_events WHERE order_id = $1 ORDER BY id',
      [order.body.id],
    );
    expect(events.map((event) => `${event.entity} ${event.to_status}`)).toEqual([
      'payment init',
      'payment processing',
      'payment succeeded',
      'order paid',
    ]);
  });
});
