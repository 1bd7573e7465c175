import type { OpenAPIObject } from '@nestjs/swagger';
import { Agent, request as httpRequest } from 'node:http';
import { startTestApp, type TestApp } from '../support/app.js';
import { buy, mockSignature, newCustomer, type Problem, raw } from '../support/flows.js';

describe('the manners of the HTTP API', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp({ env: { LOGINS_PER_MINUTE: '40', BAD_CALLBACKS_PER_MINUTE: '20' } });
  });
  afterAll(() => paydesk.close());

  it('answers every route with and without its trailing slash alike', async () => {
    const { customer, paymentId } = await buy(paydesk);
    const document = (await (await fetch(`${paydesk.url}/openapi.json`)).json()) as OpenAPIObject;
    const bearer: [string, string][] = [['authorization', `Bearer ${customer.token}`]];
    for (const [path, item] of Object.entries(document.paths)) {
      for (const method of Object.keys(item)) {
        const bare = path.replaceAll(/\{\w+\}/g, paymentId);
        const headers: [string, string][] = [...bearer, ['x-request-id', 'one-and-the-same']];
        const without = await raw(paydesk.url, method, bare, headers);
        const withSlash = await raw(paydesk.url, method, `${bare}/`, headers);
        expect([path, method, withSlash.status]).toEqual([path, method, without.status]);
        expect(without.text).not.toContain('Cannot ');
      }
    }
  });

  it.each(['a-request.of_ours', '01JD8Q5Z6T8RZ1M0V4N9X2K7CB'])('takes over the request id %s', async (id) => {
    const answer = await paydesk.api().get<Problem>('/orders/', { 'x-request-id': id });
    expect([answer.headers.get('x-request-id'), answer.body.request_id]).toEqual([id, id]);
  });

  it.each(['short', 'with space in it', 'x'.repeat(65), 'injected";drop'])('makes its own for %s', async (id) => {
    const answer = await paydesk.api().get<Problem>('/orders/', { 'x-request-id': id });
    expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9A-Z]{26}$/);
    expect(answer.body.request_id).toBe(answer.headers.get('x-request-id'));
  });

  it.each(['/api/products/', '/api/nothing/', '/health/live', '/docs'])(
    'sends a request id and protective headers with %s',
    async (path) => {
      const { headers } = await raw(paydesk.url, 'GET', path);
      expect(headers['x-request-id']).toMatch(/^req_/);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['content-security-policy']).toContain("default-src 'self'");
      expect(headers['strict-transport-security']).toContain('max-age=');
      expect(headers['x-frame-options']).toBe('SAMEORIGIN');
      expect(headers['x-powered-by']).toBeUndefined();
    },
  );

  it.each<[string, string, string, number, string]>([
    ['a path that is not there', 'GET', '/api/nothing/', 404, 'not_found'],
    ['a method that a path does not have', 'DELETE', '/api/products/', 404, 'not_found'],
    ['a path that cannot be decoded', 'GET', '/api/orders/%E0%A4%A/', 400, 'invalid_request'],
    ['a name of endless length', 'GET', `/api/orders/${'x'.repeat(5000)}/`, 400, 'invalid_request'],
  ])('answers a problem with a code to %s', async (_, method, path, status, code) => {
    const answer = await raw(paydesk.url, method, path);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    const problem = JSON.parse(answer.text) as Problem;
    expect(problem).toMatchObject({ status, code, request_id: answer.headers['x-request-id'] });
    expect(Object.keys(problem).sort()).toEqual([
      'code',
      'detail',
      'request_id',
      'status',
      'title',
      'type',
      'user_message',
    ]);
  });

  it.each([
    ['broken JSON', '{"code": "ali'],
    ['two values', '{"code":"alice"}{}'],
    ['a trailing comma', '{"code":"alice",}'],
    ['a key that would change prototypes', '{"code":"alice","__proto__":{"admin":true}}'],
    ['a constructor that would change prototypes', '{"code":"alice","constructor":{"prototype":{"admin":true}}}'],
  ])('answers 400 malformed_json to %s', async (_, body) => {
    const answer = await raw(paydesk.url, 'POST', '/api/auth/login/', [['content-type', 'application/json']], body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'malformed_json' });
  });

  it('answers 413 to a body of more than 64 KB, and takes one of 64 KB', async () => {
    const login = (bytes: number): Promise<{ status: number; text: string }> => {
      const body = JSON.stringify({ code: 'alice' }).padEnd(bytes, ' ');
      return raw(paydesk.url, 'POST', '/api/auth/login/', [['content-type', 'application/json']], body);
    };
    expect((await login(65_536)).status).toBe(200);
    const large = await login(65_537);
    expect(large.status).toBe(413);
    expect(JSON.parse(large.text)).toMatchObject({ code: 'payload_too_large' });
  });

  it('answers 415 to a body that is not JSON', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/xml']) {
      const answer = await raw(paydesk.url, 'POST', '/api/auth/login', [['content-type', type]], 'code=alice');
      expect([answer.status, JSON.parse(answer.text)]).toMatchObject([415, { code: 'unsupported_media_type' }]);
    }
  });

  it('serves many requests over one connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    for (let index = 0; index < 3; index += 1) {
      await new Promise<void>((resolve, reject) => {
        const request = httpRequest(`${paydesk.url}/health/live`, { agent }, (response) => {
          ports.add(response.socket.localPort);
          response.resume().on('end', resolve);
        });
        request.on('error', reject).end();
      });
    }
    agent.destroy();
    expect(ports.size).toBe(1);
  });

  it('refuses callbacks that prove nothing after so many from one address, and never a verified one', async () => {
    const { paymentId, customer } = await buy(paydesk);
    const send = (body: string, signature: string): ReturnType<typeof raw> =>
      raw(paydesk.url, 'POST', '/api/payments/callback/mock/', [['x-mock-signature', signature]], body);
    const bad: number[] = [];
    for (let index = 0; index < 25; index += 1) bad.push((await send('{}', 'nonsense')).status);
    expect(bad.at(-1)).toBe(429);
    expect(bad.filter((status) => status === 401).length).toBeLessThanOrEqual(20);
    const refused = await send('{}', 'nonsense');
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    expect(JSON.parse(refused.text)).toEqual({ code: 'FAIL', message: 'too_many_requests' });
    const kept = await paydesk.db.query<{ n: string }[]>(
      "SELECT count(*) n FROM callbacks WHERE outcome = 'unverified'",
    );
    expect(Number(kept[0]?.n)).toBeLessThanOrEqual(20);

    const genuine = JSON.stringify({ payment_id: paymentId, status: 'SUCCESS' });
    for (let index = 0; index < 10; index += 1) {
      expect((await send(genuine, mockSignature(paydesk, genuine))).status).toBe(200);
    }
    expect((await customer.api.get(`/payments/${paymentId}/`)).body).toMatchObject({ status: 'succeeded' });
  });

  // The last one: afterwards this address cannot log in for a minute.
  it('refuses logins of an address of which too many failed in a minute, saying when to come again', async () => {
    const login = (code: string) => paydesk.api().post<Problem>('/auth/login/', { code });
    // What succeeds is not counted, however often.
    for (let index = 0; index < 45; index += 1) expect((await login('alice')).status).toBe(200);
    const customer = await newCustomer(paydesk);
    for (let index = 0; index < 40; index += 1) expect((await login('no such code')).status).toBe(400);
    const answer = await login('alice');
    expect(answer).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await customer.api.get('/orders/')).status).toBe(200);
  });
});
