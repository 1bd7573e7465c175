import { newId } from '../../src/common/ids.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { type Customer, newCustomer, placeOrder } from '../support/flows.js';
import { sendBytes, sendTarget } from '../support/send-bytes.js';
import { ServiceProcess } from '../support/service-process.js';

jest.setTimeout(120_000);

const JWT_SECRET = '8d1f0c5b7e3a49d2b6c4e8a0f1d37b95';
const [DEBUG, INFO, ERROR] = [20, 30, 50];

describe('the line of a request in the log', () => {
  /** Looks on from beside, to make customers and orders. */
  let beside: TestApp;
  let service: ServiceProcess;
  let customer: Customer;

  beforeAll(async () => {
    beside = await startTestApp({ env: { JWT_SECRET } });
    beside.clock.set(new Date());
    const env = { NODE_ENV: 'production', HOST: '127.0.0.1', DATABASE_URL: beside.databaseUrl, JWT_SECRET };
    service = await ServiceProcess.start({ ...env, LOG_LEVEL: 'debug', SHUTDOWN_DELAY_SECONDS: '0' });
    customer = await newCustomer(beside);
  });
  afterAll(async () => {
    await service.end();
    await beside.close();
  });

  const lineOf = async (requestId: string): Promise<Record<string, unknown>> => {
    await service.said(new RegExp(`"request_id":"${requestId}"[^\n]*"status"[^\n]*\n`));
    const lines = service.output.split('\n').filter((line) => line.includes(requestId) && line.includes('"status"'));
    expect(lines).toHaveLength(1);
    return JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  };
  let asked = 0;
  /** Asks under an id of the caller's own, and answers the status and what the log says under it. */
  const ask = async (method: string, target: string, headers: string[] = [], body = '') => {
    asked += 1;
    const id = `told-by-the-client-${asked}`;
    const { status } = await sendTarget(service.url, method, target, [`X-Request-Id: ${id}`, ...headers], body);
    return { status, line: await lineOf(id) };
  };
  const theirs = (): string[] => [`Authorization: Bearer ${customer.token}`, 'Content-Type: application/json'];

  it('has its status, duration, method and route when it is served', async () => {
    const { status, line } = await ask('GET', '/api/orders/?limit=1', theirs());
    expect(status).toBe(200);
    expect(line).toMatchObject({ level: DEBUG, status: 200, method: 'GET', route: '/api/orders' });
    expect(line.duration_ms).toEqual(expect.any(Number));
    expect(line).not.toHaveProperty('code');
  });

  it('has the code when it is refused, at a level that is always on', async () => {
    const unknown = newId('ord', beside.clock);
    const cases = [
      [404, 'not_found', await ask('GET', `/api/orders/${unknown}/`, theirs()), '/api/orders/:id'],
      [404, 'not_found', await ask('GET', '/api/nowhere/'), null],
      [400, 'invalid_request', await ask('GET', '/api/orders/?limit=0', theirs()), '/api/orders'],
      [400, 'malformed_json', await ask('POST', '/api/orders/', theirs(), '{'), '/api/orders'],
      [401, 'unauthenticated', await ask('GET', '/api/orders/'), '/api/orders'],
      [403, 'forbidden', await ask('GET', '/api/admin/orders/', theirs()), '/api/admin/orders'],
      [400, 'invalid_request', await ask('GET', '/api/orders/%zz'), null],
    ] as const;
    for (const [status, code, answer, route] of cases) {
      expect(answer).toMatchObject({ status, line: { level: INFO, status, code, route } });
      expect(answer.line.duration_ms).toEqual(expect.any(Number));
    }
    expect(cases[0][2].line).toMatchObject({ method: 'GET', id: unknown });
  });

  it('is an error when we fail', async () => {
    const order = JSON.stringify({ order_id: await placeOrder(beside, customer) });
    const disabled = await ask('POST', '/api/payments/', theirs(), order);
    const expected = { level: ERROR, status: 503, code: 'provider_disabled', method: 'POST', route: '/api/payments' };
    expect(disabled).toMatchObject({ status: 503, line: expected });

    await beside.db.query('ALTER TABLE products RENAME TO products_gone');
    const broken = await ask('GET', '/api/products/');
    await beside.db.query('ALTER TABLE products_gone RENAME TO products');
    expect(broken).toMatchObject({
      status: 500,
      line: { level: ERROR, status: 500, code: 'internal_error', route: '/api/products' },
    });
  });

  it('is there for bytes that are no HTTP too, under the id that was answered', async () => {
    const answer = await sendBytes(service.url, 'BREW /api/orders HTTP/1.1\r\nHost: x\r\n\r\n');
    const id = /x-request-id: (\S+)/.exec(answer)?.[1] ?? '';
    expect(await lineOf(id)).toMatchObject({ level: INFO, status: 400, code: 'invalid_request' });
  });

  it('has nothing of the query, the body, the headers or an unknown path in it, however the target is written', async () => {
    const before = service.output.length;
    const secrets = ['token-in-query', 'token-in-path', 'token-in-fragment', 'password-in-target', 'word-in-body'];
    const [query, path, fragment, password, word] = secrets;
    await ask('GET', `/api/orders/?limit=0&access_token=${query}`, theirs());
    await ask('GET', `/api/${path}/#${fragment}`, theirs());
    await ask('GET', `/api/orders/${path}/`, theirs());
    await ask('GET', `http://me:${password}@shop.example.com/api/orders/?limit=0`, theirs());
    await ask('GET', `/api/${path}/%zz`, theirs());
    await ask('POST', '/api/orders/', theirs(), JSON.stringify({ product_id: word, quantity: word }));
    const logged = service.output.slice(before);
    for (const secret of [...secrets, customer.token, 'shop.example.com', 'mock_customer'])
      expect([secret, logged.includes(secret)]).toEqual([secret, false]);
  });
});
