import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import type pg from 'pg';
import type { BuiltProgram } from '../../dev/built-program.js';
import type { Cleanup } from '../../dev/cleanup.js';
import { freePort } from '../../dev/embedded-postgres/free-port.js';
import { openSimulator } from '../../dev/open-simulator.js';
import { nowMs, token } from '../api.js';
import { DIRECTORY, openPool } from '../place.js';
import { serviceProgram } from '../shop.js';
import type { Role } from './input.js';
import type { Secrets } from './judge.js';
import { type ChannelKey, makeChannelKey } from './notice.js';
import { type Account, addCustomer, addProduct, addSpare, addUser, OTHER_SERVICE, type Rows, SERVICE } from './rows.js';
import type { TokenKeys } from './tokens.js';
import { NODE_OPTIONS, PROOF } from './vitals.js';

/** Not looked for as the victim's: the openid must be seen by no role at all, and a case is shown to operators alone. */
const SEEN_BY_STAFF = new Set(['openid', 'discrepancyId']);

export type ProviderName = 'mock' | 'wechat';

/** The built service with one of the two providers, its rows, and everything about it that must stay a secret. */
export interface Target {
  name: ProviderName;
  program: BuiltProgram;
  db: pg.Pool;
  account: Account;
  tokenKeys: TokenKeys;
  /** The channel's secrets, with which a notice can be made. */
  channelKey: ChannelKey;
  apiV3Key: string;
  mockSecret: string;
  /** No other role may see or move what is the victim's. */
  victim: Rows;
  /** The role `user`: what it has may be played with. */
  player: Rows;
  token: (role: Role) => string | null;
  claims: (role: Role) => Record<string, unknown>;
  secrets: Secrets;
  /** The log is of use only where something was wrong: else it is deleted at the end. */
  keepLog: boolean;
}

/** Makes its tokens itself: what the service answers to a login is not needed. */
export async function startTarget(
  cleanup: Cleanup,
  name: ProviderName,
  databaseUrl: string,
  seed: number,
): Promise<Target> {
  mkdirSync(DIRECTORY, { recursive: true });
  const port = await freePort();
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const tokenKeys: TokenKeys = {
    secret: randomBytes(32).toString('hex'),
    publicPem: rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privateKey: rsa.privateKey,
    audience: 'paydesk',
  };
  const mockSecret = randomBytes(24).toString('hex');
  const channelKey = makeChannelKey();
  const channel = name === 'wechat' ? await openChannel(cleanup, port, channelKey, seed) : null;
  const own: Record<string, string> = channel
    ? { ...channel.env, NODE_ENV: 'production', SHUTDOWN_DELAY_SECONDS: '0' }
    : { MOCK_CALLBACK_SECRET: mockSecret };
  const { WECHAT_PAY_MCHID: mchid = 'mock_mchid', WECHAT_APPID: appid = 'mock_appid' } = own;
  const account: Account = { provider: name, mchid, appid };
  const env = {
    ...own,
    HOST: '127.0.0.1',
    DATABASE_URL: databaseUrl,
    JWT_SECRET: tokenKeys.secret,
    JWT_PUBLIC_KEY: tokenKeys.publicPem,
    // What moves rows by the clock would be taken for a row that hostile input has moved.
    JOBS_ENABLED: 'false',
    TRUSTED_PROXY_HOPS: '1',
    LOGINS_PER_MINUTE: '1000000',
    CHANNEL_QUERIES_PER_SECOND: '10000',
    WECHAT_PAY_CALLBACK_ALLOWED_IPS: '0.0.0.0/0,::/0',
    LOG_LEVEL: 'debug',
    NODE_OPTIONS,
  };
  const program = serviceProgram(env, port);
  rmSync(program.log, { force: true });
  cleanup.add(() => program.end());
  await program.start();
  const db = openPool(cleanup, { connectionString: databaseUrl, max: 2, application_name: PROOF });
  await addProduct(db);
  const victim = await addCustomer(db, account, OTHER_SERVICE, 'VCTM7MARK');
  const player = await addCustomer(db, account, SERVICE, 'PLYR7MARK');
  await addSpare(db, account, player.userId);
  const subjects: Record<Role, string> = {
    none: 'usr_x',
    user: player.userId,
    stranger: await addUser(db, account, 'oStranger7'),
    operator: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB',
    service: SERVICE,
  };
  const tokens = Object.fromEntries(
    Object.entries(subjects).map(([role, id]) => [role, token(tokenKeys.secret, id, roleOf(role as Role))]),
  ) as Record<Role, string>;
  const target: Target = {
    ...{ name, program, db, account, tokenKeys, channelKey, mockSecret, victim, player },
    apiV3Key: own.WECHAT_PAY_API_V3_KEY ?? '',
    token: (role) => (role === 'none' ? null : tokens[role]),
    claims: (role) => {
      const iat = Math.floor(nowMs() / 1000);
      return { sub: subjects[role], role: roleOf(role), iat, exp: iat + 7200 };
    },
    secrets: {
      never: new Map<string, string>([
        ['JWT_SECRET', tokenKeys.secret],
        ['MOCK_CALLBACK_SECRET', mockSecret],
        ['the password of the database', decodeURIComponent(new URL(databaseUrl).password)],
        ["the victim's openid", victim.openid],
        ["the victim's prepay id", `wx${victim.mark}PREPAY`],
        ...(channel?.never ?? []),
        ...Object.entries(tokens).map(([role, text]): [string, string] => [
          `the token of role ${role}`,
          text.split('.')[2] ?? '',
        ]),
      ]),
      victim: Object.entries(victim).flatMap(([name, value]) => (SEEN_BY_STAFF.has(name) ? [] : [String(value)])),
    },
    keepLog: true,
  };
  cleanup.add(() => target.keepLog || rmSync(program.log, { force: true }));
  return target;
}

/** The simulator, and a certificate of ours beside its own, under which the proof can sign anything. */
async function openChannel(
  cleanup: Cleanup,
  port: number,
  key: ChannelKey,
  seed: number,
): Promise<{ env: Record<string, string>; never: [string, string][] }> {
  const notifyBase = `http://127.0.0.1:${port}`;
  const options = { mode: 'certificate', notifyBase, seed, refundDelayMs: null } as const;
  const { sim, env: all } = await openSimulator(cleanup, options);
  const { WECHAT_PAY_PLATFORM_CERT_PATH: path = '', ...env } = all;
  const { apiV3Key, appSecret, merchantPrivateKeyPem } = sim.credentials;
  return {
    env: { ...env, WECHAT_PAY_PLATFORM_CERT: `${key.certificatePem}\n${readFileSync(path, 'utf8')}` },
    never: [
      ['WECHAT_PAY_API_V3_KEY', apiV3Key],
      ['WECHAT_APP_SECRET', appSecret],
      ['WECHAT_PAY_PRIVATE_KEY', merchantPrivateKeyPem.split('\n')[3] ?? ''],
      ['a session key', 'session_key'],
    ],
  };
}

const roleOf = (role: Role): 'user' | 'operator' | 'service' =>
  role === 'none' || role === 'stranger' ? 'user' : role;
