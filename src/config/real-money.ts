import { BlockList, isIP } from 'node:net';
import type { Environment } from './environment.js';
import { weakSecret } from './weak-secret.js';

/**
 * Which channel the service is bound to. `mock`: pretends, for development. `simulated`: the real protocol against a
 * simulator on this machine. `wechat`: real money. `disabled`: production without a channel, which refuses every payment.
 */
export type Channel = 'mock' | 'simulated' | 'wechat' | 'disabled';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Whether this address leads to this machine and nowhere else. Names are not looked up: of them only `localhost` is
 * sure. An address that is not a URL does not count as loopback.
 */
export function isLoopback(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const host = new URL(address).hostname.replace(/^\[|\]$|\.$/g, '').toLowerCase();
  const version = isIP(host);
  if (version === 0) return host === 'localhost';
  return LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Whether calls to WeChat stay on this machine, and so are answered by a simulator: both addresses do. One that is left
 * out is WeChat's own.
 */
export function isSimulated({ baseUrl, apiBaseUrl }: { baseUrl?: string; apiBaseUrl?: string }): boolean {
  return onThisMachine(baseUrl) && onThisMachine(apiBaseUrl);
}

/**
 * The one answer to "does this configuration move real money?": the real provider, and one of the addresses that it
 * calls is not on this machine.
 */
export function isRealMoney(e: Environment): boolean {
  const addresses = { baseUrl: e.WECHAT_PAY_BASE_URL, apiBaseUrl: e.WECHAT_API_BASE_URL };
  return e.WECHAT_PAY_ENABLE_REAL === 'true' && !isSimulated(addresses);
}

const onThisMachine = (address: string | undefined): boolean => address !== undefined && isLoopback(address);

/** Which channel an environment binds. */
export function channelOf(e: Environment): Channel {
  if (e.WECHAT_PAY_ENABLE_REAL === 'true') return isRealMoney(e) ? 'wechat' : 'simulated';
  return e.NODE_ENV === 'production' ? 'disabled' : 'mock';
}

/** Everything for development and tests is off: in production, and wherever real money is moved. */
export function isProduction(e: Environment): boolean {
  return e.NODE_ENV === 'production' || isRealMoney(e);
}

/** What a production environment lacks or must not have, a line each. */
export function productionProblems(e: Environment): string[] {
  const where = isRealMoney(e) ? 'where real money is moved (WECHAT_PAY_ENABLE_REAL=true)' : 'in production';
  const problems: string[] = [];
  if (!e.DATABASE_URL) problems.push(`DATABASE_URL must be set ${where}: the embedded PostgreSQL is for development`);
  if (!e.JWT_SECRET && !e.JWT_PUBLIC_KEY)
    problems.push(`JWT_SECRET (or JWT_PUBLIC_KEY) must be set ${where}: openssl rand -hex 32 makes one`);
  const weakness = e.JWT_SECRET ? weakSecret(e.JWT_SECRET) : null;
  if (weakness) problems.push(`JWT_SECRET ${weakness}, refused ${where}: make your own with openssl rand -hex 32`);
  if (e.MOCK_CALLBACK_SECRET)
    problems.push(`MOCK_CALLBACK_SECRET is for the mock provider, which is off ${where}: remove it`);
  if (e.PAYDESK_CRASH_AT) problems.push(`PAYDESK_CRASH_AT is for tests, refused ${where}: remove it`);
  if (problems.length > 0 && isRealMoney(e) && onThisMachine(e.WECHAT_PAY_BASE_URL)) {
    problems.push(
      'WECHAT_API_BASE_URL is not on this machine, so this is not a simulation: set it to the address of the simulator too',
    );
  }
  return problems;
}
