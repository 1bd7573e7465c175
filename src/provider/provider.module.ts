import { Module } from '@nestjs/common';
import { CallBudget } from '../common/call-budget.js';
import { Clock } from '../common/clock.js';
import { Settings } from '../config/settings.js';
import { LoginChannel } from './login-channel.js';
import { MockLogin } from './mock/mock-login.js';
import { MockProvider } from './mock/mock.provider.js';
import { PaymentProvider } from './payment-provider.js';

/** Decides which channel is bound: the only file that knows them. */
@Module({
  providers: [
    {
      provide: PaymentProvider,
      inject: [Settings, Clock],
      useFactory: (settings: Settings, clock: Clock): PaymentProvider =>
        new MockProvider({ enabled: settings.mockEnabled, callbackSecret: settings.mockCallbackSecret }, clock),
    },
    {
      provide: LoginChannel,
      inject: [Settings, PaymentProvider],
      useFactory: (settings: Settings, provider: PaymentProvider): LoginChannel =>
        new MockLogin(provider.account.appid, settings.mockEnabled),
    },
    {
      provide: CallBudget,
      inject: [Settings],
      useFactory: (settings: Settings) => new CallBudget(settings.channelQueriesPerSecond),
    },
  ],
  exports: [PaymentProvider, LoginChannel, CallBudget],
})
export class ProviderModule {}
