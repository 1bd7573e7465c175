import type { OpenAPIObject } from '@nestjs/swagger';
import { setTimeout as pause } from 'node:timers/promises';
import { newId } from '../../src/common/ids.js';
import type { TestApp } from '../support/app.js';
import { type Bought, buyAndStart } from '../support/flows.js';
import { type ScriptedProvider, startScripted } from '../support/scripted-provider.js';
import { sendTarget } from '../support/send-bytes.js';

const PLACES = 8;

const CHANNEL = [
  'POST /api/auth/login',
  'POST /api/payments/{id}/start',
  'POST /api/payments/{id}/cancel',
  'POST /api/payments/{id}/sync',
  'POST /api/orders/{id}/cancel',
  'POST /api/refunds/{id}/approve',
  'POST /api/refunds/{id}/succeed',
  'POST /api/refunds/{id}/sync',
  'POST /api/refunds/{id}/retry-abnormal',
  'POST /api/admin/payments/{id}/refunds/sync',
  'POST /api/admin/reconciliation/discrepancies/{id}/resolve',
];

describe('the pool of a request', () => {
  let paydesk: TestApp & { channel: ScriptedProvider };
  let bought: Bought;
  let release: () => void = () => undefined;
  let waiting: Promise<{ status: number }>[] = [];

  beforeAll(async () => {
    paydesk = await startScripted({ MAX_REQUESTS_IN_FLIGHT: String(PLACES) });
    bought = await buyAndStart(paydesk);
  });
  beforeEach(() => {
    const released = new Promise<void>((resolve) => (release = resolve));
    paydesk.channel.always('queryPayment', async ({ outTradeNo }) => {
      await released;
      const nothing = { transactionId: null, amountFen: null, currency: null, paidAt: null, account: null };
      return { outTradeNo, state: 'open', ...nothing };
    });
  });
  afterEach(async () => {
    release();
    await Promise.all(waiting);
    waiting = [];
    paydesk.channel.forget();
  });
  afterAll(() => paydesk.close());

  const inWork = async (kind: string): Promise<number> => {
    const text = await (await fetch(`${paydesk.url}/metrics`)).text();
    return Number(new RegExp(`paydesk_requests_in_flight\\{kind="${kind}"\\} (\\d+)`).exec(text)?.[1]);
  };
  /** Asks for the payment to be synchronized, and waits until that is counted somewhere. */
  const sync = async (target: string, { customer } = bought): Promise<void> => {
    const before = (await inWork('channel')) + (await inWork('own'));
    const answer = sendTarget(paydesk.url, 'POST', target, [`Authorization: Bearer ${customer.token}`]);
    waiting.push(answer);
    let answered = false;
    void answer.then(() => (answered = true));
    while (!answered && (await inWork('channel')) + (await inWork('own')) === before) await pause(5);
  };

  it.each<[string, (id: string) => string]>([
    ['as documented', (id) => `/api/payments/${id}/sync/`],
    ['without the slash at its end', (id) => `/api/payments/${id}/sync`],
    ['with a query', (id) => `/api/payments/${id}/sync?a=/health/live`],
    ['with a fragment', (id) => `/api/payments/${id}/sync#x`],
    ['with a fragment after its slash', (id) => `/api/payments/${id}/sync/#x`],
    ['with an escaped letter', (id) => `/api/payments/${id}/%73ync`],
    ['with escaped letters before the id', (id) => `/%61pi/p%61yments/${id}/sync`],
    ['with an escaped id', (id) => `/api/payments/${id.replace('_', '%5F')}/sync/`],
    ['with its host', (id) => `http://shop.example.com/api/payments/${id}/sync/`],
    ['with its host in capitals and escapes', (id) => `HTTP://SHOP.EXAMPLE.COM/api/payments/${id}/%73ync?x`],
  ])('is that of the channel for a sync written %s', async (_, targetOf) => {
    await sync(targetOf(bought.paymentId));
    expect([await inWork('channel'), await inWork('own')]).toEqual([1, 0]);
    release();
    expect(await Promise.all(waiting)).toMatchObject([{ status: 200 }]);
  });

  it('is that of our own work for what has no route, and for an empty id', async () => {
    for (const path of [`//api/payments/${bought.paymentId}/sync`, `/api/payments//sync/`, '/nowhere']) {
      const { status, head, body } = await sendTarget(paydesk.url, 'POST', path, [
        `Authorization: Bearer ${bought.customer.token}`,
      ]);
      expect([path, status]).toEqual([path, 404]);
      expect(head).toMatch(/content-type: application\/problem\+json/i);
      expect(body).toContain('"code":"not_found"');
    }
    expect([await inWork('channel'), await inWork('own')]).toEqual([0, 0]);
  });

  it('is said on each route: those that call the channel are refused when its places are taken, the others are not', async () => {
    // A user holds its share and no more.
    for (const one of [bought, await buyAndStart(paydesk)])
      for (let count = 0; count < PLACES / 2; count += 1) await sync(`/api/payments/${one.paymentId}/%73ync/`, one);
    expect(await inWork('channel')).toBe(PLACES);
    const document = (await (await fetch(`${paydesk.url}/openapi.json`)).json()) as OpenAPIObject;
    const refused: string[] = [];
    for (const [path, item] of Object.entries(document.paths)) {
      for (const method of Object.keys(item).map((name) => name.toUpperCase())) {
        const target = path.replaceAll(/\{\w+\}/g, newId('pay', paydesk.clock));
        const { status } = await sendTarget(paydesk.url, method, target);
        if (status === 503) refused.push(`${method} ${path}`);
      }
    }
    expect(refused.sort()).toEqual([...CHANNEL].sort());
  });

  it('is said by the body where that decides whether the channel is called', async () => {
    const shop = await paydesk.as('service', 'shop-backend');
    for (const one of [bought, await buyAndStart(paydesk)])
      for (let count = 0; count < PLACES / 2; count += 1) await sync(`/api/payments/${one.paymentId}/%73ync/`, one);
    expect(await inWork('channel')).toBe(PLACES);
    const order = { user_id: bought.customer.id, description: 'tea', amount: 5 };
    const starting = { ...order, start: { scene: 'jsapi' } };
    expect((await shop.post('/orders/', order)).status).toBe(201);
    expect(await shop.post('/orders/', starting)).toMatchObject({ status: 503, body: { code: 'service_unavailable' } });
    const refund = { payment_id: bought.paymentId };
    expect((await shop.post('/refunds/', refund)).status).toBe(409);
    expect((await shop.post('/refunds/', { ...refund, approve: true })).status).toBe(503);
    expect([await inWork('channel'), await inWork('own')]).toEqual([PLACES, 0]);
    release();
    await Promise.all(waiting);
    expect((await shop.post('/orders/', starting)).status).toBe(201);
  });
});
