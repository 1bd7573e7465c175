import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../dev/embedded-postgres/free-port.js';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { type Api, client, startTestApp, type TestApp } from '../support/app.js';
import { placeOrder } from '../support/flows.js';
import { ServiceProcess } from '../support/service-process.js';

jest.setTimeout(120_000);

interface Line {
  level: number;
  time: number;
  msg: string;
  request_id?: string;
}

describe('the log in production', () => {
  let sim: Simulator;
  let service: ServiceProcess;
  /** Looks on from beside, to make orders and tokens. */
  let beside: TestApp;
  let folder: string;
  let secrets: string[];
  let lines: Line[];

  /** A whole life: login, payment, notice, a forged notice, a refund, an error of the channel, a command's work. */
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'paydesk-keys-'));
    const port = await freePort();
    sim = await startSimulator({ outDir: folder, seed: 3, openingBalanceFen: 1_000_000, refundDelayMs: 0 });
    const jwtSecret = 'a-secret-of-the-tests-that-must-not-be-logged';
    const channel = sim.environment(folder, `http://127.0.0.1:${port}`);
    beside = await startTestApp({ env: { ...channel, JWT_SECRET: jwtSecret } });
    beside.clock.set(new Date());
    const env = { ...channel, NODE_ENV: 'production', JWT_SECRET: jwtSecret, DATABASE_URL: beside.databaseUrl };
    service = await ServiceProcess.start({
      ...env,
      PORT: String(port),
      HOST: '127.0.0.1',
      LOG_LEVEL: 'trace',
      SHUTDOWN_DELAY_SECONDS: '0',
    });

    const { code, openid } = sim.loginCode('Ada');
    const login = await client(service.url).post<{ access_token: string; user: { id: string } }>('/auth/login/', {
      code,
    });
    const token = login.body.access_token;
    const api: Api = client(service.url, token);
    const customer = { id: login.body.user.id, token, api };
    const orderId = await placeOrder(beside, customer);
    const payment = await api.post<{ id: string }>('/payments/', { order_id: orderId });
    const started = await api.post<{ pay_params: { paySign: string } }>(`/payments/${payment.body.id}/start/`);
    sim.pay(payment.body.id);
    await sim.settled();
    await fetch(`${service.url}/api/payments/callback/wechat/`, {
      method: 'POST',
      body: '{"forged":"body-of-a-stranger"}',
    });
    const operator = client(service.url, (await tokenOf(beside)) ?? '');
    const refund = await operator.post<{ id: string }>('/refunds/', { payment_id: payment.body.id, amount: 100 });
    await operator.post(`/refunds/${refund.body.id}/succeed/`);
    await sim.settled();
    await sim.faults({ rules: [{ at: 'query', do: 'error', status: 500, code: 'SYSTEM_ERROR' }] });
    const second = await placeOrder(beside, customer);
    const open = await api.post<{ id: string }>('/payments/', { order_id: second });
    await api.post(`/payments/${open.body.id}/start/`);
    await api.post(`/payments/${open.body.id}/sync/`);
    await service.end('SIGTERM');

    const file = (name: string): string => readFileSync(join(folder, name), 'utf8');
    secrets = [
      ...[jwtSecret, openid, token, code, started.body.pay_params.paySign, 'body-of-a-stranger'],
      ...[channel.WECHAT_PAY_API_V3_KEY, channel.WECHAT_APP_SECRET].map(String),
      file('apiclient_key.pem').split('\n')[1] ?? '',
      new URL(beside.databaseUrl).password,
    ];
    lines = service.output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);
  });
  afterAll(async () => {
    await beside.close();
    await sim.close();
    await rm(folder, { recursive: true, force: true });
  });

  const tokenOf = async (app: TestApp): Promise<string | undefined> => {
    const { TokensService } = await import('../../src/auth/tokens.service.js');
    return (await app.app.get(TokensService).issue({ id: 'operator_1', role: 'operator' })).token;
  };

  it('is JSON, a line each', () => {
    expect(lines.length).toBeGreaterThan(5);
    const others = service.output.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
    expect(
      others.every((line) => /^(database: |Paydesk is ready|WARNING: NODE_ENV is production, but|SIGTERM)/.test(line)),
    ).toBe(true);
  });

  it('has the id of the request in every line about one', () => {
    const about = lines.filter((line) => line.msg.startsWith('request '));
    expect(about.length).toBeGreaterThan(5);
    for (const line of about) expect(line.request_id).toMatch(/^req_\w{26}$/);
  });

  it('has no secret, token, openid or body in it', () => {
    expect(secrets.every((secret) => secret.length > 8)).toBe(true);
    for (const secret of secrets) expect(service.output.includes(secret)).toBe(false);
    expect(service.output).not.toMatch(/authorization|ciphertext|BEGIN |Bearer |prepay_id=/i);
  });
});
