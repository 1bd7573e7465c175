import type { OpenAPIObject } from '@nestjs/swagger';
import { newId } from '../../src/common/ids.js';
import { type Api, startTestApp, TEA, type TestApp } from '../support/app.js';
import { type Bought, buy, newCustomer, paymentOf, type Problem, raw, statesOf } from '../support/flows.js';

const PUBLIC = [
  'GET /api/products',
  'GET /health/live',
  'GET /health/ready',
  'POST /api/auth/login',
  'POST /api/payments/callback/mock',
  'POST /api/payments/callback/wechat',
  'POST /api/refunds/callback/wechat',
];

interface Route {
  method: string;
  path: string;
}

describe('who may do what', () => {
  let paydesk: TestApp;
  let routes: Route[];
  let bought: Bought;

  beforeAll(async () => {
    paydesk = await startTestApp();
    const document = (await (await fetch(`${paydesk.url}/openapi.json`)).json()) as OpenAPIObject;
    routes = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => ({ method: method.toUpperCase(), path })),
    );
    bought = await buy(paydesk);
    await bought.customer.api.post(`${bought.path}start/`);
  });
  afterAll(() => paydesk.close());

  it('asks for a token on every route but the public ones', async () => {
    const open: string[] = [];
    for (const { method, path } of routes) {
      const { status, text } = await raw(paydesk.url, method, path.replaceAll(/\{\w+\}/g, bought.paymentId));
      const problem = text.startsWith('{') ? (JSON.parse(text) as Partial<Problem>) : {};
      if (status !== 401 || problem.code !== 'unauthenticated') open.push(`${method} ${path}`);
    }
    expect(open.filter((route) => route !== 'GET /metrics').sort()).toEqual(PUBLIC);
  });

  it('asks for the token before it says whether a thing exists or the body is right', async () => {
    for (const id of [bought.paymentId, newId('pay', paydesk.clock), 'nonsense']) {
      expect((await paydesk.api().get(`/payments/${id}/`)).status).toBe(401);
      expect((await paydesk.api().post(`/payments/${id}/succeed/`, { what: 1 })).status).toBe(401);
    }
  });

  it('answers 403 to a role that may not place orders', async () => {
    const operator = await paydesk.as('operator');
    const answer = await operator.post<Problem>('/orders/', { product_id: TEA, quantity: 1 });
    expect(answer).toMatchObject({ status: 403, body: { status: 403, code: 'forbidden' } });
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  it('lets neither a user name a price nor a service order from the catalogue', async () => {
    const service = await paydesk.as('service');
    const byService = await service.post<Problem>('/orders/', { product_id: TEA, quantity: 1 });
    const order = { user_id: bought.customer.id, description: 'cheap', amount: 1 };
    const byUser = await bought.customer.api.post<Problem>('/orders/', order);
    expect([byService.status, byUser.status]).toEqual([400, 400]);
    expect(byUser.body.errors?.map((error) => error.field)).toEqual(expect.arrayContaining(['amount', 'user_id']));
  });

  const REQUEST = { 'x-request-id': 'the-same-request' };

  const strangers: [string, () => Promise<Api>][] = [
    ['another user', async () => (await newCustomer(paydesk)).api],
    ['an operator', () => paydesk.as('operator')],
    ['another service', () => paydesk.as('service')],
  ];

  it.each(strangers)("tells %s no more of somebody's things than of things that are not there", async (_, who) => {
    const api = await who();
    const mine = [
      ...routes.filter(({ path }) => /^\/api\/(orders|payments)\/\{id\}/.test(path)),
      { method: 'POST', path: '/api/notifications/{id}/read' },
    ];
    expect(mine.length).toBeGreaterThanOrEqual(7);
    for (const { method, path } of mine) {
      const entity = /api\/(\w+)/.exec(path)?.[1];
      const real =
        entity === 'orders' ? bought.orderId : entity === 'payments' ? bought.paymentId : await notificationId();
      const prefix = entity === 'orders' ? 'ord' : entity === 'payments' ? 'pay' : 'ntf';
      const ask = async (id: string): Promise<string> => {
        const bare = path.replace(/^\/api/, '').replace('{id}', id);
        const answer = await (method === 'GET' ? api.get(bare, REQUEST) : api.post(bare, undefined, REQUEST));
        const headers = [...answer.headers].filter(([name]) => name !== 'date');
        return JSON.stringify([answer.status, headers, answer.body]);
      };
      const existing = await ask(real);
      expect(existing).toContain('"code":"not_found"');
      for (const id of [newId(prefix, paydesk.clock), 'nonsense', `${real}x`]) expect(await ask(id)).toBe(existing);
    }
    expect(await statesOf(bought)).toBe('processing/pending');
  });

  it.each(strangers)('lets %s open no payment for an order, and not learn that it exists', async (_, who) => {
    const api = await who();
    const ask = async (orderId: string): Promise<unknown> => {
      const { status, body } = await api.post('/payments/', { order_id: orderId }, REQUEST);
      return { status, body };
    };
    const existing = await ask(bought.orderId);
    expect(existing).toMatchObject({ status: 404 });
    for (const id of [newId('ord', paydesk.clock), 'nonsense', '']) expect(await ask(id)).toEqual(existing);
  });

  it("shows a list of one's own alone", async () => {
    const other = await newCustomer(paydesk);
    for (const path of ['/orders/', '/notifications/']) {
      expect((await other.api.get(path)).body).toEqual({ items: [], next_cursor: null });
    }
    const mine = await bought.customer.api.get<{ items: { id: string }[] }>('/orders/');
    expect(mine.body.items.map((order) => order.id)).toEqual([bought.orderId]);
  });

  it('never gives out more of a payment than its view, the openid and the prepay id least of all', async () => {
    expect(Object.keys(await paymentOf(bought)).sort()).toEqual(
      [
        ...['amount', 'created_at', 'currency', 'expires_at', 'failure', 'id', 'order_id', 'out_trade_no', 'paid_at'],
        ...['provider', 'refunded_amount', 'status', 'transaction_id'],
      ].sort(),
    );
  });

  /** A notification that belongs to somebody, made once. */
  let notification: string | undefined;
  async function notificationId(): Promise<string> {
    if (notification === undefined) {
      const other = await buy(paydesk);
      await other.customer.api.post(`${other.path}succeed/`);
      const { body } = await other.customer.api.get<{ items: { id: string }[] }>('/notifications/');
      notification = body.items[0]?.id ?? '';
    }
    return notification;
  }
});
