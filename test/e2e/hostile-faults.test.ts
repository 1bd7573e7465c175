import { toDomainError } from '../../src/http/problem.js';
import { startTestApp, TEA, type TestApp } from '../support/app.js';
import { type Customer, mockSignature, newCustomer, type Problem, raw } from '../support/flows.js';
import { sendBytes } from '../support/send-bytes.js';

describe('input that nobody means well with', () => {
  let paydesk: TestApp;
  let alice: Customer;

  beforeAll(async () => {
    paydesk = await startTestApp();
    alice = await newCustomer(paydesk);
  });
  afterAll(() => paydesk.close());

  it.each<[string, string]>([
    ['bytes that are no HTTP', 'hello\r\n\r\n'],
    ['a method that HTTP does not have', 'BREW /api/orders HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['two lengths', 'POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}'],
    [
      'a length and chunks',
      'POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['no host', 'GET /api/orders HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ])('answers a problem with a request id to %s', async (_, bytes) => {
    const [head = '', body = ''] = (await sendBytes(paydesk.url, bytes)).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 400 /);
    expect(head).toMatch(/content-type: application\/problem\+json/i);
    const problem = JSON.parse(body) as Problem;
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(head).toContain(`x-request-id: ${problem.request_id}`);
  });

  it('answers 431 with a code to endless headers', async () => {
    const bytes = `GET /api/orders HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
    const [head = '', body = ''] = (await sendBytes(paydesk.url, bytes)).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 431 /);
    expect(JSON.parse(body)).toMatchObject({ status: 431, code: 'headers_too_large' });
  });

  it('takes a client that hangs up in the middle of its body for no failure of the database', () => {
    const error = Object.assign(new Error('aborted'), { code: 'ECONNRESET', statusCode: 400 });
    expect(toDomainError(error)).toMatchObject({ code: 'invalid_request' });
    expect(toDomainError(Object.assign(new Error('read'), { code: 'ECONNRESET' }))).toMatchObject({
      code: 'service_unavailable',
    });
  });

  it('answers a request that expects what nobody knows as any other', async () => {
    const answer = await raw(paydesk.url, 'GET', '/api/products', [['expect', 'a miracle']]);
    expect([answer.status, answer.headers['x-request-id']]).toEqual([200, expect.stringMatching(/^req_/)]);
  });

  it('takes an id with a NUL for one that does not exist', async () => {
    const operator = await paydesk.as('operator');
    for (const path of ['/admin/payments/a%00b/events/', '/admin/reconciliation/discrepancies/a%00b/'])
      expect([path, (await operator.get(path)).status]).toEqual([path, 404]);
    expect((await operator.post('/admin/reconciliation/discrepancies/%00/resolve/', { note: 'seen' })).status).toBe(
      404,
    );
    expect((await alice.api.post('/notifications/a%00b/read/')).status).toBe(404);
  });

  it.each(['payments', 'orders', 'refunds', 'callbacks', 'notifications', 'reconciliation/runs'])(
    'names the filter of /admin/%s that holds a NUL or is no time in RFC 3339',
    async (list) => {
      const operator = await paydesk.as('operator');
      for (const [name, value] of [
        ['user_id', 'a%00b'],
        ...['2009-W21-2', '2009-001', '2010', '2010-02-18T16:23.4', '2010-02-30'].map((text) => ['from', text]),
        ['to', '2009-W21-2'],
      ]) {
        const { status, body } = await operator.get<Problem>(`/admin/${list}/?${name}=${value}`);
        expect([value, status, body.errors?.map((error) => error.field)]).toEqual([value, 400, [name]]);
      }
    },
  );

  it('takes every offset that RFC 3339 has, and days, as filters of time', async () => {
    const operator = await paydesk.as('operator');
    for (const time of [
      '2026-11-23',
      '2026-11-23T08:00:00Z',
      '2026-11-23T08:00:00.5%2B23:59',
      '2026-11-23T08:00:00-16:00',
    ])
      expect([time, (await operator.get(`/admin/payments/?from=${time}&to=${time}`)).status]).toEqual([time, 200]);
  });

  it('refuses a body that is not UTF-8 instead of keeping something else than was said', async () => {
    const body = Buffer.from(`{"product_id":"${TEA}","quantity":1,"note":"\xe9"}`, 'latin1');
    const headers: [string, string][] = [
      ['content-type', 'application/json'],
      ['authorization', `Bearer ${alice.token}`],
    ];
    const answer = await raw(paydesk.url, 'POST', '/api/orders/', headers, body);
    expect([answer.status, (JSON.parse(answer.text) as Problem).code]).toEqual([400, 'malformed_json']);
  });

  it('refuses a genuine notice of the pretend channel whose number no database could hold', async () => {
    for (const payment_id of ['\u0000', 'pay_\u0000', '\ud800', 'a b', '茶']) {
      const body = JSON.stringify({ payment_id, status: 'SUCCESS' });
      const signature = mockSignature(paydesk, body);
      const answer = await raw(
        paydesk.url,
        'POST',
        '/api/payments/callback/mock/',
        [['x-mock-signature', signature]],
        body,
      );
      expect([answer.status, JSON.parse(answer.text)]).toEqual([400, { code: 'FAIL', message: 'bad_payment_id' }]);
    }
  });
});
