import { spawn, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

const MAIN = join(__dirname, '..', '..', 'dist', 'simulator', 'main.js');

/** The program as people start it. Needs `npm run build` before it, as `npm test` does. */
describe('npm run simulator', () => {
  let folder: string;

  beforeAll(() => {
    if (!existsSync(MAIN)) throw new Error('Build first: npm run build');
    folder = mkdtempSync(join(tmpdir(), 'simulator-'));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs it until it has said what to do next, lets `look` look around, and ends it; its output and exit code. */
  const running = async (args: string[], look: (output: string) => Promise<void>): Promise<number | null> => {
    const child = spawn(process.execPath, [MAIN, ...args], { env: { SIM_PORT: '0' } });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    let output = '';
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes('Ctrl-C')) resolve();
      });
      child.once('exit', () => reject(new Error(output)));
    });
    try {
      await look(output);
    } finally {
      child.kill('SIGTERM');
    }
    return ended;
  };

  it('says what to do next, and writes keys and a ready .env', async () => {
    const code = await running(
      ['--out', folder, '--mode', 'both', '--notify-base', 'http://127.0.0.1:4000/'],
      async (output) => {
        const environment = parseEnv(readFileSync(join(folder, '.env'), 'utf8'));
        const url = environment.WECHAT_PAY_BASE_URL ?? '';
        expect(output).toContain(url);
        expect(environment).toMatchObject({
          WECHAT_PAY_ENABLE_REAL: 'true',
          WECHAT_PAY_NOTIFY_URL: 'http://127.0.0.1:4000/api/payments/callback/wechat/',
          WECHAT_PAY_REFUND_NOTIFY_URL: 'http://127.0.0.1:4000/api/refunds/callback/wechat/',
          WECHAT_API_BASE_URL: url,
          WECHAT_PAY_PUBLIC_KEY_ID: expect.stringMatching(/^PUB_KEY_ID_\d{34}$/) as string,
        });
        expect(Buffer.byteLength(environment.WECHAT_PAY_API_V3_KEY ?? '')).toBe(32);
        const merchant = new X509Certificate(readFileSync(join(folder, 'apiclient_cert.pem')));
        expect(merchant.serialNumber).toBe(environment.WECHAT_PAY_SERIAL_NO);
        expect(readFileSync(environment.WECHAT_PAY_PRIVATE_KEY_PATH ?? '', 'utf8')).toContain('BEGIN PRIVATE KEY');
        expect(readFileSync(environment.WECHAT_PAY_PUBLIC_KEY_PATH ?? '', 'utf8')).toContain('BEGIN PUBLIC KEY');
        const platform = new X509Certificate(readFileSync(environment.WECHAT_PAY_PLATFORM_CERT_PATH ?? ''));
        const root = new X509Certificate(readFileSync(join(folder, 'root_ca.pem')));
        expect([merchant.verify(root.publicKey), platform.verify(root.publicKey)]).toEqual([true, true]);
        const ledger = (await (await fetch(`${url}/_sim/ledger`)).json()) as { mchid: string };
        expect(ledger.mchid).toBe(environment.WECHAT_PAY_MCHID);
      },
    );
    expect(code).toBe(0);
  });

  it('names only the keys of its mode in the .env', async () => {
    await running(['--out', folder, '--mode', 'certificate'], () => {
      const environment = parseEnv(readFileSync(join(folder, '.env'), 'utf8'));
      expect(environment).toHaveProperty('WECHAT_PAY_PLATFORM_CERT_PATH');
      expect(environment).not.toHaveProperty('WECHAT_PAY_PUBLIC_KEY_ID');
      return Promise.resolve();
    });
  });

  it.each([[['--bogus']], [['--port', 'x']], [['--port', '70000']], [['--mode', 'sm2']], [['--refund-delay', '-1']]])(
    'ends with 2 and its usage on %j',
    (args) => {
      const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
      expect(status).toBe(2);
      expect(stderr).toContain('Usage: npm run simulator');
    },
  );

  it('explains itself', () => {
    const { status, stdout } = spawnSync(process.execPath, [MAIN, '--help'], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toContain('--notify-base');
  });
});
