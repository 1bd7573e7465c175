import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Simulator, startSimulator } from '../../simulator/index.js';
import { type Ended, runBuilt } from '../support/service-process.js';
import { makePair } from '../unit/wechat/support.js';

// Each start is a process of its own, which takes a while on a busy machine.
jest.setTimeout(120_000);

interface Report {
  ok: boolean;
  checks: { name: string; ok: 'ok' | 'warn' | 'fail'; message: string; advice: string }[];
}

/** The command as an operator runs it: a process of its own, without a database. */
describe('doctor', () => {
  let sim: Simulator;
  let folder: string;
  let good: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'paydesk-doctor-'));
    sim = await startSimulator({ outDir: folder, mode: 'both' });
    good = { ...sim.environment(folder), DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nowhere', NODE_ENV: 'test' };
    // The simulator's own environment names files of this folder; a `.env` beside them would be read too.
    await rm(join(folder, '.env'));
  });
  beforeEach(() => sim.faults({ rules: [] }));
  afterAll(async () => {
    await sim.close();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (env: Record<string, string>, ...words: string[]): Promise<Ended> =>
    runBuilt('cli.js', ['doctor', ...words], env, folder);

  async function examine(changes: Record<string, string>): Promise<{ code: number | null; report: Report }> {
    const { code, stdout, stderr } = await run({ ...good, ...changes }, '--json');
    const { apiV3Key, appSecret, merchantPrivateKeyPem } = sim.credentials;
    for (const secret of [apiV3Key, appSecret, merchantPrivateKeyPem.slice(40, 90)]) {
      expect(stdout + stderr).not.toContain(secret);
    }
    expect(stderr).toBe('');
    return { code, report: JSON.parse(stdout) as Report };
  }

  const failures = ({ checks }: Report): string[] =>
    checks.filter(({ ok }) => ok === 'fail').map(({ name, message }) => `${name}: ${message}`);

  it('finds nothing wrong with a good configuration, in a table and as JSON', async () => {
    const table = await run(good);
    expect(table).toMatchObject({ code: 0, stderr: '' });
    expect(table.stdout).toContain('self test with WeChat Pay');
    expect(table.stdout).not.toContain('WRONG');
    const { code, report } = await examine({});
    expect([code, report.ok, failures(report)]).toEqual([0, true, []]);
    expect(report.checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['clock', 'platform certificates', 'mini-program login', 'paySign example of the manual']),
    );
  });

  it('names everything that is missing, once, and what to do about it', async () => {
    const { code, report } = await examine({
      WECHAT_PAY_MCHID: '',
      WECHAT_PAY_API_V3_KEY: '',
      WECHAT_PAY_PRIVATE_KEY_PATH: join(folder, 'nothing.pem'),
    });
    expect(code).toBe(1);
    const found = failures(report);
    for (const name of ['WECHAT_PAY_MCHID', 'WECHAT_PAY_API_V3_KEY', 'WECHAT_PAY_PRIVATE_KEY']) {
      expect(found.filter((line) => line.includes(name))).toHaveLength(1);
    }
    for (const { ok, advice } of report.checks) if (ok === 'fail') expect(advice.length).toBeGreaterThan(10);
  });

  it('says what is wrong with values that are there', async () => {
    const other = join(folder, 'other.pem');
    await writeFile(other, makePair().privatePem);
    const wrong: Record<string, string>[] = [
      { WECHAT_PAY_API_V3_KEY: 'short' },
      { WECHAT_PAY_NOTIFY_URL: 'https://shop.example.com/callback?a=b' },
      { WECHAT_PAY_PRIVATE_KEY_PATH: other },
      { WECHAT_PAY_SERIAL_NO: '5'.repeat(40) },
      { WECHAT_APP_SECRET: 'f'.repeat(32) },
    ];
    const found = await Promise.all(wrong.map((changes) => examine(changes)));
    expect(found.map(({ code }) => code)).toEqual(wrong.map(() => 1));
    const [apiKey, url, key, serial, secret] = found.map(({ report }) => failures(report).join('\n'));
    expect(apiKey).toContain('must be 32 bytes, not 5');
    expect(url).toContain('must not have a query string');
    expect(key).toContain('refuses our signature');
    expect(serial).toContain('refuses our signature');
    expect(secret).toContain('WeChat refuses appid or secret');
  });

  it('says when WeChat cannot be reached, and when its answers prove nothing', async () => {
    const nowhere = await examine({ WECHAT_PAY_BASE_URL: 'http://127.0.0.1:9', WECHAT_PAY_TIMEOUT_MS: '500' });
    expect(nowhere.code).toBe(1);
    expect(failures(nowhere.report).join('\n')).toContain('WeChat Pay did not answer');

    await sim.faults({ rules: [{ at: 'echo', do: 'wrong_signature' }] });
    const forged = await examine({});
    expect(failures(forged.report).join('\n')).toContain('cannot be verified');
  });

  it('says that the real provider is off, and wants no more words', async () => {
    const { code, report } = await examine({ WECHAT_PAY_ENABLE_REAL: 'false' });
    expect(code).toBe(0);
    expect(report.checks[0]).toMatchObject({ name: 'real provider', ok: 'warn' });
    expect((await run(good, '--jsn')).code).toBe(2);
    expect((await run(good, '--help')).code).toBe(0);
  });
});
