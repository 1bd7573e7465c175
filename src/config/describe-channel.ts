import type { Channel } from './real-money.js';
import type { Settings } from './settings.js';

const TITLES: Readonly<Record<Channel, string>> = {
  mock: 'mock',
  simulated: 'WeChat Pay V3, simulated',
  wechat: 'WeChat Pay V3',
  disabled: 'none',
};

/** The provider that is bound, for the OpenAPI document. */
export function titleOf(channel: Channel): string {
  return TITLES[channel];
}

/** First words of the line that says that the service is ready. */
export function greeting({ channel }: Settings): string {
  return channel === 'disabled' ? 'Paydesk is running WITHOUT A PAYMENT PROVIDER' : 'Paydesk is ready';
}

/** The provider that is bound, and whether its money is real: one must not be taken for another. */
export function describeChannel({ channel, wechat }: Settings): string {
  if (channel === 'wechat') return `wechat (real money, merchant ${wechat?.mchid})`;
  if (channel === 'simulated') return `wechat, simulated by ${wechat?.baseUrl} (no real money)`;
  return channel === 'mock' ? 'mock (no real money)' : 'none: all are rejected';
}
