import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../dev/embedded-postgres/free-port.js';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { client, startTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/embedded.js';
import { type Bought, newCustomer, placeOrder, placePayment, statesOf } from '../support/flows.js';
import { ServiceProcess } from '../support/service-process.js';
import { makePair } from '../unit/wechat/support.js';

describe('new keys without a restart', () => {
  let sim: Simulator;
  /** Looks on from beside, over the same database. */
  let beside: TestApp;
  let service: ServiceProcess;
  let keys: string;
  let env: Record<string, string>;

  beforeAll(async () => {
    keys = await mkdtemp(join(tmpdir(), 'paydesk-keys-'));
    const port = await freePort();
    sim = await startSimulator({ outDir: keys, mode: 'public_key' });
    env = sim.environment(keys, `http://127.0.0.1:${port}`);
    beside = await startTestApp({ env });
    beside.clock.set(new Date());
    service = await ServiceProcess.start({
      ...env,
      PORT: String(port),
      NODE_ENV: 'test',
      DATABASE_URL: beside.databaseUrl,
      JOBS_ENABLED: 'false',
      LOG_LEVEL: 'info',
      WECHAT_PAY_TIMEOUT_MS: '1000',
    });
  });
  afterAll(async () => {
    await service.end('SIGKILL');
    await beside.close();
    await sim.close();
    await rm(keys, { recursive: true, force: true });
  });

  /** Buys in the process: its token is good there, both share one secret. */
  async function start(): Promise<{ status: number; bought: Bought }> {
    const customer = await newCustomer(beside);
    const orderId = await placeOrder(beside, customer);
    const paymentId = await placePayment(customer, orderId);
    const path = `/payments/${paymentId}/`;
    const { status } = await client(service.url, customer.token).post(`${path}start/`);
    return { status, bought: { customer, orderId, paymentId, path } };
  }

  it('are taken over on SIGHUP, wrong ones are not, and what runs goes on', async () => {
    expect((await start()).status).toBe(200);
    const file = join(keys, 'apiclient_key.pem');
    const right = await readFile(file, 'utf8');

    await writeFile(file, 'not a key');
    service.signal('SIGHUP');
    await eventually(() => service.output.includes('the keys were not reloaded'));
    expect(service.output).not.toContain('not a key');
    expect((await start()).status).toBe(200);

    // Another merchant's key: read, taken over, and refused by the channel from now on.
    await writeFile(file, makePair().privatePem);
    service.signal('SIGHUP');
    await eventually(() => service.output.includes('the keys were reloaded'));
    expect((await start()).status).not.toBe(200);

    await writeFile(file, right);
    const before = service.output.length;
    service.signal('SIGHUP');
    await eventually(() => service.output.slice(before).includes('the keys were reloaded'));
    const { status, bought } = await start();
    expect(status).toBe(200);
    sim.pay(bought.paymentId);
    await sim.settled();
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });
});
