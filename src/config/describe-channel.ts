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

/** What to do where a notice of the mock was asked for, and the mock is off. */
export function insteadOfMockNotice({ channel, wechat }: Settings, paymentId: string): string {
  if (channel !== 'simulated') return 'the mock provider is off';
  const transaction = `${wechat?.baseUrl}/_sim/transactions/${paymentId}`;
  return `the mock provider is off: the simulator of this service sends its own notices. Call it instead: curl -X POST ${transaction}/pay (or /fail; simulator/README.md has them all)`;
}

/** The provider that is bound, and whether its money is real: one must not be taken for another. */
export function describeChannel({ channel, wechat }: Settings): string {
  if (channel === 'wechat') return `wechat (real money, merchant ${wechat?.mchid})`;
  if (channel === 'simulated') return `wechat, simulated by ${wechat?.baseUrl} (no real money)`;
  return channel === 'mock' ? 'mock (no real money)' : 'none: all are rejected';
}
