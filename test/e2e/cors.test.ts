import { startTestApp, TEA, type TestApp } from '../support/app.js';
import { newCustomer, raw, type RawAnswer } from '../support/flows.js';

const HERE = 'http://localhost:5173';
const SHOP = 'https://shop.example';
const PRODUCTION = { NODE_ENV: 'production', JWT_SECRET: '5f0c8a1e7b3d49f2a6c4e8b0d1f37a95' };

type Headers = [name: string, value: string][];

/** What a browser reads of an answer to decide. */
function corsHeaders({ headers }: RawAnswer): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('access-control-')));
}

function preflight(paydesk: TestApp, origin: string, path: string, more: Headers = []): Promise<RawAnswer> {
  return raw(paydesk.url, 'OPTIONS', path, [
    ['origin', origin],
    ['access-control-request-method', 'POST'],
    ['access-control-request-headers', 'authorization,content-type,idempotency-key'],
    ...more,
  ]);
}

describe('pages of other origins', () => {
  let paydesk: TestApp;
  /** With its origins named, and in production. */
  let named: TestApp;
  let silent: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp();
    const { databaseUrl } = paydesk;
    const production = { ...PRODUCTION, DATABASE_URL: databaseUrl };
    named = await startTestApp({ databaseUrl, env: { ...production, CORS_ORIGINS: `${SHOP},https://m.shop.example` } });
    silent = await startTestApp({ databaseUrl, env: production });
  });
  afterAll(async () => {
    await named.close();
    await silent.close();
    await paydesk.close();
  });

  it.each([HERE, 'http://192.168.1.20', 'http://[::1]:8080'])('may call in development from %s', async (origin) => {
    const answer = await raw(paydesk.url, 'GET', '/api/products/', [['origin', origin]]);
    expect(answer.status).toBe(200);
    expect(corsHeaders(answer)).toEqual({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'X-Request-Id, Idempotent-Replayed, Retry-After, Content-Language',
    });
    expect(answer.headers.vary).toContain('Origin');
  });

  it('may ask before they call, and learn what they may send', async () => {
    const answer = await preflight(paydesk, HERE, '/api/orders/');
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(corsHeaders(answer)).toMatchObject({
      'access-control-allow-origin': HERE,
      'access-control-allow-methods': 'GET, HEAD, POST',
      'access-control-allow-headers': 'Authorization, Content-Type, Idempotency-Key, X-Request-Id, Accept-Language',
      'access-control-max-age': '600',
    });
    expect(answer.headers['x-request-id']).toMatch(/^req_/);
    expect(answer.headers.vary).toContain('Origin');
  });

  it('may read refusals too, never with cookies', async () => {
    const answer = await raw(paydesk.url, 'GET', '/api/orders/', [['origin', HERE]]);
    expect(answer.status).toBe(401);
    expect(answer.headers['access-control-allow-origin']).toBe(HERE);
    expect(String(answer.headers.vary).split(', ').sort()).toEqual(['Accept-Language', 'Origin']);
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
  });

  it.each([
    'null',
    'http://localhost.evil.com',
    'http://127.0.0.1.evil.com',
    'http://localhost@evil.com',
    'http://user:password@localhost',
    'http://printer.local',
    'http://192.168.1.20.evil.com',
    SHOP,
    `${HERE}, ${SHOP}`,
  ])('are refused in development from %s', async (origin) => {
    const asked = await preflight(paydesk, origin, '/api/orders/');
    expect([asked.status, corsHeaders(asked)]).toEqual([404, {}]);
    const answer = await raw(paydesk.url, 'GET', '/api/products/', [['origin', origin]]);
    expect([answer.status, corsHeaders(answer)]).toEqual([200, {}]);
    // Else a cache could give one origin what it kept for another.
    expect(answer.headers.vary).toContain('Origin');
  });

  it('may call from the origins that are named, and from those alone', async () => {
    for (const origin of [SHOP, 'https://m.shop.example']) {
      const answer = await preflight(named, origin, '/api/orders/');
      expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([204, origin]);
    }
    const others = [HERE, 'https://shop.example:8443', 'http://shop.example', 'https://shop.example.evil.com', 'null'];
    for (const origin of [...others, 'https://evil.shop.example', 'https://SHOP.example', `${SHOP}/`]) {
      const answer = await preflight(named, origin, '/api/orders/');
      expect([origin, answer.status, corsHeaders(answer)]).toEqual([origin, 404, {}]);
    }
  });

  it('are not there in production where none are named', async () => {
    for (const origin of [HERE, SHOP, 'null']) {
      const asked = await preflight(silent, origin, '/api/orders/');
      expect([asked.status, corsHeaders(asked)]).toEqual([404, {}]);
      const answer = await raw(silent.url, 'GET', '/api/products/', [['origin', origin]]);
      expect([answer.status, corsHeaders(answer), answer.headers.vary]).toEqual([200, {}, undefined]);
    }
  });

  it.each<[method: string, path: string]>([
    ['GET', '/metrics'],
    ['GET', '/health/live'],
    ['GET', '/health/ready'],
    ['POST', '/api/payments/callback/mock/'],
    ['POST', '/api/payments/callback/wechat/'],
    ['POST', '/api/refunds/callback/wechat'],
    ['POST', '/api/payments/%63allback/wechat'],
  ])('read nothing of what is for machines: %s %s', async (method, path) => {
    const answer = await raw(paydesk.url, method, path, [['origin', HERE]], method === 'POST' ? '{}' : undefined);
    expect([answer.status === 404, corsHeaders(answer), answer.headers.vary]).toEqual([false, {}, undefined]);
    if (path.includes('%')) return;
    const asked = await preflight(paydesk, HERE, path);
    expect([asked.status, corsHeaders(asked)]).toEqual([404, {}]);
  });

  it('are told 404 for OPTIONS that is no preflight', async () => {
    const answer = await raw(paydesk.url, 'OPTIONS', '/api/orders/');
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([404, { code: 'not_found' }]);
  });

  it('can be a shop: log in, order with a key, and see that it was a repeat', async () => {
    const { token } = await newCustomer(paydesk);
    const headers: Headers = [
      ['origin', HERE],
      ['authorization', `Bearer ${token}`],
      ['content-type', 'application/json'],
      ['idempotency-key', 'a-page-of-the-shop'],
    ];
    const order = JSON.stringify({ product_id: TEA, quantity: 1 });
    const first = await raw(paydesk.url, 'POST', '/api/orders/', headers, order);
    const again = await raw(paydesk.url, 'POST', '/api/orders/', headers, order);
    expect([first.status, again.status, again.text]).toEqual([201, 201, first.text]);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.headers['access-control-allow-origin']).toBe(HERE);
  });

  it('hold no places with preflights, whatever goes on, and are refused like others when all are taken', async () => {
    const busy = await startTestApp({ databaseUrl: paydesk.databaseUrl, env: { MAX_REQUESTS_IN_FLIGHT: '1' } });
    try {
      const answers = await Promise.all(Array.from({ length: 50 }, () => preflight(busy, HERE, '/api/orders/')));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
      const metrics = await (await fetch(`${busy.url}/metrics`)).text();
      expect(metrics).toMatch(/^paydesk_requests_in_flight\{kind="own"\} 0$/m);
      expect((await busy.api().get('/products/')).status).toBe(200);

      // A request that waits for its order's lock takes the only place.
      const holder = busy.db.createQueryRunner();
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE products IN ACCESS EXCLUSIVE MODE');
      const waiting = busy.api().get('/products/');
      for (let tries = 0; tries < 200; tries += 1) {
        const { status } = await preflight(busy, HERE, '/api/orders/');
        if (status === 503) break;
      }
      const refused = await preflight(busy, HERE, '/api/orders/');
      expect([refused.status, refused.headers['retry-after']]).toEqual([503, '2']);
      await holder.query('ROLLBACK');
      await holder.release();
      expect((await waiting).status).toBe(200);
      expect((await preflight(busy, HERE, '/api/orders/')).status).toBe(204);
    } finally {
      await busy.close();
    }
  });
});
