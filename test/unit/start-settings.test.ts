import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEVELOPMENT_JWT_SECRET, DEVELOPMENT_MOCK_SECRET, Environment } from '../../src/config/environment.js';
import { ConfigError, parseSettings } from '../../src/config/settings.js';
import { checkWechat } from '../../src/provider/provider.module.js';
import { merchantPair, platformPair } from './wechat/support.js';

type Env = Record<string, string>;

const OWN = randomBytes(32).toString('hex');
const { privatePem } = merchantPair;
const { publicPem } = platformPair;
const folder = mkdtempSync(join(tmpdir(), 'paydesk-settings-'));
const keyFile = join(folder, 'apiclient_key.pem');
writeFileSync(keyFile, privatePem);
const emptyFile = join(folder, 'empty.pem');
writeFileSync(emptyFile, '');
afterAll(() => rmSync(folder, { recursive: true }));

/** Everything that the real provider asks for. */
const MERCHANT: Env = {
  WECHAT_APPID: 'wx8888888888888888',
  WECHAT_APP_SECRET: 'c0ffee00c0ffee00c0ffee00c0ffee00',
  WECHAT_PAY_MCHID: '1900009191',
  WECHAT_PAY_SERIAL_NO: '5157F09EFDC096DE15EBE81A47057A7232F1B8E1',
  WECHAT_PAY_PRIVATE_KEY: privatePem,
  WECHAT_PAY_API_V3_KEY: 'abcdefghijklmnopqrstuvwxyz012345',
  WECHAT_PAY_PUBLIC_KEY: publicPem,
  WECHAT_PAY_PUBLIC_KEY_ID: 'PUB_KEY_ID_0119000091912026112300000001',
  WECHAT_PAY_NOTIFY_URL: 'https://pay.example.cn/api/payments/callback/wechat/',
};
const HERE: Env = { WECHAT_PAY_BASE_URL: 'http://127.0.0.1:9000', WECHAT_API_BASE_URL: 'http://127.0.0.1:9000' };
const SAFE: Env = { DATABASE_URL: 'postgres://shop:pw@db:5432/shop', JWT_SECRET: OWN };

/** What becomes of this environment: the channel that it binds, or 78 and the variables that are named, in order. */
function outcome(env: Env): string {
  try {
    return parseSettings(env, checkWechat).channel;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return `78 ${error.problems.map((line) => /^[A-Z0-9_]+/.exec(line)?.[0] ?? line).join(' ')}`;
  }
}

/** The lines of complaint. */
function problemsOf(env: Env): string[] {
  try {
    parseSettings(env, checkWechat);
    return [];
  } catch (error) {
    return (error as ConfigError).problems;
  }
}

const SPELLINGS: [spelling: string | undefined, means: 'on' | 'off' | 'nothing'][] = [
  [undefined, 'off'],
  ['', 'off'],
  ['false', 'off'],
  [' false\t', 'off'],
  ["'false'", 'off'],
  ['true', 'on'],
  ['true ', 'on'],
  ['"true"', 'on'],
  ['" true "', 'on'],
  ['True', 'nothing'],
  ['TRUE', 'nothing'],
  ['1', 'nothing'],
  ['0', 'nothing'],
  ['yes', 'nothing'],
  ['on', 'nothing'],
  ['"true', 'nothing'],
  ['true;', 'nothing'],
  ['是', 'nothing'],
];
const PLACES: [place: string, env: Env, isLocal: boolean][] = [
  ['WeChat itself', {}, false],
  ['this machine', HERE, true],
  ['another machine', { WECHAT_PAY_BASE_URL: 'http://10.0.0.8', WECHAT_API_BASE_URL: 'http://10.0.0.8' }, false],
];
const SECRETS: [name: string, env: Env][] = [
  ['secrets of its own', SAFE],
  [
    'an old copy of .env.example',
    { JWT_SECRET: DEVELOPMENT_JWT_SECRET, MOCK_CALLBACK_SECRET: DEVELOPMENT_MOCK_SECRET },
  ],
  ['no secrets', {}],
];

/** The private key as it is given; every other form has its row in key-forms.test.ts. */
const KEY_FORMS: [form: string, env: Env, isTaken: boolean][] = [
  ['the key on one line', { WECHAT_PAY_PRIVATE_KEY: privatePem.trim().replaceAll('\n', ' ') }, true],
  ['an empty key file', { WECHAT_PAY_PRIVATE_KEY: '', WECHAT_PAY_PRIVATE_KEY_PATH: emptyFile }, false],
];

/** What must come of it, told by the rules as they are written and not by the code. */
function rule(
  means: string,
  nodeEnv: string | undefined,
  isLocal: boolean,
  secrets: string,
  isKeyTaken: boolean,
): string {
  const real = means === 'on';
  const demanding = nodeEnv === 'production' || (real && !isLocal);
  const wrong: string[] = [];
  if (means === 'nothing') wrong.push('WECHAT_PAY_ENABLE_REAL');
  if (demanding && secrets === 'an old copy of .env.example') {
    wrong.push('DATABASE_URL', 'JWT_SECRET', 'MOCK_CALLBACK_SECRET');
  }
  if (demanding && secrets === 'no secrets') wrong.push('DATABASE_URL', 'JWT_SECRET');
  if (real && !isKeyTaken) wrong.push('WECHAT_PAY_PRIVATE_KEY_PATH');
  if (wrong.length > 0) return `78 ${wrong.join(' ')}`;
  if (real) return isLocal ? 'simulated' : 'wechat';
  return nodeEnv === 'production' ? 'disabled' : 'mock';
}

const TABLE = SPELLINGS.flatMap(([spelling, means]) =>
  [undefined, 'test', 'production'].flatMap((nodeEnv) =>
    PLACES.flatMap(([place, addresses, isLocal]) =>
      SECRETS.flatMap(([secrets, given]) =>
        KEY_FORMS.map(([form, key, isTaken]) => {
          const env: Env = { ...MERCHANT, ...addresses, ...given, ...key };
          if (spelling !== undefined) env.WECHAT_PAY_ENABLE_REAL = spelling;
          if (nodeEnv !== undefined) env.NODE_ENV = nodeEnv;
          const what = `WECHAT_PAY_ENABLE_REAL=${spelling}, NODE_ENV=${nodeEnv}, ${place}, ${secrets}, ${form}`;
          return [what, rule(means, nodeEnv, isLocal, secrets, isTaken), env] as const;
        }),
      ),
    ),
  ),
);

describe('what a start comes to', () => {
  it('is looked at in all combinations, of which each kind is there', () => {
    expect(TABLE.length).toBe(486 * KEY_FORMS.length);
    const kinds = new Set(TABLE.map(([, expected]) => expected));
    expect([...kinds].filter((kind) => !kind.startsWith('78')).sort()).toEqual([
      'disabled',
      'mock',
      'simulated',
      'wechat',
    ]);
  });

  it.each(TABLE)('%s: %s', (_, expected, env) => {
    expect(outcome(env)).toBe(expected);
  });
});

describe('real money, without NODE_ENV=production', () => {
  const LIVE: Env = { ...MERCHANT, ...SAFE, WECHAT_PAY_ENABLE_REAL: 'true' };

  it('has what production has: no published secret, no mock, no demo catalogue, JSON logs that speak', () => {
    for (const nodeEnv of [{}, { NODE_ENV: 'development' }, { NODE_ENV: 'test' }] as Env[]) {
      expect(parseSettings({ ...LIVE, ...nodeEnv }, checkWechat)).toMatchObject({
        production: true,
        mockEnabled: false,
        host: '0.0.0.0',
        logLevel: 'info',
        shutdownDelaySeconds: 5,
        jwtSecret: OWN,
      });
    }
  });

  it.each<[string, Env, string]>([
    ['the failpoints of tests', { PAYDESK_CRASH_AT: 'payment.create.after_commit' }, 'PAYDESK_CRASH_AT'],
    ['the secret of the mock provider', { MOCK_CALLBACK_SECRET: OWN }, 'MOCK_CALLBACK_SECRET'],
    ['the embedded database', { DATABASE_URL: '' }, 'DATABASE_URL'],
    ['a login address in plain http', { WECHAT_API_BASE_URL: 'http://api.weixin.qq.com' }, 'WECHAT_API_BASE_URL'],
    ['a payment address in plain http', { WECHAT_PAY_BASE_URL: 'http://pay.example.cn' }, 'WECHAT_PAY_BASE_URL'],
  ])('does not go with %s', (_, env, name) => {
    expect(problemsOf({ ...LIVE, ...env }).at(-1)).toMatch(new RegExp(`^${name}\\b`));
  });

  it.each<[string, boolean]>([
    ['http://127.0.0.1:9000', true],
    ['http://127.8.9.10', true],
    ['http://127.1:80', true],
    ['http://0x7f000001', true],
    ['http://localhost:9000/', true],
    ['http://LOCALHOST.', true],
    ['http://[::1]:9000', true],
    ['http://[::ffff:127.0.0.1]', true],
    ['http://0.0.0.0:9000', false],
    ['http://10.0.0.1', false],
    ['http://simulator:9000', false],
    ['http://localhost.example.cn', false],
    ['http://127.0.0.1.example.cn', false],
    ['http://localhost@pay.example.cn', false],
    ['http://128.0.0.1', false],
    ['https://api.mch.weixin.qq.com', false],
    ['https://api.mch.weixin.qq.com.', false],
  ])('is anything that leaves this machine: %s', (address, local) => {
    const env = { ...LIVE, DATABASE_URL: '', WECHAT_PAY_BASE_URL: address, WECHAT_API_BASE_URL: address };
    const demanded = problemsOf(env).some((line) => line.startsWith('DATABASE_URL must be set where real money'));
    expect(demanded).toBe(!local);
  });

  it('is also a simulated payment with real logins, and the start says which address is meant', () => {
    const env = { ...MERCHANT, WECHAT_PAY_ENABLE_REAL: 'true', WECHAT_PAY_BASE_URL: 'http://127.0.0.1:9000' };
    expect(outcome(env)).toBe('78 DATABASE_URL JWT_SECRET WECHAT_API_BASE_URL');
    expect(outcome({ ...env, WECHAT_API_BASE_URL: 'http://127.0.0.1:9000' })).toBe('simulated');
  });
});

describe('a secret that others know', () => {
  const KEY = 'is a published example, its private key too';
  // The example keys of jwt.io.
  const JWT_IO = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----`;

  it.each<[string, string | null]>([
    [DEVELOPMENT_JWT_SECRET, 'is a published example'],
    [` ${DEVELOPMENT_JWT_SECRET} `, 'is a published example'],
    [`"${DEVELOPMENT_JWT_SECRET} "`, 'is a published example'],
    [DEVELOPMENT_JWT_SECRET.toUpperCase(), 'is a published example'],
    [`${DEVELOPMENT_JWT_SECRET}-2`, 'is a published example'],
    [DEVELOPMENT_MOCK_SECRET, 'is a published example'],
    ['x'.repeat(32), 'repeats a few characters'],
    ['X'.repeat(64), 'repeats a few characters'],
    ['0'.repeat(32), 'repeats a few characters'],
    ['ab'.repeat(20), 'repeats a few characters'],
    ['0123456789abcdef'.repeat(2), 'repeats a few characters'],
    ['1234567890123456789012345678901234', 'repeats a few characters'],
    ['changeme'.repeat(4), 'repeats a few characters'],
    ['change-me-change-me-please-change-me!', 'is a placeholder'],
    ['your-own-jwt-secret-at-least-32-characters', 'is a placeholder'],
    ['replace_this_with_your_secret_value_1234', 'is a placeholder'],
    ['<insert a long random string here 32>', 'is a placeholder'],
    ['my-super-secret-jwt-key-for-production', 'is a placeholder'],
    [randomBytes(16).toString('hex'), null],
    [randomBytes(32).toString('base64'), null],
    [`paydesk-jwt-secret-${randomBytes(16).toString('hex')}`, null],
  ])('is refused in production and for real money: %s', (secret, weakness) => {
    const live = { ...SAFE, JWT_SECRET: secret };
    for (const env of [
      { ...live, NODE_ENV: 'production' },
      { ...live, ...MERCHANT, WECHAT_PAY_ENABLE_REAL: 'true' },
    ]) {
      const problems = problemsOf(env);
      if (weakness === null) expect(problems).toEqual([]);
      else {
        expect(problems).toEqual([expect.stringContaining(`JWT_SECRET ${weakness}`)]);
        expect(problems[0]).toContain('openssl rand -hex 32');
        expect(problems[0]).not.toContain(secret);
      }
    }
    expect(problemsOf({ JWT_SECRET: secret })).toEqual([]);
  });

  it('is refused beside a public key too, for both are taken', () => {
    const env = { ...SAFE, NODE_ENV: 'production', JWT_PUBLIC_KEY: publicPem };
    expect(outcome({ ...env, JWT_SECRET: 'x'.repeat(40) })).toBe('78 JWT_SECRET');
    expect(outcome({ ...env, JWT_SECRET: '' })).toBe('disabled');
  });

  it('may be a public key whose private half is published', () => {
    expect(problemsOf({ ...SAFE, NODE_ENV: 'production', JWT_PUBLIC_KEY: JWT_IO })).toEqual([
      expect.stringContaining(KEY),
    ]);
    expect(problemsOf({ JWT_PUBLIC_KEY: JWT_IO })).toEqual([]);
    expect(problemsOf({ JWT_PUBLIC_KEY: privatePem })).toEqual([expect.stringContaining('is a private key')]);
  });
});

describe('the settings of the real provider', () => {
  const REAL: Env = { ...MERCHANT, ...HERE, WECHAT_PAY_ENABLE_REAL: 'true' };

  it.each<[string, Env, string]>([
    ['the private key as text', {}, 'simulated'],
    ['the private key as a file', { WECHAT_PAY_PRIVATE_KEY: '', WECHAT_PAY_PRIVATE_KEY_PATH: keyFile }, 'simulated'],
    ['the file in quotes', { WECHAT_PAY_PRIVATE_KEY: '', WECHAT_PAY_PRIVATE_KEY_PATH: `"${keyFile}" ` }, 'simulated'],
    ['the private key in quotes', { WECHAT_PAY_PRIVATE_KEY: ` "${privatePem}"` }, 'simulated'],
    ['no private key', { WECHAT_PAY_PRIVATE_KEY: '' }, '78 WECHAT_PAY_PRIVATE_KEY'],
    ['the public key for the private one', { WECHAT_PAY_PRIVATE_KEY: publicPem }, '78 WECHAT_PAY_PRIVATE_KEY'],
    ['no number', { WECHAT_PAY_MCHID: '' }, '78 WECHAT_PAY_MCHID'],
    ['a number in quotes', { WECHAT_PAY_MCHID: '"1900009191"' }, 'simulated'],
    ['a name for the number', { WECHAT_PAY_MCHID: 'tea shop' }, '78 WECHAT_PAY_MCHID'],
    ['a short APIv3 key', { WECHAT_PAY_API_V3_KEY: 'short' }, '78 WECHAT_PAY_API_V3_KEY'],
    [
      'an APIv3 key with blanks around it',
      { WECHAT_PAY_API_V3_KEY: ` ${MERCHANT.WECHAT_PAY_API_V3_KEY} ` },
      'simulated',
    ],
    ['no callback address', { WECHAT_PAY_NOTIFY_URL: '' }, '78 WECHAT_PAY_NOTIFY_URL'],
    ['a query in it', { WECHAT_PAY_NOTIFY_URL: 'https://pay.example.cn/a?b=c' }, '78 WECHAT_PAY_NOTIFY_URL'],
    ['no secret of the mini-program', { WECHAT_APP_SECRET: '' }, 'simulated'],
    ['a secret in quotes', { WECHAT_APP_SECRET: ` "${MERCHANT.WECHAT_APP_SECRET}" ` }, 'simulated'],
    ['an AppID in quotes', { WECHAT_APPID: "'wx8888888888888888'" }, 'simulated'],
    ['an APIv3 key in quotes', { WECHAT_PAY_API_V3_KEY: `'${MERCHANT.WECHAT_PAY_API_V3_KEY} '` }, 'simulated'],
    ['an id in quotes', { WECHAT_PAY_PUBLIC_KEY_ID: `"${MERCHANT.WECHAT_PAY_PUBLIC_KEY_ID}"` }, 'simulated'],
    ['an address in quotes', { WECHAT_PAY_NOTIFY_URL: ` "${MERCHANT.WECHAT_PAY_NOTIFY_URL}"` }, 'simulated'],
    ['a serial in quotes', { WECHAT_PAY_SERIAL_NO: `"${MERCHANT.WECHAT_PAY_SERIAL_NO} "` }, 'simulated'],
    ['an id without its key', { WECHAT_PAY_PUBLIC_KEY: '' }, '78 WECHAT_PAY_PUBLIC_KEY'],
    ['a key without its id', { WECHAT_PAY_PUBLIC_KEY_ID: '' }, '78 WECHAT_PAY_PUBLIC_KEY_ID'],
    ['an id in small letters', { WECHAT_PAY_PUBLIC_KEY_ID: 'pub_key_id_0119000091' }, 'simulated'],
    ['neither, for certificates', { WECHAT_PAY_PUBLIC_KEY: '', WECHAT_PAY_PUBLIC_KEY_ID: '' }, 'simulated'],
    ['a key as text and as a file', { WECHAT_PAY_PRIVATE_KEY_PATH: keyFile }, '78 WECHAT_PAY_PRIVATE_KEY'],
    ['a secret that is none', { WECHAT_APP_SECRET: 'a b' }, '78 WECHAT_APP_SECRET'],
  ])('%s', (_, env, expected) => {
    expect(outcome({ ...REAL, ...env })).toBe(expected);
  });
});

describe('a value that does not fit', () => {
  const env: Env = { ...MERCHANT, ...HERE };
  const switches = Object.keys(new Environment()).filter((name) =>
    problemsOf({ ...env, [name]: 'maybe' }).some((line) => line.includes('values: true, false')),
  );

  it('is known of every switch', () => {
    expect(switches).toEqual(expect.arrayContaining(['JOBS_ENABLED', 'WECHAT_PAY_ENABLE_REAL']));
  });

  it.each(switches)('of %s is anything but true and false', (name) => {
    for (const value of ['true', 'false', ' true ', '"false"', '']) {
      expect(problemsOf({ ...env, [name]: value })).toEqual([]);
    }
    for (const value of ['True', 'FALSE', 'yes', 'no', '1', '0', 'on', 'off', 't', '\'true"']) {
      expect(problemsOf({ ...env, [name]: value })).toEqual([expect.stringMatching(`^${name} must be.*true, false`)]);
    }
  });

  it.each<[string, string, string]>([
    ['PORT', 'abc', 'PORT must be an integer number'],
    ['PORT', '65536', 'PORT must not be greater than 65535'],
    ['DATABASE_POOL_SIZE', '8.5', 'DATABASE_POOL_SIZE must be an integer number'],
    ['DATABASE_POOL_SIZE', '1', 'DATABASE_POOL_SIZE must not be less than 2'],
    ['JWT_TTL_SECONDS', '2h', 'JWT_TTL_SECONDS must be an integer number'],
    ['WECHAT_PAY_TIMEOUT_MS', 'soon', 'WECHAT_PAY_TIMEOUT_MS must be an integer number'],
  ])('breaks one rule, the first: %s=%s', (name, value, message) => {
    expect(problemsOf({ [name]: value })).toEqual([message]);
  });

  it.each<[string, string]>([
    ['JWT_MAX_TTL_SECONDS', '59'],
    ['JWT_MAX_TTL_SECONDS', '31536001'],
    ['JWT_MAX_TTL_SECONDS', 'never'],
  ])('is a life of tokens out of bounds: %s=%s', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(/^JWT_MAX_TTL_SECONDS/)]);
  });

  it('is a login that lasts longer than a token may', () => {
    expect(problemsOf({ JWT_TTL_SECONDS: '7200', JWT_MAX_TTL_SECONDS: '3600' })).toEqual([
      expect.stringMatching(/^JWT_TTL_SECONDS must not be greater/),
    ]);
    expect(parseSettings({ JWT_MAX_TTL_SECONDS: '3600' }).jwtTtlSeconds).toBe(3600);
  });
});

describe('DATABASE_URL', () => {
  it.each<[string, string]>([
    ['postgres://shop:s3cr#tpw@127.0.0.1:5432/shop', '# as %23'],
    ['postgres://shop:s3cr/tpw@127.0.0.1:5432/shop', '/ as %2F'],
    ['postgres://shop:s3cr%tpw@127.0.0.1:5432/shop', '% as %25'],
    ['postgres://shop:s3cr?tpw@127.0.0.1:5432/shop', '? as %3F'],
    ['postgres://shop:s3cr tpw@127.0.0.1:5432/shop', 'a blank as %20'],
    ['postgres://shop:12#s3cr@127.0.0.1:5432/shop', '# as %23'],
    ['postgres://shop:12/s3cr@127.0.0.1:5432/shop', '/ as %2F'],
    ['postgres://shop:12?s3cr@127.0.0.1:5432/shop', '? as %3F'],
    ['postgres://shop:s3cr%ff@127.0.0.1:5432/shop', 'as UTF-8'],
    ['postgres://shop:s3cr@@127.0.0.1:5432/a/b', 'one database name'],
    ['postgres://shop:s3cr@127.0.0.1:port/shop', 'a host or port that is not valid'],
    ['mysql://shop:s3cr@127.0.0.1/shop', 'must look like postgres://'],
    ['shop', 'must look like postgres://'],
  ])('that would be cut at the wrong place says what to write: %s', (url, advice) => {
    const problems = problemsOf({ DATABASE_URL: url });
    expect(problems).toEqual([expect.stringMatching(/^DATABASE_URL /)]);
    expect(problems[0]).toContain(advice);
    expect(problems[0]).not.toMatch(/s3cr|tpw|127/);
  });

  it.each([
    'postgres://shop:s3cr%23tpw%2F%25@127.0.0.1:5432/shop',
    'postgresql://shop@db/shop?sslmode=require',
    'postgres://shop:p@ss@db/shop',
    'postgres://db.example.cn/shop?application_name=a@b',
    'postgres:///shop?host=/var/run/postgresql',
    'postgres://shop:pw@/shop?host=/var/run/postgresql',
    'postgres://shop:pw@[::1]:5432/shop',
    ' "postgres://shop:pw@db/shop" ',
  ])('that is right is taken: %s', (url) => {
    expect(problemsOf({ DATABASE_URL: url })).toEqual([]);
  });
});

describe('what is said at the start', () => {
  const warnings = (env: Env): string[] => [...parseSettings(env, checkWechat).warnings];
  const REAL: Env = { ...MERCHANT, ...HERE, WECHAT_PAY_ENABLE_REAL: 'true' };

  it.each<[string, Env, (RegExp | string)[]]>([
    ['the mock provider alone', {}, []],
    ['a simulator', REAL, []],
    ['real money', { ...MERCHANT, ...SAFE, WECHAT_PAY_ENABLE_REAL: 'true' }, []],
    [
      'a simulator in production',
      { ...REAL, ...SAFE, NODE_ENV: 'production' },
      [/^NODE_ENV is production, but .* payments are simulated/],
    ],
    [
      'a misspelled name',
      { WECHAT_PAY_ENABLED: 'true' },
      [/^WECHAT_PAY_ENABLED is set, but Paydesk reads no variable/],
    ],
    ['production without a channel', { ...SAFE, NODE_ENV: 'production' }, [/^no payment provider is enabled/]],
    ['a merchant account under the mock', MERCHANT, [/merchant account is set .* mock provider is used/]],
    [
      'a merchant account in production without the switch',
      { ...MERCHANT, ...SAFE, NODE_ENV: 'production' },
      [/^no payment provider is enabled/, /merchant account is set .* no payment is taken/],
    ],
    ['a part of a merchant account', { WECHAT_PAY_MCHID: '1900009191' }, []],
    ['no secret for logins', { ...REAL, WECHAT_APP_SECRET: '' }, [/login_not_configured/]],
    [
      'a callback path that is not served',
      { ...REAL, WECHAT_PAY_NOTIFY_URL: 'https://pay.example.cn/notify' },
      [/^WECHAT_PAY_NOTIFY_URL has a path that Paydesk does not serve/],
    ],
    [
      'a prefix that a proxy has to take off',
      { ...REAL, WECHAT_PAY_REFUND_NOTIFY_URL: 'https://pay.example.cn/pay/api/refunds/callback/wechat' },
      [/^WECHAT_PAY_REFUND_NOTIFY_URL has a prefix/],
    ],
    ['the published secret on the net', { HOST: '0.0.0.0' }, [/^HOST accepts connections from other machines/]],
    ['a secret of one’s own on the net', { HOST: '::', JWT_SECRET: OWN }, []],
    ['this machine alone', { HOST: '::1' }, []],
  ])('%s', (_, env, expected) => {
    expect(warnings(env)).toEqual(expected.map((line) => expect.stringMatching(line) as string));
  });
});
