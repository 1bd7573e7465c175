import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { freePort } from '../../dev/embedded-postgres/free-port.js';
import { client, TEA } from '../support/app.js';
import { createEmptyDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/embedded.js';
import type { OrderView, PaymentView, StartedView } from '../support/flows.js';
import { BROWSER_FLAGS, CHROMIUM, PHONE, UPDATE_SCREENSHOTS } from './browser.js';

const PICTURE = 'docs/images/cashier.png';

jest.setTimeout(60_000);

/** The walk of the README: what `npm run start:simulated` starts, and a customer with a browser. */
describe('npm run start:simulated', () => {
  let folder: string;
  let database: TestDatabase;
  let service: ChildProcess;
  let output = '';
  let url: string;
  let browser: Browser;

  beforeAll(async () => {
    // In a folder of its own: keys and settings of the working copy stay out of it.
    folder = await mkdtemp(join(tmpdir(), 'paydesk-simulated-'));
    await cp('package.json', join(folder, 'package.json'));
    for (const part of ['dist', 'node_modules']) await symlink(resolve(part), join(folder, part));
    database = await createEmptyDatabase();
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const env = { DATABASE_URL: database.url, PORT: String(port), NODE_ENV: 'development', LOG_LEVEL: 'warn' };
    // What the npm script runs once it has built.
    service = spawn(process.execPath, ['dist/dev/simulated.js'], { cwd: folder, env });
    for (const stream of [service.stdout, service.stderr])
      stream?.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    await eventually(() => {
      if (service.exitCode !== null) throw new Error(`it did not start:\n${output}`);
      return output.includes('cashier of an order');
    });
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: BROWSER_FLAGS });
  });

  afterAll(async () => {
    await browser.close();
    const gone = once(service, 'exit');
    service.kill('SIGTERM');
    expect(await gone).toEqual([0, null]);
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  it('leads from a login over the cashier page to the paid order', async () => {
    const login = await client(url).post<{ access_token: string }>('/auth/login/', { code: 'alice' });
    const api = client(url, login.body.access_token);
    const order = await api.post<OrderView>('/orders/', { product_id: TEA, quantity: 2 });
    const payment = await api.post<PaymentView>('/payments/', { order_id: order.body.id });
    expect(payment.body).toMatchObject({ provider: 'wechat', status: 'init', amount: 3600 });
    const started = await api.post<StartedView>(`/payments/${payment.body.id}/start/`);
    expect(started.status).toBe(200);

    const cashier = /cashier of an order\s+(\S+)PREPAY_ID/.exec(output)?.[1] ?? '';
    const prepayId = started.body.pay_params.package.replace('prepay_id=', '');
    const page = await browser.newPage({ viewport: PHONE, deviceScaleFactor: 2, locale: 'zh-CN' });
    await page.goto(`${cashier}${prepayId}`);
    expect(await page.getByText('36.00').first().isVisible()).toBe(true);
    if (UPDATE_SCREENSHOTS) {
      await mkdir(dirname(PICTURE), { recursive: true });
      await page.screenshot({ path: PICTURE });
    }
    await page.locator('#pay').click();
    await page.getByText('支付成功 Paid').waitFor();

    const path = `/payments/${payment.body.id}/`;
    await eventually(async () => (await api.get<PaymentView>(path)).body.status === 'succeeded');
    expect((await api.get<OrderView>(`/orders/${order.body.id}/`)).body.status).toBe('paid');
    expect((await api.post(`${path}succeed/`)).status).toBe(404);

    // The simulator's books, as a person looks at them.
    const ledger = /what was really paid\s+(\S+)/.exec(output)?.[1] ?? '';
    await page.goto(ledger);
    expect(await page.getByText(payment.body.id).first().isVisible()).toBe(true);
    await page.close();
  });
});
