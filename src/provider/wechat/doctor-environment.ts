import type { Environment } from '../../config/environment.js';
import type { Channel } from '../../config/real-money.js';
import type { Examined } from '../../config/settings.js';
import { hasMerchantAccount, notifyPathProblem } from '../../config/start-warnings.js';
import { weakSecret } from '../../config/weak-secret.js';
import { Check, fine } from './doctor-check.js';

/** What can be told of the settings around the merchant's: which channel they bind, tokens, callback addresses. */
export function checkEnvironment({ environment: e, channel, problems, unread }: Examined): Check[] {
  const advice = 'Every variable is described in .env.example.';
  return [
    boundCheck(e, channel),
    ...problems.map((message): Check => ({ name: 'environment', ok: 'fail', message, advice })),
    ...unread.map((message): Check => ({ name: 'environment', ok: 'warn', message, advice })),
    ...secretChecks(e, problems),
    ...notifyChecks(e),
  ];
}

function boundCheck(e: Environment, channel: Channel): Check {
  const name = 'real provider';
  if (channel === 'wechat') return fine(name, 'it is on, for real money');
  if (channel === 'simulated') return fine(name, 'it is on, against a simulator on this machine');
  const account = hasMerchantAccount(e) ? 'a whole merchant account is set, but ' : '';
  const message =
    channel === 'mock'
      ? `${account}it is off: the mock provider is bound, the service pretends to be paid`
      : `${account}it is off: no payment provider is enabled, every payment is refused`;
  return { name, ok: 'warn', message, advice: 'Set WECHAT_PAY_ENABLE_REAL=true to take real money.' };
}

/** Where production demands it, a bad secret is a problem already; elsewhere it has to be known before going live. */
function secretChecks(e: Environment, problems: readonly string[]): Check[] {
  const name = 'bearer tokens';
  if (problems.some((line) => /^JWT_/.test(line))) return [];
  const weakness = e.JWT_SECRET ? weakSecret(e.JWT_SECRET) : null;
  const advice = 'Make your own before taking real money: openssl rand -hex 32.';
  if (weakness) return [{ name, ok: 'warn', message: `JWT_SECRET ${weakness}: good for development alone`, advice }];
  if (!e.JWT_SECRET && !e.JWT_PUBLIC_KEY) {
    return [{ name, ok: 'warn', message: 'JWT_SECRET is not set: tokens are signed with a published one', advice }];
  }
  const longest = e.JWT_MAX_TTL_SECONDS === undefined ? 'the default' : `${e.JWT_MAX_TTL_SECONDS} s`;
  return [fine(name, `the key is your own; tokens without exp or that live longer than ${longest} are refused`)];
}

function notifyChecks(e: Environment): Check[] {
  const name = 'path of the notify_url';
  const advice = 'Let it end in /api/payments/callback/wechat/, unless your proxy maps this path to that one.';
  return (['WECHAT_PAY_NOTIFY_URL', 'WECHAT_PAY_REFUND_NOTIFY_URL'] as const).flatMap((variable): Check[] => {
    if (e[variable] === undefined) return [];
    const problem = notifyPathProblem(e[variable]);
    if (problem) return [{ name, ok: 'warn', message: `${variable} ${problem}`, advice }];
    return [fine(name, `${variable} has a path that Paydesk serves`)];
  });
}
