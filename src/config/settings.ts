import 'reflect-metadata';
import { createPublicKey } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import { normalAddress } from '../common/address.js';
import type { Failpoint } from '../common/failpoints.js';
import { corsOrigins } from './cors-origins.js';
import { databaseUrlProblem } from './database-url.js';
import { readEnvFile } from './env-file.js';
import {
  DEVELOPMENT_JWT_SECRET,
  DEVELOPMENT_MOCK_SECRET,
  type Environment,
  environmentProblems,
  readEnvironment,
} from './environment.js';
import { keyText, type WantedKey } from './key-text.js';
import { type Channel, channelOf, isProduction, productionProblems } from './real-money.js';
import { type Given, givenOf } from './running-environment.js';
import { startWarnings, unknownNames } from './start-warnings.js';
import { isPublishedKey } from './weak-secret.js';
import { type CheckWechat, collectWechat, readWechat, type WechatEnvironment } from './wechat-environment.js';

/** What the environment means, in the units of the code. The injection token too. */
export abstract class Settings {
  /** `NODE_ENV=production`, or real money whatever `NODE_ENV` says: everything for development is off. */
  readonly production!: boolean;
  /** Which channel is bound. */
  readonly channel!: Channel;
  /** What starts but may not be what was meant, a line each. */
  readonly warnings!: readonly string[];
  readonly port!: number;
  readonly host!: string;
  readonly logLevel!: string;
  /** Commands print their results on standard output, so their log goes to standard error. */
  readonly logToStderr!: boolean;
  /** Null: the embedded PostgreSQL. */
  readonly databaseUrl!: string | null;
  readonly databasePoolSize!: number;
  /** `transaction`: through a pooler that gives each transaction another connection. */
  readonly databasePooler!: 'session' | 'transaction';
  /** Null when another system issues the tokens. */
  readonly jwtSecret!: string | null;
  /** PEM of the key that checks RS256/ES256 tokens. */
  readonly jwtPublicKey!: string | null;
  readonly jwtAudience!: string;
  readonly jwtTtlSeconds!: number;
  readonly mockCallbackSecret!: string;
  /** Longest life of a bearer token, whichever system issued it. */
  readonly jwtMaxTtlSeconds!: number;
  /** The mock provider, its callbacks and its login are there: `channel` is `mock`. */
  readonly mockEnabled!: boolean;
  readonly paymentTtlSeconds!: number;
  readonly latePaymentPolicy!: 'refund' | 'hold';
  readonly jobsEnabled!: boolean;
  /** For tests: where the process shall die, as by `kill -9`. Always null in production. */
  readonly crashAt!: Failpoint | null;
  /** How many proxies of our own stand before us: so many hops of `X-Forwarded-For` are believed. */
  readonly trustedProxyHops!: number;
  /** Logins of one address that fail; this and the following are limits of one process. */
  readonly loginsPerMinute!: number;
  readonly badCallbacksPerMinute!: number;
  readonly channelQueriesPerSecond!: number;
  /** Requests in work at once, of those that call the channel and of the others each. */
  readonly maxRequestsInFlight!: number;
  readonly maxCallbacksInFlight!: number;
  readonly maxConnections!: number;
  /** How long `/health/ready` says 503 on SIGTERM before the port closes. */
  readonly shutdownDelaySeconds!: number;
  /** Origins whose pages may call the API; `local`: those of this machine and its network. */
  readonly corsOrigins!: readonly string[] | 'local';
  /** Null: every address may call back. */
  readonly callbackAllowedIps!: BlockList | null;
  /** Where the bundled simulator listens; 0: any free port. */
  readonly simulatorPort!: number;
  /** Null under the mock provider. */
  readonly wechat!: WechatEnvironment | null;
}

/** The environment does not make a configuration. `problems` has one line each and never a value. */
export class ConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(`The configuration has ${problems.length} problem(s):\n${problems.map((line) => `  - ${line}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Thirty days: the longest life of a token unless JWT_MAX_TTL_SECONDS says otherwise. */
const LONGEST_TOKEN_SECONDS = 2_592_000;

/** Exit code for a wrong or missing setting (`EX_CONFIG` of sysexits). */
export const EXIT_CONFIG = 78;

/**
 * The environment, with `.env` of the working directory beneath it and `overrides` above. The only reader of
 * `process.env`.
 * @throws ConfigError with every problem at once
 */
export function readSettings(checkWechat: CheckWechat, overrides: NodeJS.ProcessEnv = {}): Settings {
  const { env, problems } = environment();
  // Without the file nothing that is missing is known to be missing.
  if (problems.length > 0) throw new ConfigError(problems);
  return parseSettings({ ...env, ...overrides }, checkWechat);
}

/** What {@link readSettings} reads, as it is set: for commands beside this process. */
export function readGiven(overrides: NodeJS.ProcessEnv = {}): Given {
  return givenOf({ ...environment().env, ...overrides });
}

/** As they are now: what `.env` says may have changed since the start. */
function environment(): { env: NodeJS.ProcessEnv; problems: string[] } {
  const { values, problems } = readEnvFile('.env');
  return { env: { ...values, ...process.env }, problems };
}

/** A real configuration as it stands, whatever is wrong with it: for the command that explains it. */
export interface Examined {
  /** What the environment says, before anything is assumed. */
  environment: Environment;
  /** What it binds as it is. */
  channel: Channel;
  wechat: WechatEnvironment;
  /** What would stop the service with the real provider, a line each, the values of the WeChat settings aside. */
  problems: string[];
  /** Names that nothing reads, most likely misspelled, a line each. */
  unread: string[];
}

/** Reads what {@link readSettings} reads, and never throws. */
export function examineSettings(overrides: NodeJS.ProcessEnv = {}): Examined {
  const { env: own, problems } = environment();
  const env = { ...own, ...overrides };
  const given = readEnvironment(env);
  const wechat = collectWechat(given, []);
  const examined = { environment: given, channel: channelOf(given), wechat, unread: unknownNames(env) };
  // Looked at as if it were on, unless what is said is no answer: that is a problem of its own.
  const off = given.WECHAT_PAY_ENABLE_REAL === undefined || given.WECHAT_PAY_ENABLE_REAL === 'false';
  try {
    parseSettings(off ? { ...env, WECHAT_PAY_ENABLE_REAL: 'true' } : env);
    return { ...examined, problems };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { ...examined, problems: [...problems, ...error.problems] };
  }
}

/** @throws ConfigError with every problem at once */
export function parseSettings(env: NodeJS.ProcessEnv, checkWechat: CheckWechat = () => []): Settings {
  const e = readEnvironment(env);
  const problems = environmentProblems(e);
  const production = isProduction(e);
  const channel = channelOf(e);
  if (production) problems.push(...productionProblems(e));
  const databaseUrl = e.DATABASE_URL === undefined ? null : databaseUrlProblem(e.DATABASE_URL);
  if (databaseUrl) problems.push(databaseUrl);

  const callbackAllowedIps = allowList(e.WECHAT_PAY_CALLBACK_ALLOWED_IPS, problems);
  const origins = corsOrigins(e.CORS_ORIGINS, problems);
  const jwtPublicKey = tokenKey(e, production, problems);
  const jwtMaxTtlSeconds = e.JWT_MAX_TTL_SECONDS ?? LONGEST_TOKEN_SECONDS;
  const jwtTtlSeconds = e.JWT_TTL_SECONDS ?? Math.min(7200, jwtMaxTtlSeconds);
  if (jwtTtlSeconds > jwtMaxTtlSeconds) problems.push('JWT_TTL_SECONDS must not be greater than JWT_MAX_TTL_SECONDS');
  const real = e.WECHAT_PAY_ENABLE_REAL === 'true';
  const wechat = real ? readWechat(e, problems, checkWechat) : null;
  if (problems.length > 0) throw new ConfigError(problems);

  return {
    production,
    channel,
    warnings: [...startWarnings(e, channel), ...unknownNames(env)],
    port: e.PORT ?? 3000,
    host: e.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    logLevel: e.LOG_LEVEL ?? (e.NODE_ENV === 'test' && !production ? 'silent' : 'info'),
    logToStderr: false,
    databaseUrl: e.DATABASE_URL ?? null,
    databasePoolSize: e.DATABASE_POOL_SIZE ?? 10,
    databasePooler: e.DATABASE_POOLER === 'transaction' ? 'transaction' : 'session',
    jwtSecret: e.JWT_SECRET ?? (production || jwtPublicKey ? null : DEVELOPMENT_JWT_SECRET),
    jwtPublicKey,
    jwtAudience: e.JWT_AUDIENCE ?? 'paydesk',
    jwtTtlSeconds,
    jwtMaxTtlSeconds,
    mockCallbackSecret: e.MOCK_CALLBACK_SECRET ?? DEVELOPMENT_MOCK_SECRET,
    mockEnabled: channel === 'mock',
    paymentTtlSeconds: e.PAYMENT_TTL_SECONDS ?? 1800,
    latePaymentPolicy: e.LATE_PAYMENT_POLICY === 'hold' ? 'hold' : 'refund',
    jobsEnabled: e.JOBS_ENABLED !== 'false',
    crashAt: (e.PAYDESK_CRASH_AT as Failpoint | undefined) ?? null,
    trustedProxyHops: e.TRUSTED_PROXY_HOPS ?? 0,
    corsOrigins: origins ?? (production ? [] : 'local'),
    loginsPerMinute: e.LOGINS_PER_MINUTE ?? 120,
    badCallbacksPerMinute: e.BAD_CALLBACKS_PER_MINUTE ?? 120,
    channelQueriesPerSecond: e.CHANNEL_QUERIES_PER_SECOND ?? 50,
    maxRequestsInFlight: e.MAX_REQUESTS_IN_FLIGHT ?? 100,
    maxCallbacksInFlight: e.MAX_CALLBACKS_IN_FLIGHT ?? 1500,
    maxConnections: e.MAX_CONNECTIONS ?? 16_000,
    shutdownDelaySeconds: e.SHUTDOWN_DELAY_SECONDS ?? (production ? 5 : 0),
    callbackAllowedIps,
    simulatorPort: e.SIM_PORT ?? 0,
    wechat,
  };
}

const TOKEN_KEY: WantedKey = { kinds: ['public key', 'certificate'], hint: 'set the public half of the issuer’s key' };

/** The key of another issuer, as PEM. */
function tokenKey(e: Environment, production: boolean, problems: string[]): string | null {
  const pem = keyText('JWT_PUBLIC_KEY', e.JWT_PUBLIC_KEY, TOKEN_KEY, problems);
  if (pem === null) return null;
  if (!checksTokens(pem)) {
    problems.push('JWT_PUBLIC_KEY must be an RSA key of at least 2048 bits (RS256) or a P-256 key (ES256)');
  } else if (production && isPublishedKey(pem)) {
    problems.push('JWT_PUBLIC_KEY is a published example, its private key too: set the one of your own issuer');
  }
  return pem;
}

/** Whether this PEM text is a public key that RS256 or ES256 can be checked with. */
function checksTokens(pem: string): boolean {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey(pem);
    if (asymmetricKeyType === 'rsa') return (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048;
    return asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1';
  } catch {
    return false;
  }
}

/** A comma-separated list of addresses and CIDR ranges; null when empty. */
function allowList(text: string | undefined, problems: string[]): BlockList | null {
  if (text === undefined) return null;
  const entries = text.split(/[\s,]+/).filter(Boolean);
  // A list of nothing but commas is not the permission for every address.
  if (entries.length === 0) entries.push('');
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    const version = isIP(address);
    const bits = prefix === undefined ? (version === 6 ? 128 : 32) : Number(prefix);
    if (version === 0 || !/^\d{1,3}$/.test(prefix ?? '0') || bits > (version === 6 ? 128 : 32)) {
      problems.push('WECHAT_PAY_CALLBACK_ALLOWED_IPS must be a comma-separated list of addresses or CIDR ranges');
      return null;
    }
    const plain = normalAddress(address) ?? address;
    // IPv4 written as IPv6 (`::ffff:1.2.3.0/120`) is compared as what it is.
    const mapped = version === 6 && isIP(plain) === 4 && bits >= 96;
    if (mapped || version === 4) list.addSubnet(plain, mapped ? bits - 96 : bits, 'ipv4');
    else list.addSubnet(address, bits, 'ipv6');
  }
  return list;
}
