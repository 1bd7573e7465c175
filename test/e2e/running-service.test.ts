import { createHmac, randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../dev/embedded-postgres/free-port.js';
import { DEVELOPMENT_JWT_SECRET } from '../../src/config/environment.js';
import { client, TEA } from '../support/app.js';
import { eventually } from '../support/embedded.js';
import type { OrderView, PaymentView } from '../support/flows.js';
import { type Ended, runBuilt, ServiceProcess } from '../support/service-process.js';

// Each command is a process of its own, and the first start makes a database.
jest.setTimeout(180_000);

const secret = (): string => randomBytes(32).toString('hex');
const SIMULATED = { JWT_SECRET: secret(), JOBS_ENABLED: 'false', LOG_LEVEL: 'warn' };
const MOCK = { JWT_SECRET: secret(), MOCK_CALLBACK_SECRET: secret(), JOBS_ENABLED: 'false', LOG_LEVEL: 'warn' };

/** As in a second terminal: none of what the service was given is in the command's environment. */
describe('commands beside a service on the embedded database', () => {
  let folder: string;
  let service: ServiceProcess;
  let simulator: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'paydesk-running-'));
    await chmod(folder, 0o755);
    service = await ServiceProcess.start(
      { ...SIMULATED, PORT: String(await freePort()) },
      folder,
      '../dev/simulated.js',
    );
    await service.said(/notices that it sent/);
    simulator = /simulator: (http:\S+)/.exec(service.output)?.[1] ?? '';
  });
  afterAll(async () => {
    await service.end();
    await rm(folder, { recursive: true, force: true });
  });

  const cli = (words: string, env: Record<string, string> = {}): Promise<Ended> =>
    runBuilt('cli.js', words.split(' '), env, folder);
  const json = ({ stdout }: Ended): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>;
  const published = (): string => join(folder, 'var', 'postgres', 'configuration');
  const token = async (role: string): Promise<string> => (await cli(`issue_token --role ${role}`)).stdout.trim();

  let logins = 0;
  /** A payment that waits for its money, and how it stands. */
  const started = async (): Promise<{ paymentId: string; status: () => Promise<string> }> => {
    const login = await client(service.url).post<{ access_token: string }>('/auth/login/', {
      code: `alice_${(logins += 1)}`,
    });
    const api = client(service.url, login.body.access_token);
    const order = await api.post<OrderView>('/orders/', { product_id: TEA, quantity: 1 });
    const payment = await api.post<PaymentView>('/payments/', { order_id: order.body.id });
    const path = `/payments/${payment.body.id}/`;
    expect((await api.post(`${path}start/`)).status).toBe(200);
    return { paymentId: payment.body.id, status: async () => (await api.get<PaymentView>(path)).body.status };
  };
  const faults = (rules: unknown[]): Promise<Response> =>
    fetch(`${simulator}/_sim/faults`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ rules }),
    });

  it('ask its simulator, and record what that says', async () => {
    await faults([{ at: 'notice', do: 'drop' }]);
    const { paymentId, status } = await started();
    await fetch(`${simulator}/_sim/transactions/${paymentId}/pay`, { method: 'POST' });
    expect(await status()).toBe('processing');
    expect(json(await cli('expire_payments --dry-run --json'))).toMatchObject({ dry_run: true, payments: [] });
    expect(json(await cli('reconcile_payments --json'))).toMatchObject({ checked: 1, succeeded: 1 });
    expect(await status()).toBe('succeeded');
    await faults([]);
  });

  it('ask its simulator for the bill, and doctor examines what it runs with', async () => {
    const [bill, doctor] = await Promise.all([cli('reconcile_bill --date 2019-02-19 --json'), cli('doctor --json')]);
    expect(json(bill)).toMatchObject({ error: { code: expect.stringMatching(/^[A-Z_]+$/) as unknown } });
    expect(json(doctor).checks).toContainEqual(
      expect.objectContaining({ ok: 'ok', message: 'it is on, against a simulator on this machine' }),
    );
    expect([doctor.code, doctor.stderr]).toEqual([0, '']);
  });

  it('sign tokens with its secret, and name what is set otherwise for them without its value', async () => {
    const other = { JWT_SECRET: secret(), WECHAT_PAY_ENABLE_REAL: 'false', PORT: '1' };
    const { stdout, stderr } = await cli('issue_token --role operator', other);
    expect((await client(service.url, stdout.trim()).get('/admin/payments/')).status).toBe(200);
    expect(stderr).toMatch(/^NOTE: .* other values of JWT_SECRET, WECHAT_PAY_ENABLE_REAL: its values are used.*\n$/);
    expect(stderr).not.toContain(other.JWT_SECRET);
  });

  it('keep their own environment where it names a database, or is production', async () => {
    const [own, production] = await Promise.all([
      cli('issue_token --role operator', { DATABASE_URL: 'postgres://127.0.0.1:1/none' }),
      cli('issue_token --role operator', { NODE_ENV: 'production' }),
    ]);
    expect(signedWith(DEVELOPMENT_JWT_SECRET, own.stdout)).toBe(true);
    expect([production.code, production.stderr]).toEqual([78, expect.stringContaining('DATABASE_URL must be set')]);
  });

  it('say how a notice is sent where the simulator sends them, and that pays', async () => {
    const { paymentId, status } = await started();
    const { code, stderr } = await cli(`simulate_callback ${paymentId}`);
    expect([code, stderr]).toEqual([1, expect.stringContaining('the mock provider is off: the simulator')]);
    const [, url = ''] = /curl -X POST (\S+)/.exec(stderr) ?? [];
    expect((await fetch(url, { method: 'POST' })).status).toBe(200);
    await eventually(async () => (await status()) === 'succeeded');
  });

  it('find its configuration in a file of its own account alone', async () => {
    expect((await stat(published())).mode & 0o777).toBe(0o600);
    const text = await readFile(published(), 'utf8');
    expect(JSON.parse(text)).toMatchObject({ configuration: SIMULATED });
    expect(
      (await readdir(join(folder, 'var', 'postgres'))).filter((name) => name.startsWith('configuration.')),
    ).toEqual([]);
  });

  it('do so also after a second start, which is refused before it changes anything', async () => {
    const key = join(folder, 'var', 'simulator', 'apiclient_key.pem');
    const before = await readFile(key, 'utf8');
    await expect(ServiceProcess.start(MOCK, folder, '../dev/simulated.js')).rejects.toThrow('already running');
    expect(await readFile(key, 'utf8')).toBe(before);
    expect((await client(service.url, await token('operator')).get('/admin/payments/')).status).toBe(200);
  });

  it('do not use what a killed service left, and what the next one was given', async () => {
    await service.end('SIGKILL');
    expect(await readFile(published(), 'utf8')).toContain(SIMULATED.JWT_SECRET);
    expect(signedWith(DEVELOPMENT_JWT_SECRET, await token('operator'))).toBe(true);

    service = await ServiceProcess.start(MOCK, folder);
    expect((await client(service.url, await token('operator')).get('/admin/payments/')).status).toBe(200);
    const { paymentId, status } = await started();
    expect(json(await cli(`simulate_callback ${paymentId} --json`))).toMatchObject({ http_status: 200 });
    expect(await status()).toBe('succeeded');
    expect(await readFile(published(), 'utf8')).not.toContain(SIMULATED.JWT_SECRET);

    await service.end();
    await expect(stat(published())).rejects.toThrow('ENOENT');
    expect(signedWith(DEVELOPMENT_JWT_SECRET, await token('operator'))).toBe(true);
  });
});

function signedWith(key: string, text: string): boolean {
  const [head = '', body = '', signature = ''] = text.trim().split('.');
  return createHmac('sha256', key).update(`${head}.${body}`).digest('base64url') === signature;
}
