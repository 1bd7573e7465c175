import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { DEVELOPMENT_JWT_SECRET, DEVELOPMENT_MOCK_SECRET, Environment } from '../../src/config/environment.js';
import { differing, environmentOfRunning, givenOf } from '../../src/config/running-environment.js';
import { ConfigError, parseSettings, readSettings, type Settings } from '../../src/config/settings.js';

/** Lines of complaint about this environment; none when it is a configuration. */
function problemsOf(env: Record<string, string>): string[] {
  try {
    parseSettings(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://paydesk@db/paydesk',
  JWT_SECRET: '5f0c8a1e7b3d49f2a6c4e8b0d1f37a95',
};

describe('the configuration', () => {
  it('is complete without any variable: development', () => {
    expect(parseSettings({})).toMatchObject({
      production: false,
      port: 3000,
      host: '127.0.0.1',
      databaseUrl: null,
      jwtSecret: DEVELOPMENT_JWT_SECRET,
      mockCallbackSecret: DEVELOPMENT_MOCK_SECRET,
      mockEnabled: true,
      paymentTtlSeconds: 1800,
      latePaymentPolicy: 'refund',
      shutdownDelaySeconds: 0,
      wechat: null,
    } satisfies Partial<Settings>);
  });

  it('takes an empty variable for one that is not set', () => {
    const empty = Object.fromEntries(Object.keys(new Environment()).map((name) => [name, '']));
    expect(parseSettings(empty)).toEqual(parseSettings({}));
  });

  it('of a running service takes the place of a command’s own, but for what belongs to one process', () => {
    const running = givenOf({ PAYMENT_TTL_SECONDS: '"60"', PORT: '4000', JWT_AUDIENCE: '', PATH: '/bin' });
    expect(running).toEqual({ PAYMENT_TTL_SECONDS: '60', PORT: '4000' });
    const own = givenOf({
      JWT_AUDIENCE: 'other',
      PAYMENT_TTL_SECONDS: '90',
      LATE_PAYMENT_POLICY: 'refund',
      PORT: '5000',
    });
    expect(parseSettings({ ...own, ...environmentOfRunning(running) })).toMatchObject({
      paymentTtlSeconds: 60,
      jwtAudience: 'paydesk',
      port: 5000,
    });
    expect(differing(own, running)).toEqual(['JWT_AUDIENCE', 'PAYMENT_TTL_SECONDS', 'LATE_PAYMENT_POLICY']);
    expect(differing(running, running)).toEqual([]);
  });

  it.each<[string, string]>([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['PORT', '0x50'],
    ['DATABASE_URL', 'mysql://secret@db'],
    ['DATABASE_POOL_SIZE', '1'],
    ['JWT_SECRET', 'too short a secret'],
    ['JWT_PUBLIC_KEY', 'no such file'],
    ['JWT_PUBLIC_KEY', '-----BEGIN PUBLIC KEY-----\\nbm8ga2V5\\n-----END PUBLIC KEY-----'],
    ['MOCK_CALLBACK_SECRET', 'short'],
    ['PAYMENT_TTL_SECONDS', '0'],
    ['PAYMENT_TTL_SECONDS', '30m'],
    ['LATE_PAYMENT_POLICY', 'keep'],
    ['LOG_LEVEL', 'loud'],
    ['NODE_ENV', 'staging'],
    ['JOBS_ENABLED', 'yes'],
    ['SHUTDOWN_DELAY_SECONDS', '301'],
    ['SHUTDOWN_DELAY_SECONDS', '-1'],
    ['SHUTDOWN_DELAY_SECONDS', '5s'],
    ['WECHAT_PAY_CALLBACK_ALLOWED_IPS', '10.0.0.0/33'],
    ['WECHAT_PAY_CALLBACK_ALLOWED_IPS', 'example.org'],
    ['WECHAT_PAY_CALLBACK_ALLOWED_IPS', ','],
  ])('names %s when it is wrong, without its value (%s)', (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems.length).toBeGreaterThanOrEqual(1);
    for (const line of problems) {
      expect(line).toMatch(new RegExp(`^${name}\\b`));
      expect(line).not.toContain(value);
      expect(line).not.toContain('\n');
    }
  });

  it('refuses a public key of a kind that signs neither RS256 nor ES256', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const problems = problemsOf({ JWT_PUBLIC_KEY: publicKey.export({ type: 'spki', format: 'pem' }).toString() });
    expect(problems).toEqual([expect.stringMatching(/^JWT_PUBLIC_KEY/)]);
  });

  it('lists every problem at once', () => {
    const problems = problemsOf({ PORT: 'x', JWT_SECRET: 'x', LATE_PAYMENT_POLICY: 'x', LOG_LEVEL: 'x' });
    expect(new Set(problems.map((line) => /^\w+/.exec(line)?.[0]))).toEqual(
      new Set(['PORT', 'JWT_SECRET', 'LATE_PAYMENT_POLICY', 'LOG_LEVEL']),
    );
  });

  it('is read anew from .env each time: what a signal takes over is not what stood there at the start', () => {
    const [home, folder] = [process.cwd(), mkdtempSync(join(tmpdir(), 'paydesk-env-'))];
    try {
      process.chdir(folder);
      const read = (text: string): number => {
        writeFileSync('.env', text);
        return readSettings(() => []).paymentTtlSeconds;
      };
      expect([read('PAYMENT_TTL_SECONDS=60'), read('PAYMENT_TTL_SECONDS=120'), read('')]).toEqual([60, 120, 1800]);
    } finally {
      process.chdir(home);
      rmSync(folder, { recursive: true });
    }
  });

  it('lists everything that the real channel misses', () => {
    const text = problemsOf({ WECHAT_PAY_ENABLE_REAL: 'true' }).join('\n');
    for (const name of ['WECHAT_APPID', 'WECHAT_PAY_MCHID', 'WECHAT_PAY_SERIAL_NO']) {
      expect(text).toContain(name);
    }
    for (const name of ['WECHAT_PAY_PRIVATE_KEY', 'WECHAT_PAY_API_V3_KEY', 'WECHAT_PAY_NOTIFY_URL']) {
      expect(text).toContain(name);
    }
  });

  describe('in production', () => {
    it('has everything mock off', () => {
      expect(parseSettings(PRODUCTION)).toMatchObject({ production: true, mockEnabled: false, host: '0.0.0.0' });
    });

    it('waits for load balancers before its port closes, unless told otherwise', () => {
      expect(parseSettings(PRODUCTION).shutdownDelaySeconds).toBe(5);
      expect(parseSettings({ ...PRODUCTION, SHUTDOWN_DELAY_SECONDS: '0' }).shutdownDelaySeconds).toBe(0);
      expect(parseSettings({ ...PRODUCTION, SHUTDOWN_DELAY_SECONDS: '300' }).shutdownDelaySeconds).toBe(300);
    });

    it.each<[string, Record<string, string>]>([
      ['DATABASE_URL', { ...PRODUCTION, DATABASE_URL: '' }],
      ['JWT_SECRET', { ...PRODUCTION, JWT_SECRET: '' }],
      ['JWT_SECRET', { ...PRODUCTION, JWT_SECRET: DEVELOPMENT_JWT_SECRET }],
      ['MOCK_CALLBACK_SECRET', { ...PRODUCTION, MOCK_CALLBACK_SECRET: 'y'.repeat(32) }],
    ])('refuses %s as it is', (name, env) => {
      expect(problemsOf(env)).toEqual([expect.stringMatching(new RegExp(`^${name}\\b`))]);
    });
  });
});

describe('.env.example', () => {
  const text = readFileSync('.env.example', 'utf8');
  const example = parseEnv(text) as Record<string, string>;

  it('holds every variable that is read, and no other', () => {
    expect(Object.keys(example).sort()).toEqual(Object.keys(new Environment()).sort());
  });

  it('explains each: a comment stands above it or its group', () => {
    const lines = text.split('\n');
    for (const name of Object.keys(example)) {
      const group = lines
        .slice(
          0,
          lines.findIndex((line) => line.startsWith(`${name}=`)),
        )
        .reverse();
      const above = group.find((line) => line === '' || line.startsWith('#'));
      expect([name, above]).toEqual([name, expect.stringMatching(/^#/)]);
    }
  });

  it('says what is used without it', () => {
    const { host, ...rest } = parseSettings(example);
    expect({ ...rest, host }).toEqual(parseSettings({}));
  });

  it.each<[string, Record<string, string>]>([
    ['in production', { NODE_ENV: 'production' }],
    ['for real money', { WECHAT_PAY_ENABLE_REAL: 'true' }],
  ])('is not enough %s, and says what is missing', (_, env) => {
    const lines = problemsOf({ ...example, ...env });
    expect(lines).toContainEqual(expect.stringMatching(/^DATABASE_URL must be set /));
    expect(lines).toContainEqual(expect.stringMatching(/^JWT_SECRET .* must be set .*openssl rand/));
  });

  it('sets nothing that a production environment would get from elsewhere', () => {
    for (const name of ['NODE_ENV', 'HOST', 'DATABASE_URL', 'JWT_SECRET', 'MOCK_CALLBACK_SECRET']) {
      expect([name, example[name]]).toEqual([name, '']);
    }
  });
});
