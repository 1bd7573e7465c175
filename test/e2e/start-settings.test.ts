import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { DEVELOPMENT_JWT_SECRET } from '../../src/config/environment.js';
import { client } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type Ended, runBuilt, ServiceProcess } from '../support/service-process.js';

// Each start is a process of its own, which takes a while on a busy machine.
jest.setTimeout(120_000);

const SECRET = '5f0c8a1e7b3d49f2a6c4e8b0d1f37a95';

/** Starts of the built service, as a person makes them. */
describe('a start', () => {
  let sim: Simulator;
  let folder: string;
  let database: TestDatabase;
  let simulated: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'paydesk-start-'));
    sim = await startSimulator({ outDir: join(folder, 'keys'), mode: 'both' });
    simulated = sim.environment(join(folder, 'keys'), 'https://pay.example.cn');
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await database.drop();
    await sim.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => rm(join(folder, '.env'), { force: true }));

  /** A start that has to end by itself. */
  async function refused(
    env: Record<string, string>,
    words = ['main.js'] as ['main.js' | 'cli.js', ...string[]],
  ): Promise<Ended> {
    const [script, ...rest] = words;
    const ended = await runBuilt(script, rest, { PORT: '0', ...env }, folder);
    expect([ended.code, ended.stdout]).toEqual([78, '']);
    expect(ended.stderr).not.toContain('    at ');
    return ended;
  }
  /** The same settings, but for WeChat's own addresses. */
  const realMoney = (): Record<string, string> => {
    const { WECHAT_PAY_BASE_URL: _pay, WECHAT_API_BASE_URL: _api, ...rest } = simulated;
    return rest;
  };

  it.each([['main.js'], ['cli.js', 'issue_token', '--role', 'operator']] as ['main.js' | 'cli.js', ...string[]][])(
    'with real money and the published secret is refused, without NODE_ENV too: %s',
    async (...words) => {
      const env = { ...realMoney(), JWT_SECRET: DEVELOPMENT_JWT_SECRET };
      const { stderr } = await refused(env, words);
      expect(stderr).toContain('- JWT_SECRET is a published example, refused where real money is moved');
      expect(stderr).toContain('openssl rand -hex 32');
      expect(stderr).toContain('- DATABASE_URL must be set where real money is moved');
      expect(stderr).not.toContain(DEVELOPMENT_JWT_SECRET);
    },
  );

  it('with a switch in capitals is refused, from a file as well', async () => {
    await writeFile(join(folder, '.env'), 'WECHAT_PAY_ENABLE_REAL=True\nWECHAT_PAY_MCHID=1900000109\n');
    const { stderr } = await refused({});
    expect(stderr).toContain('- WECHAT_PAY_ENABLE_REAL must be one of the following values: true, false');
  });

  it('with a byte order mark in .env loses nothing of it', async () => {
    await writeFile(join(folder, '.env'), '\uFEFFWECHAT_PAY_ENABLE_REAL=true\nWECHAT_PAY_MCHID=1900000109\n');
    const { stderr } = await refused({});
    expect(stderr).toContain('- WECHAT_APPID must be set when WECHAT_PAY_ENABLE_REAL=true');
    expect(stderr).not.toContain('WECHAT_PAY_MCHID');
  });

  it('with .env in UTF-16 is refused', async () => {
    await writeFile(join(folder, '.env'), Buffer.from('\uFEFFWECHAT_PAY_ENABLE_REAL=true\n', 'utf16le'));
    expect((await refused({})).stderr).toContain('.env is UTF-16');
  });

  it('with a # in the password of the database says what to write', async () => {
    const { stderr } = await refused({ DATABASE_URL: 'postgres://shop:s3cr#tpw@127.0.0.1:5432/shop' });
    expect(stderr).toContain('write # as %23');
    expect(stderr).not.toContain('s3cr');
  });

  it('with keys that were pasted on one line, quoted and with a byte order mark, takes them from .env and from files', async () => {
    const key = await readFile(simulated.WECHAT_PAY_PRIVATE_KEY_PATH ?? '', 'utf8');
    const publicKey = await readFile(simulated.WECHAT_PAY_PUBLIC_KEY_PATH ?? '', 'utf8');
    const pasted = join(folder, 'pasted.pem');
    await writeFile(pasted, `\uFEFF"${publicKey.trim().replaceAll('\n', '\\n')}"\r\n`);
    await writeFile(join(folder, '.env'), `WECHAT_PAY_PRIVATE_KEY="${key.trim().replaceAll('\n', ' ')}"\n`);
    const { WECHAT_PAY_PRIVATE_KEY_PATH: _path, ...env } = simulated;
    const { code, stdout } = await runBuilt(
      'cli.js',
      ['doctor', '--json'],
      { ...env, WECHAT_PAY_PUBLIC_KEY_PATH: pasted },
      folder,
    );
    expect([code, (JSON.parse(stdout) as { ok: boolean }).ok]).toEqual([0, true]);
  });

  it('in production without the real provider does not say that all is well', async () => {
    const env = { ...simulated, WECHAT_PAY_ENABLE_REAL: 'false', NODE_ENV: 'production', JWT_SECRET: SECRET };
    const own = { HOST: '127.0.0.1', DATABASE_URL: database.url, SHUTDOWN_DELAY_SECONDS: '0' };
    const service = await ServiceProcess.start({ ...env, ...own });
    try {
      expect(service.output).toContain('WARNING: no payment provider is enabled');
      expect(service.output).toContain('WARNING: a WeChat Pay merchant account is set');
      expect(service.output).toContain('Paydesk is running WITHOUT A PAYMENT PROVIDER: API http');
      expect(service.output).not.toContain('Paydesk is ready');
    } finally {
      await service.end();
    }
  });

  it('says which provider is bound, and that a merchant account lies idle', async () => {
    const env = { ...simulated, WECHAT_PAY_ENABLE_REAL: 'false', DATABASE_URL: database.url, LOG_LEVEL: 'silent' };
    const service = await ServiceProcess.start(env);
    try {
      expect(service.output).toMatch(/^Paydesk is ready: API .* payments mock \(no real money\)$/m);
      expect(service.output).toMatch(/^WARNING: a WeChat Pay merchant account is set .* mock provider is used/m);
    } finally {
      await service.end();
    }
  });

  it('without the secret of the mini-program takes payments, and answers logins login_not_configured', async () => {
    const env = { ...simulated, WECHAT_APP_SECRET: '', DATABASE_URL: database.url, LOG_LEVEL: 'silent' };
    const service = await ServiceProcess.start(env);
    try {
      expect(service.output).toMatch(/payments wechat, simulated by http:\/\/127\.0\.0\.1:\d+ \(no real money\)$/m);
      expect(service.output).toMatch(/^WARNING: WECHAT_APP_SECRET is not set: login answers login_not_configured/m);
      const login = await client(service.url).post('/auth/login/', { code: sim.loginCode('mei').code });
      expect(login).toMatchObject({ status: 501, body: { code: 'login_not_configured' } });
      const { stdout } = await runBuilt('cli.js', ['issue_token', '--role', 'user', '--user', 'usr_a'], env);
      expect((await client(service.url, stdout.trim()).get('/orders/')).status).toBe(200);
    } finally {
      await service.end();
    }
  });

  describe('as doctor sees it', () => {
    const examine = async (env: Record<string, string>): Promise<{ code: number | null; found: string[] }> => {
      const { code, stdout } = await runBuilt('cli.js', ['doctor', '--json'], env, folder);
      const { checks } = JSON.parse(stdout) as { checks: { name: string; ok: string; message: string }[] };
      return { code, found: checks.map(({ ok, name, message }) => `${ok} ${name}: ${message}`) };
    };

    it('has nothing wrong where optional settings are left out', async () => {
      const { WECHAT_PAY_REFUND_NOTIFY_URL: _left, ...rest } = simulated;
      const { code, found } = await examine({ ...rest, WECHAT_APP_SECRET: '' });
      expect([code, found.filter((line) => line.startsWith('fail'))]).toEqual([0, []]);
      expect(found.join('\n')).not.toContain('WECHAT_PAY_REFUND_NOTIFY_URL');
      expect(found).toContainEqual(expect.stringMatching(/^warn mini-program login: WECHAT_APP_SECRET is not set/));
      expect(found).toContainEqual(expect.stringMatching(/^ok path of the notify_url/));
    });

    it('has a callback path that is not served, a published secret, a switch that says neither', async () => {
      const path = await examine({ ...simulated, WECHAT_PAY_NOTIFY_URL: 'https://pay.example.cn/notify' });
      expect(path.found).toContainEqual(
        expect.stringMatching(/^warn path of the notify_url: WECHAT_PAY_NOTIFY_URL has a path that Paydesk does not/),
      );
      const secret = await examine({ ...simulated, JWT_SECRET: DEVELOPMENT_JWT_SECRET });
      expect(secret.found).toContainEqual(
        expect.stringMatching(/^warn bearer tokens: JWT_SECRET is a published example/),
      );
      const live = await examine({ ...realMoney(), WECHAT_PAY_TIMEOUT_MS: '500', JWT_SECRET: DEVELOPMENT_JWT_SECRET });
      expect(live.code).toBe(1);
      expect(live.found).toContainEqual(expect.stringMatching(/^fail environment: JWT_SECRET is a published example/));
      const neither = await examine({ ...simulated, WECHAT_PAY_ENABLE_REAL: 'True' });
      expect(neither.code).toBe(1);
      expect(neither.found).toContainEqual(expect.stringMatching(/^fail environment: WECHAT_PAY_ENABLE_REAL must be/));
    });

    it('has keys in the wrong place, in the words of the start', async () => {
      const { WECHAT_PAY_PUBLIC_KEY_PATH: publicKey = '', WECHAT_PAY_PUBLIC_KEY_ID: _id, ...noId } = simulated;
      const { WECHAT_PAY_PUBLIC_KEY_PATH: _key, ...noKey } = simulated;
      const wrong: [env: Record<string, string>, line: string][] = [
        [
          { ...noId, WECHAT_PAY_PUBLIC_KEY_PATH: publicKey },
          'WECHAT_PAY_PUBLIC_KEY_ID must be set beside the public key',
        ],
        [noKey, 'WECHAT_PAY_PUBLIC_KEY or WECHAT_PAY_PUBLIC_KEY_PATH must be set beside WECHAT_PAY_PUBLIC_KEY_ID'],
        [
          { ...simulated, WECHAT_PAY_PLATFORM_CERT_PATH: publicKey },
          'WECHAT_PAY_PLATFORM_CERT_PATH names a public key: ',
        ],
        [
          { ...simulated, WECHAT_PAY_PLATFORM_CERT_PATH: join(folder, 'keys', 'apiclient_cert.pem') },
          'WECHAT_PAY_PLATFORM_CERT is the merchant’s own certificate',
        ],
        [
          { ...simulated, WECHAT_PAY_PRIVATE_KEY_PATH: join(folder, 'keys', 'apiclient_cert.pem') },
          'WECHAT_PAY_PRIVATE_KEY_PATH names a certificate: the private key is the file apiclient_key.pem',
        ],
      ];
      for (const [env, line] of wrong) {
        const [{ stderr }, { code, found }] = await Promise.all([refused(env), examine(env)]);
        expect(stderr).toContain(`- ${line}`);
        expect([code, found.filter((text) => text.startsWith('fail'))]).toEqual([1, [expect.stringContaining(line)]]);
        expect(found).toContainEqual(expect.stringMatching(/^warn calls to WeChat: WeChat was not called/));
      }
    });

    it('has a name that nothing reads', async () => {
      const { found } = await examine({ ...simulated, WECHAT_PAY_PUBLICKEY_ID: 'x' });
      expect(found).toContainEqual(expect.stringMatching(/^warn environment: WECHAT_PAY_PUBLICKEY_ID is set, but/));
    });

    it('has a merchant account that lies idle', async () => {
      const { found } = await examine({ ...simulated, WECHAT_PAY_ENABLE_REAL: 'false' });
      expect(found[0]).toMatch(/^warn real provider: a whole merchant account is set, but it is off: the mock/);
    });
  });
});
