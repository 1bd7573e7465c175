import { HOUR, MINUTE, SECOND } from '../../src/common/clock.js';
import { type Answer, startTestApp, type TestApp, times } from '../support/app.js';
import {
  announcementsOf,
  buy,
  buyAndStart,
  movesOf,
  newCustomer,
  orderOf,
  orderTea,
  paymentOf,
  placeOrder,
  placePayment,
  type Problem,
  type StartedView,
  statesOf,
} from '../support/flows.js';

const TTL = 30 * MINUTE;

describe('orders and payments', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    // Tokens outlive the hours that pass here.
    paydesk = await startTestApp({ env: { JWT_TTL_SECONDS: '2592000', LATE_PAYMENT_POLICY: 'hold' } });
  });
  afterAll(() => paydesk.close());

  const expectRefusal = (answer: Answer<unknown>, status: number, code: string): void => {
    expect([answer.status, (answer.body as Problem).code]).toEqual([status, code]);
  };

  it('sells at the price of the catalogue', async () => {
    const { body } = await paydesk.api().get<{ items: { id: string; amount: number }[] }>('/products/');
    expect(body.items).toHaveLength(4);
    for (const product of body.items) {
      const { api } = await newCustomer(paydesk);
      const order = await api.post('/orders/', { product_id: product.id, quantity: 3 });
      expect(order).toMatchObject({ status: 201, body: { amount: 3 * product.amount, currency: 'CNY' } });
    }
  });

  it('pages through a list without a gap or a repeat while new ones come in', async () => {
    const customer = await newCustomer(paydesk);
    const placed: string[] = [];
    for (let index = 0; index < 7; index += 1) {
      paydesk.clock.advance(1);
      placed.push((await orderTea(customer)).body.id);
    }
    const seen: string[] = [];
    let cursor: string | null = '';
    for (let pages = 0; cursor !== null && pages < 10; pages += 1) {
      const path: string = `/orders/?limit=3&cursor=${cursor}`;
      const page: Answer<{ items: { id: string }[]; next_cursor: string | null }> = await customer.api.get(path);
      seen.push(...page.body.items.map((order) => order.id));
      cursor = page.body.next_cursor;
      paydesk.clock.advance(1);
      await orderTea(customer);
    }
    expect(seen).toEqual(placed.reverse());
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=1.5',
    'limit=ten',
    'limit=1&limit=2',
    'offset=5',
    'cursor=_____',
  ])('refuses a list by ?%s', async (query) => {
    const { api } = await newCustomer(paydesk);
    for (const path of ['/orders/', '/notifications/']) expect((await api.get(`${path}?${query}`)).status).toBe(400);
  });

  it('has one open payment for an order, however many ask for it at once', async () => {
    const customer = await newCustomer(paydesk);
    const order_id = await placeOrder(paydesk, customer);
    const answers = await times(50, () => customer.api.post('/payments/', { order_id }));
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(49);
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(await movesOf(paydesk, order_id)).toEqual(['payment init by request']);
  });

  it('hands out one prepay id, freshly signed each time, however many start at once', async () => {
    const bought = await buy(paydesk);
    const answers = await times(50, () => bought.customer.api.post<StartedView>(`${bought.path}start/`));
    expect(answers.map((answer) => answer.status)).toEqual(Array(50).fill(200));
    expect(new Set(answers.map((answer) => answer.body.pay_params.package)).size).toBe(1);
    expect(new Set(answers.map((answer) => answer.body.pay_params.paySign)).size).toBe(50);
    expect(await movesOf(paydesk, bought.orderId)).toEqual([
      'payment init by request',
      'payment processing by request',
    ]);
  });

  it('is paid once, however many pay at once', async () => {
    const bought = await buy(paydesk);
    const answers = await times(50, () => bought.customer.api.post(`${bought.path}succeed/`));
    expect(answers.map((answer) => answer.status)).toEqual(Array(50).fill(200));
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
    expect(await statesOf(bought)).toBe('succeeded/paid');
    expect((await movesOf(paydesk, bought.orderId)).slice(1)).toEqual([
      'payment succeeded by request',
      'order paid by request',
    ]);
    expect(await announcementsOf(paydesk, bought.paymentId)).toEqual(['payment.succeeded']);
    expect((await bought.customer.api.get<{ items: unknown[] }>('/notifications/')).body.items).toHaveLength(1);
  });

  it('re-signs the prepay id while it lives and gets a new one after two hours', async () => {
    const long = await startTestApp({ env: { PAYMENT_TTL_SECONDS: '86400', JWT_TTL_SECONDS: '86400' } });
    const { customer, path } = await buy(long);
    const start = async (): Promise<StartedView['pay_params']> =>
      (await customer.api.post<StartedView>(`${path}start/`)).body.pay_params;
    const first = await start();
    long.clock.advance(HOUR);
    const second = await start();
    expect(second.package).toBe(first.package);
    expect(Number(second.timeStamp) - Number(first.timeStamp)).toBe(3600);
    expect([second.nonceStr, second.paySign]).not.toEqual([first.nonceStr, first.paySign]);
    long.clock.advance(HOUR);
    expect((await start()).package).not.toBe(first.package);
    await long.close();
  });

  it('can be started up to its last moment and not after', async () => {
    const bought = await buy(paydesk);
    paydesk.clock.advance(TTL - 1);
    expect((await bought.customer.api.post(`${bought.path}start/`)).status).toBe(200);
    paydesk.clock.advance(1);
    expectRefusal(await bought.customer.api.post(`${bought.path}start/`), 409, 'payment_expired');
    expectRefusal(await bought.customer.api.post(`${bought.path}succeed/`), 409, 'payment_expired');
    expect(await statesOf(bought)).toBe('processing/pending');
  });

  it('gives an order as long as its latest payment, and takes no payment after', async () => {
    const customer = await newCustomer(paydesk);
    const { body: order } = await orderTea(customer);
    paydesk.clock.advance(20 * MINUTE);
    const paymentId = await placePayment(customer, order.id);
    const payment = await customer.api.get(`/payments/${paymentId}/`);
    const extended = await customer.api.get(`/orders/${order.id}/`);
    expect(extended.body.expires_at).toBe(payment.body.expires_at);
    expect(Date.parse(String(extended.body.expires_at)) - Date.parse(order.expires_at)).toBe(20 * MINUTE);
    await customer.api.post(`/payments/${paymentId}/cancel/`);
    paydesk.clock.advance(TTL);
    expectRefusal(await customer.api.post('/payments/', { order_id: order.id }), 409, 'order_expired');
  });

  it.each(['init', 'processing'])('can be closed by its owner while it is %s, again and again', async (state) => {
    const bought = await (state === 'init' ? buy(paydesk) : buyAndStart(paydesk));
    const answers = await times(20, () => bought.customer.api.post(`${bought.path}cancel/`));
    expect(answers.map((answer) => [answer.status, answer.body.status])).toEqual(Array(20).fill([200, 'closed']));
    expect(await statesOf(bought)).toBe('closed/pending');
    expect((await movesOf(paydesk, bought.orderId)).at(-1)).toBe('payment closed by request');
    expect(await announcementsOf(paydesk, bought.paymentId)).toEqual(['payment.closed']);
    for (const step of ['start', 'succeed']) {
      expectRefusal(await bought.customer.api.post(`${bought.path}${step}/`), 409, 'payment_not_open');
    }
  });

  it('becomes succeeded when it is cancelled and the channel says that it was paid', async () => {
    const bought = await buyAndStart(paydesk, { metadata: { mock_outcome: 'success' } });
    expect(await bought.customer.api.post(`${bought.path}cancel/`)).toMatchObject({
      status: 200,
      body: { status: 'succeeded' },
    });
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('cannot be cancelled once it is paid', async () => {
    const bought = await buyAndStart(paydesk);
    await bought.customer.api.post(`${bought.path}succeed/`);
    for (const step of ['cancel', 'start']) {
      expectRefusal(await bought.customer.api.post(`${bought.path}${step}/`), 409, 'payment_not_open');
    }
    expect((await bought.customer.api.post(`${bought.path}sync/`)).body.status).toBe('succeeded');
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it.each<[string, Record<string, unknown>, (path: string) => string]>([
    ['closed', {}, (path) => `${path}cancel/`],
    ['failed', { mock_outcome: 'fail' }, (path) => `${path}succeed/`],
  ])('can be followed by another payment of its order when it is %s', async (state, metadata, end) => {
    const first = await buyAndStart(paydesk, { metadata });
    expect((await first.customer.api.post(end(first.path))).body.status).toBe(state);
    const second = await placePayment(first.customer, first.orderId);
    expect(second).not.toBe(first.paymentId);
    await paydesk.callback({ payment_id: second, status: 'SUCCESS' });
    expect(await orderOf(first)).toMatchObject({ status: 'paid' });
    expect(await paymentOf(first)).toMatchObject({ status: state, paid_at: null, transaction_id: null });
    expectRefusal(await first.customer.api.post('/payments/', { order_id: first.orderId }), 409, 'order_not_payable');
  });

  it('says when it was paid, and by which transaction', async () => {
    const bought = await buyAndStart(paydesk);
    paydesk.clock.advance(5 * SECOND);
    const { body } = await bought.customer.api.post(`${bought.path}succeed/`);
    const now = paydesk.clock.now().toISOString();
    expect(body).toMatchObject({ paid_at: now, failure: null });
    expect(body.transaction_id).toMatch(/^mock_/);
    expect(await orderOf(bought)).toMatchObject({ paid_at: now, refunded_amount: 0 });
  });

  it('leaves a notification to be read once', async () => {
    const bought = await buy(paydesk);
    await bought.customer.api.post(`${bought.path}succeed/`);
    const list = await bought.customer.api.get<{ items: { id: string; read_at: string | null }[] }>('/notifications/');
    const id = list.body.items[0]?.id ?? '';
    expect(list.body.items[0]).toMatchObject({
      type: 'payment.succeeded',
      read_at: null,
      data: { payment_id: bought.paymentId, order_id: bought.orderId, amount: 1800, currency: 'CNY' },
    });
    const read = await bought.customer.api.post(`/notifications/${id}/read/`);
    paydesk.clock.advance(MINUTE);
    expect(await bought.customer.api.post(`/notifications/${id}/read/`)).toMatchObject({
      status: 200,
      body: read.body,
    });
    expect(read.body.read_at).not.toBeNull();
  });
});
