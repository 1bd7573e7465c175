import { Logger, Module } from '@nestjs/common';
import { CallBudget } from '../common/call-budget.js';
import { Clock } from '../common/clock.js';
import { Settings } from '../config/settings.js';
import type { CheckWechat } from '../config/wechat-environment.js';
import { ChannelCalls } from './channel-calls.js';
import { ChannelObserver } from './channel-observer.js';
import { DisabledProvider } from './disabled.provider.js';
import { DisabledLogin } from './disabled-login.js';
import { LoginChannel } from './login-channel.js';
import { MockProvider } from './mock/mock.provider.js';
import { MockLogin } from './mock/mock-login.js';
import { PaymentProvider } from './payment-provider.js';
import { ProviderRegistry } from './provider-registry.js';
import { settingsProblems, wechatSettings } from './wechat/settings.js';
import { WechatLogin } from './wechat/wechat-login.js';
import { WechatV3Provider } from './wechat/wechat-v3.provider.js';

/** What is wrong with the values of a real configuration, a line each. */
export const checkWechat: CheckWechat = (environment) =>
  settingsProblems(wechatSettings(environment)).map(({ setting, message }) => `${setting} ${message}`);

/** The provider that these settings bind. */
export function makeProvider(settings: Settings, clock: Clock, observer: ChannelObserver): PaymentProvider {
  if (settings.channel === 'mock') return new MockProvider({ callbackSecret: settings.mockCallbackSecret }, clock);
  if (!settings.wechat) return new DisabledProvider();
  const log = new Logger(WechatV3Provider.name);
  return new WechatV3Provider(wechatSettings(settings.wechat), clock, {
    onCall: (call) => observer.note(call),
    onProblem: (message) => log.warn(message),
  });
}

/** Decides which channel is bound: the only file that knows them. */
@Module({
  providers: [
    ChannelObserver,
    ChannelCalls,
    ProviderRegistry,
    {
      provide: PaymentProvider,
      inject: [Settings, Clock, ChannelObserver],
      useFactory: makeProvider,
    },
    {
      provide: LoginChannel,
      inject: [Settings, PaymentProvider],
      useFactory: (settings: Settings, provider: PaymentProvider): LoginChannel => {
        if (settings.channel === 'mock') return new MockLogin(provider.account.appid);
        return settings.wechat ? new WechatLogin(wechatSettings(settings.wechat)) : new DisabledLogin();
      },
    },
    {
      provide: CallBudget,
      inject: [Settings],
      useFactory: (settings: Settings) => new CallBudget(settings.channelQueriesPerSecond),
    },
  ],
  exports: [PaymentProvider, ProviderRegistry, LoginChannel, CallBudget, ChannelCalls, ChannelObserver],
})
export class ProviderModule {}
