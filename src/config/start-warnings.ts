import { Environment } from './environment.js';
import { type Channel, isLoopback } from './real-money.js';

/** Where Paydesk takes WeChat Pay's notices, and any prefix that a proxy takes off. */
const NOTIFY_PATH = /^(.*?)\/api\/(?:payments|refunds)\/callback\/wechat\/?$/;

/** What starts but may not be what was meant, a line each and without a secret. Printed at the start and by `doctor`. */
export function startWarnings(e: Environment, channel: Channel): string[] {
  const warnings: string[] = [];
  if (channel === 'disabled') {
    warnings.push(
      'no payment provider is enabled: NODE_ENV=production without WECHAT_PAY_ENABLE_REAL=true. Payments, refunds and logins are refused',
    );
  }
  if (channel === 'simulated' && e.NODE_ENV === 'production') {
    warnings.push(
      'NODE_ENV is production, but the addresses of WeChat are on this machine: payments are simulated, and no money is received',
    );
  }
  if ((channel === 'disabled' || channel === 'mock') && hasMerchantAccount(e)) {
    warnings.push(
      `a WeChat Pay merchant account is set (WECHAT_PAY_MCHID and its keys), but WECHAT_PAY_ENABLE_REAL is not true: ${
        channel === 'mock' ? 'the mock provider is used, and no payment is real' : 'no payment is taken'
      }`,
    );
  }
  if (channel === 'wechat' || channel === 'simulated') {
    if (!e.WECHAT_APP_SECRET) warnings.push(LOGIN_NOT_CONFIGURED);
    for (const name of ['WECHAT_PAY_NOTIFY_URL', 'WECHAT_PAY_REFUND_NOTIFY_URL'] as const) {
      const problem = notifyPathProblem(e[name]);
      if (problem) warnings.push(`${name} ${problem}`);
    }
  }
  if (
    channel === 'mock' &&
    !e.JWT_SECRET &&
    !e.JWT_PUBLIC_KEY &&
    e.HOST &&
    !isLoopback(`http://${bracketed(e.HOST)}`)
  ) {
    warnings.push(
      'HOST accepts connections from other machines, but JWT_SECRET is not set: anyone who reaches this port can sign tokens with the published secret',
    );
  }
  return warnings;
}

/** Names of WeChat Pay settings that nothing reads: most likely a known one, misspelled. */
export function unknownNames(env: NodeJS.ProcessEnv): string[] {
  const known = new Set(Object.keys(new Environment()));
  return Object.keys(env)
    .filter((name) => /^WECHAT_(PAY|APP)/i.test(name) && !known.has(name) && env[name])
    .map((name) => `${name} is set, but Paydesk reads no variable of this name: see .env.example`);
}

export const LOGIN_NOT_CONFIGURED =
  'WECHAT_APP_SECRET is not set: login answers login_not_configured; tokens of another issuer work';

/** Why WeChat's notices to this address would not be found here, or null. An address that is not set has no path. */
export function notifyPathProblem(address: string | undefined): string | null {
  if (address === undefined || !URL.canParse(address)) return null;
  const prefix = NOTIFY_PATH.exec(new URL(address).pathname)?.[1];
  if (prefix === '') return null;
  return prefix === undefined
    ? 'has a path that Paydesk does not serve: it should end in /api/payments/callback/wechat/ or /api/refunds/callback/wechat/'
    : 'has a prefix before /api: the reverse proxy must remove it';
}

/** Whether everything that identifies a merchant is there: someone meant to take payments. */
export function hasMerchantAccount(e: Environment): boolean {
  const key = e.WECHAT_PAY_PRIVATE_KEY ?? e.WECHAT_PAY_PRIVATE_KEY_PATH;
  return [e.WECHAT_PAY_MCHID, e.WECHAT_PAY_SERIAL_NO, e.WECHAT_PAY_API_V3_KEY, key].every(
    (value) => value !== undefined,
  );
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
