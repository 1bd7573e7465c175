import { startTestApp } from '../support/app.js';
import { raw } from '../support/flows.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

describe('a login through WeChat', () => {
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated();
  });
  beforeEach(() => shop.sim.faults({ rules: [] }));
  afterAll(() => shop.close());

  const login = (code: unknown) => shop.api().post('/auth/login/', { code });

  it('makes the same user of the same person, by the openid that WeChat names', async () => {
    const first = shop.sim.loginCode('mei');
    const second = shop.sim.loginCode('mei');
    const [one, two] = [await login(first.code), await login(second.code)];
    expect(one).toMatchObject({
      status: 200,
      body: { token_type: 'Bearer', expires_in: 2_592_000, user: { openid: first.openid } },
    });
    expect(two.body.user).toEqual(one.body.user);
    const answered = JSON.stringify(one.body);
    expect(answered).not.toMatch(/session_key|secret/);
    expect(Object.keys(one.body).sort()).toEqual(['access_token', 'expires_in', 'token_type', 'user']);
    expect((await shop.api(String(one.body.access_token)).get('/orders/')).status).toBe(200);
  });

  it('takes a code once', async () => {
    const { code } = shop.sim.loginCode('mei');
    expect((await login(code)).status).toBe(200);
    expect(await login(code)).toMatchObject({ status: 401, body: { code: 'login_failed' } });
  });

  it.each([
    [40029, 401, 'login_failed'],
    [40163, 401, 'login_failed'],
    [40226, 401, 'login_failed'],
    [45011, 429, 'too_many_requests'],
    [-1, 503, 'channel_unavailable'],
    [40125, 502, 'channel_rejected'],
  ])('translates errcode %d', async (errcode, status, code) => {
    await shop.sim.faults({ rules: [{ at: 'login', do: 'errcode', errcode }] });
    const answer = await login('somebody.1');
    expect(answer).toMatchObject({ status, body: { code } });
    expect(JSON.stringify(answer.body)).not.toContain(shop.sim.credentials.appSecret);
  });

  it.each([{ do: 'hang' }, { do: 'disconnect' }, { do: 'error', status: 502, code: 'SERVICE_UNAVAILABLE' }] as const)(
    'asks to try again when WeChat does not answer: %j',
    async (fault) => {
      await shop.sim.faults({ rules: [{ at: 'login', ...fault }] });
      const answer = await login('somebody.2');
      expect(answer).toMatchObject({ status: 503, body: { code: 'channel_unavailable' } });
      expect(JSON.stringify(answer.body)).not.toContain(shop.sim.credentials.appSecret);
    },
  );

  it.each(['', 'x'.repeat(257), 7, null, { a: 1 }])('refuses %j without asking anybody', async (code) => {
    expect(await login(code)).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });

  it('keeps no session key', async () => {
    await login(shop.sim.loginCode('li').code);
    const rows = await shop.db.query<{ row: string }[]>('SELECT users::text AS row FROM users');
    expect(rows.length).toBeGreaterThan(0);
    const columns = await shop.db.query<{ name: string }[]>(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'users' ORDER BY 1`,
    );
    expect(columns.map(({ name }) => name)).toEqual(['appid', 'created_at', 'id', 'openid']);
  });
});

describe('under the real provider', () => {
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated();
  });
  afterAll(() => shop.close());

  const MOCK = ['/api/payments/callback/mock', '/api/payments/{id}/succeed'];

  it('no route of the mock provider is there', async () => {
    const customer = await shop.login('anna');
    const order = await customer.api.post('/orders/', { product_id: 'prd_01JD0000000000000000000TEA', quantity: 1 });
    const payment = await customer.api.post('/payments/', { order_id: order.body.id });
    const succeed = await customer.api.post(`/payments/${String(payment.body.id)}/succeed/`);
    expect(succeed).toMatchObject({ status: 404, body: { code: 'not_found' } });
    for (const path of ['/api/payments/callback/mock/', '/api/payments/callback/mock']) {
      const answer = await raw(shop.url, 'POST', path, [['content-type', 'application/json']], '{}');
      expect(answer.status).toBe(404);
    }
    const signed = await shop.callback({ payment_id: payment.body.id, status: 'SUCCESS' });
    expect(signed.status).toBe(404);
    expect((await customer.api.get(`/payments/${String(payment.body.id)}/`)).body.status).toBe('init');
  });

  it('the document shows none of them; under the mock provider it does', async () => {
    const real = JSON.parse((await raw(shop.url, 'GET', '/openapi.json')).text) as { paths: object };
    expect(Object.keys(real.paths)).toEqual(expect.not.arrayContaining(MOCK));
    expect(Object.keys(real.paths)).toContain('/api/payments/callback/wechat');
    expect((await raw(shop.url, 'GET', '/docs')).status).toBe(200);
    const mock = await startTestApp();
    try {
      const document = JSON.parse((await raw(mock.url, 'GET', '/openapi.json')).text) as { paths: object };
      expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(MOCK));
    } finally {
      await mock.close();
    }
  });

  it('a mock notice at the WeChat address proves nothing', async () => {
    const body = JSON.stringify({ payment_id: 'pay_01KB0A1B2C3D4E5F6G7H8J9KAM', status: 'SUCCESS' });
    const answer = await raw(
      shop.url,
      'POST',
      '/api/payments/callback/wechat/',
      [['x-mock-signature', 'a'.repeat(64)]],
      body,
    );
    expect(answer.status).toBe(401);
  });
});
