import { Ajv2020 } from 'ajv/dist/2020.js';
import { TokensService } from '../../src/auth/tokens.service.js';
import { DAY } from '../../src/common/clock.js';
import { TEA } from '../support/app.js';
import { compare, LONG_LIFE, paid, refunded, today, untilChina } from '../support/bills.js';
import { type Bought, raw } from '../support/flows.js';
import { untilSettled } from '../support/refunds.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

type Json = Record<string, unknown>;

interface Answered {
  status: number;
  type: string;
  body: unknown;
}

const DOCUMENT = 'paydesk';
const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/;

/** Refuses fields that a schema does not name: what goes out undocumented would not be noticed. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return 'properties' in inner && !('additionalProperties' in inner)
    ? { ...inner, additionalProperties: false }
    : inner;
}

describe('the answers', () => {
  let shop: Simulated;
  let bought: Bought;
  let refundId: string;
  let document: { paths: Record<string, Record<string, { responses: Record<string, Json> }>>; components: Json };
  const ajv = new Ajv2020({
    strict: false,
    allErrors: true,
    formats: { 'date-time': DATE_TIME, date: /^\d{4}-\d{2}-\d{2}$/, int64: true },
  });

  beforeAll(async () => {
    shop = await startSimulated({ env: LONG_LIFE });
    document = JSON.parse((await raw(shop.url, 'GET', '/openapi.json')).text) as typeof document;
    ajv.addSchema({ $id: DOCUMENT, components: closed(document.components) as Json });
    await untilChina(shop, 12);
    bought = await paid(shop);
    refundId = await refunded(shop, bought, 700);
    await untilSettled(shop);
    // What the bill has and we have not: a case. Books are compared on the day after.
    const day = today(shop);
    await paid(shop);
    await shop.db.query(
      "UPDATE payments SET amount_fen = amount_fen + 1 WHERE refunded_fen = 0 AND status = 'succeeded'",
    );
    await shop.advance(DAY);
    await compare(shop, day);
    await raw(shop.url, 'POST', '/api/payments/callback/wechat/', [], '{}');
  });
  afterAll(() => shop.close());

  /** What the document says of this answer that is not so. */
  function complaints(method: string, template: string, { status, type, body }: Answered): unknown[] {
    const answer = document.paths[template]?.[method]?.responses[`${status}`];
    const { schema } = (answer?.content as Record<string, { schema: Json }> | undefined)?.[type] ?? {};
    if (schema === undefined) return [`${status} ${type} is not documented`];
    const bound = JSON.parse(JSON.stringify(schema).replaceAll('"#/', `"${DOCUMENT}#/`)) as Json;
    const valid = ajv.compile(bound);
    return valid(body)
      ? []
      : (valid.errors ?? []).map(({ instancePath, message, params }) => [instancePath, message, params]);
  }

  async function ask(method: string, path: string, token?: string, body?: object): Promise<Answered> {
    const headers: [string, string][] = token === undefined ? [] : [['authorization', `Bearer ${token}`]];
    if (body) headers.push(['content-type', 'application/json']);
    const answer = await raw(shop.url, method.toUpperCase(), path, headers, body && JSON.stringify(body));
    const type = /^[^;]*/.exec(String(answer.headers['content-type']))?.[0] ?? '';
    return { status: answer.status, type, body: type.endsWith('json') ? JSON.parse(answer.text) : answer.text };
  }

  const calls: [method: string, template: string, status: number, body?: object, role?: 'operator' | 'none'][] = [
    ['get', '/api/products', 200, undefined, 'none'],
    ['post', '/api/orders', 201, { product_id: TEA, quantity: 2 }],
    ['post', '/api/orders', 400, { product_id: TEA, quantity: 2, amount: 1 }],
    ['get', '/api/orders', 200],
    ['get', '/api/orders', 401, undefined, 'none'],
    ['get', '/api/orders/{order}', 200],
    ['get', '/api/orders/{order}/payments', 200],
    ['get', '/api/orders/{nothing}', 404],
    ['get', '/api/payments/{payment}', 200],
    ['post', '/api/payments', 409, { order_id: '{order}' }],
    ['post', '/api/payments/{payment}/start', 409],
    ['post', '/api/payments/{payment}/sync', 200],
    ['post', '/api/refunds', 409, { payment_id: '{payment}', amount: 999_999 }],
    ['get', '/api/refunds/{refund}', 200],
    ['get', '/api/refunds?payment_id={payment}', 200],
    ['post', '/api/refunds/{refund}/reject', 403, { reason: 'no' }],
    ['post', '/api/refunds/{refund}/reject', 409, { reason: 'no' }, 'operator'],
    ['get', '/api/notifications', 200],
    ['get', '/api/admin/payments', 200, undefined, 'operator'],
    ['get', '/api/admin/payments', 403],
    ['get', '/api/admin/payments/{payment}/events', 200, undefined, 'operator'],
    ['get', '/api/admin/orders', 200, undefined, 'operator'],
    ['get', '/api/admin/refunds', 200, undefined, 'operator'],
    ['get', '/api/admin/callbacks', 200, undefined, 'operator'],
    ['get', '/api/admin/notifications', 200, undefined, 'operator'],
    ['get', '/api/admin/reconciliation/runs', 200, undefined, 'operator'],
    ['get', '/api/admin/reconciliation/discrepancies', 200, undefined, 'operator'],
    ['get', '/health/live', 200, undefined, 'none'],
    ['get', '/health/ready', 200, undefined, 'none'],
    ['get', '/metrics', 200, undefined, 'none'],
    ['post', '/api/payments/callback/wechat', 401, {}, 'none'],
    ['post', '/api/auth/login', 401, { code: 'no such code' }, 'none'],
  ];

  it.each(calls.map((call) => ({ call })))('of $call are what the document says', async ({ call }) => {
    const [method, template, status, body, role = 'user'] = call;
    const ids: Record<string, string> = {
      order: bought.orderId,
      payment: bought.paymentId,
      refund: refundId,
      nothing: 'nothing',
    };
    const filled = (text: string): string => text.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? '');
    const tokens = { user: bought.customer.token, operator: await operatorToken(), none: undefined };
    const said = body && (JSON.parse(filled(JSON.stringify(body))) as object);
    const answer = await ask(method, filled(template), tokens[role], said);
    expect(answer.status).toBe(status);
    // A list without rows would show nothing.
    if (status === 200 && template.startsWith('/api/') && 'items' in (answer.body as Json)) {
      expect((answer.body as { items: unknown[] }).items.length).toBeGreaterThan(0);
    }
    const documented = (template.split('?')[0] ?? '').replaceAll(/\{\w+\}/g, '{id}');
    expect(complaints(method, documented, answer)).toEqual([]);
  });

  it('of a started payment are what the document says, and of one case', async () => {
    const { token } = bought.customer;
    const order = (await ask('post', '/api/orders', token, { product_id: TEA, quantity: 1 })).body as { id: string };
    const created = await ask('post', '/api/payments', token, { order_id: order.id });
    expect([created.status, complaints('post', '/api/payments', created)]).toEqual([201, []]);
    const { id } = created.body as { id: string };
    for (const [step, status] of [
      ['start', 200],
      ['cancel', 200],
    ] as const) {
      const answer = await ask('post', `/api/payments/${id}/${step}`, token);
      expect([answer.status, complaints('post', `/api/payments/{id}/${step}`, answer)]).toEqual([status, []]);
    }
    const cases = (await ask('get', '/api/admin/reconciliation/discrepancies', await operatorToken())).body;
    const [first] = (cases as { items: { id: string }[] }).items;
    const path = '/api/admin/reconciliation/discrepancies';
    const one = await ask('get', `${path}/${first?.id}`, await operatorToken());
    expect([one.status, complaints('get', `${path}/{id}`, one)]).toEqual([200, []]);
    const resolved = await ask('post', `${path}/${first?.id}/resolve`, await operatorToken(), { note: 'seen' });
    expect([resolved.status, complaints('post', `${path}/{id}/resolve`, resolved)]).toEqual([200, []]);
  });

  it('of what a service does are what the document says', async () => {
    const { token } = await shop.app.get(TokensService).issue({ id: 'shop', role: 'service' });
    const did: [call: string, status: number, complaints: unknown[]][] = [];
    const does = async (method: string, template: string, path: string, body?: object): Promise<Json> => {
      const answer = await ask(method, path, token, body);
      did.push([`${method} ${template}`, answer.status, complaints(method, template, answer)]);
      return answer.body as Json;
    };
    const openid = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o';
    const order = { payer: { openid }, description: 'tea', amount: 1800, start: { scene: 'jsapi' } };
    const post = (path: string, body: object) => does('post', path, path, body);
    await post('/api/users', { openid, external_id: 'u-1' });
    await post('/api/users', { openid });
    const paidOrder = await post('/api/orders', { ...order, external_id: 's-1' });
    await post('/api/orders', { ...order, external_id: 's-1' });
    await post('/api/orders', { ...order, external_id: 's-1', amount: 1 });
    await post('/api/orders', { ...order, payer: {} });
    const given = await post('/api/orders', { ...order, external_id: 's-2', start: undefined });
    await does('post', '/api/orders/{id}/cancel', `/api/orders/${String(given.id)}/cancel`);
    await shop.pay((paidOrder.payment as { id: string }).id);
    await post('/api/orders', { ...order, external_id: 's-1' });
    const refund = { order_id: paidOrder.id, amount: 800, external_id: 's-1-r', approve: true };
    const { id: refundedId } = await post('/api/refunds', refund);
    await post('/api/refunds', refund);
    await does('post', '/api/refunds/{id}/approve', `/api/refunds/${String(refundedId)}/approve`);
    await untilSettled(shop);
    await does('get', '/api/orders/{id}/payments', `/api/orders/${String(paidOrder.id)}/payments`);
    const lists = [
      await does('get', '/api/orders', '/api/orders?status=cancelled'),
      await does('get', '/api/refunds', '/api/refunds?external_id=s-1-r'),
      await does('get', '/api/events', '/api/events?limit=100'),
    ] as { items: { type?: string }[] }[];
    expect(did).toEqual(
      [
        ...[201, 200].map((status) => ['post /api/users', status]),
        ...[201, 200, 409, 422, 201].map((status) => ['post /api/orders', status]),
        ['post /api/orders/{id}/cancel', 200],
        ['post /api/orders', 200],
        ...[201, 200].map((status) => ['post /api/refunds', status]),
        ['post /api/refunds/{id}/approve', 200],
        ...['/api/orders/{id}/payments', '/api/orders', '/api/refunds', '/api/events'].map((path) => [
          `get ${path}`,
          200,
        ]),
      ].map((call) => [...call, []]),
    );
    expect(lists.map(({ items }) => items.length > 0)).toEqual([true, true, true]);
    expect(new Set(lists[2]?.items.map(({ type }) => type))).toEqual(
      new Set([
        ...[
          'order.created',
          'payment.created',
          'payment.processing',
          'payment.succeeded',
          'order.paid',
          'order.cancelled',
        ],
        ...['refund.requested', 'refund.processing', 'refund.succeeded', 'order.partially_refunded'],
      ]),
    );
  });

  it('are looked at closely: a field more, a fraction of a fen or a word that is not of the list would be seen', async () => {
    const answer = await ask('get', `/api/orders/${bought.orderId}`, bought.customer.token);
    for (const change of [{ surprise: 1 }, { amount: 1.5 }, { status: 'payed' }, { created_at: 'today' }]) {
      const changed = { ...answer, body: { ...(answer.body as Json), ...change } };
      expect([change, complaints('get', '/api/orders/{id}', changed)]).not.toEqual([change, []]);
    }
  });

  async function operatorToken(): Promise<string> {
    return (await shop.app.get(TokensService).issue({ id: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB', role: 'operator' })).token;
  }
});
