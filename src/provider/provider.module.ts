import {
  type DynamicModule,
  Injectable,
  Logger,
  Module,
  OnApplicationBootstrap,
  OnApplicationShutdown,
} from '@nestjs/common';
import { CallBudget } from '../common/call-budget.js';
import { Clock } from '../common/clock.js';
import { Settings } from '../config/settings.js';
import type { CheckWechat, WechatEnvironment } from '../config/wechat-environment.js';
import { ChannelObserver } from './channel-observer.js';
import { DisabledLogin } from './disabled-login.js';
import { DisabledProvider } from './disabled.provider.js';
import { LoginChannel } from './login-channel.js';
import { MockLogin } from './mock/mock-login.js';
import { MockProvider } from './mock/mock.provider.js';
import { PaymentProvider } from './payment-provider.js';
import { ChannelCalls } from './shared-calls.js';
import { settingsProblems, wechatSettings, type WechatSettings } from './wechat/settings.js';
import { WechatLogin } from './wechat/wechat-login.js';
import { WechatV3Provider } from './wechat/wechat-v3.provider.js';

/** What is wrong with the values of a real configuration, a line each. */
export const checkWechat: CheckWechat = (environment) =>
  settingsProblems(wechatSettings(environment)).map(({ setting, message }) => `${setting} ${message}`);

/** `LoginChannel` over `jscode2session`. */
class RealLogin extends LoginChannel {
  private readonly login: WechatLogin;

  constructor(settings: WechatSettings) {
    super();
    this.appid = settings.appid;
    this.login = new WechatLogin(settings);
  }

  readonly appid: string;

  async openidOf(code: string): Promise<string> {
    return (await this.login.exchange(code)).openid;
  }

  close(): Promise<void> {
    return this.login.close();
  }
}

/** Starts and stops the real channel, takes over changed keys, and says in time when a certificate ends. */
@Injectable()
export class ChannelKeys implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(ChannelKeys.name);

  constructor(
    private readonly provider: PaymentProvider,
    private readonly login: LoginChannel,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!(this.provider instanceof WechatV3Provider)) return;
    await this.provider.start();
    this.warnOfExpiry();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.provider instanceof WechatV3Provider) await this.provider.close();
    if (this.login instanceof RealLogin) await this.login.close();
  }

  /** Takes over keys that changed in the files, all or none. @throws WechatSettingsError and goes on with what it had */
  reload(environment: WechatEnvironment | null): void {
    if (!(this.provider instanceof WechatV3Provider) || !environment) return;
    this.provider.reload(wechatSettings(environment));
    this.log.log('the keys were reloaded');
    this.warnOfExpiry();
  }

  warnOfExpiry(): void {
    if (!(this.provider instanceof WechatV3Provider)) return;
    for (const warning of this.provider.expiryWarnings(this.clock.now()))
      this.log.warn(warning, 'a certificate expires soon');
  }

  /** Days until each certificate ends, for a gauge. */
  expiries(): { name: string; days: number }[] {
    if (!(this.provider instanceof WechatV3Provider)) return [];
    return this.provider
      .expiries(this.clock.now())
      .map(({ what, serial, days }) => ({ name: `${what} ${serial}`, days }));
  }
}

const GIVEN = Symbol('a payment provider that is given');

@Module({})
class GivenProvider {}

/** Decides which channel is bound: the only file that knows them. */
@Module({
  providers: [
    ChannelObserver,
    ChannelKeys,
    ChannelCalls,
    {
      provide: PaymentProvider,
      inject: [Settings, Clock, ChannelObserver, { token: GIVEN, optional: true }],
      useFactory: (
        settings: Settings,
        clock: Clock,
        observer: ChannelObserver,
        given?: PaymentProvider,
      ): PaymentProvider => {
        if (given) return given;
        if (settings.channel === 'mock')
          return new MockProvider({ callbackSecret: settings.mockCallbackSecret }, clock);
        if (!settings.wechat) return new DisabledProvider();
        const log = new Logger(WechatV3Provider.name);
        return new WechatV3Provider(wechatSettings(settings.wechat), clock, {
          onCall: (call) => observer.note(call),
          onProblem: (message) => log.warn(message),
        });
      },
    },
    {
      provide: LoginChannel,
      inject: [Settings, PaymentProvider],
      useFactory: (settings: Settings, provider: PaymentProvider): LoginChannel => {
        if (settings.channel === 'mock') return new MockLogin(provider.account.appid);
        return settings.wechat ? new RealLogin(wechatSettings(settings.wechat)) : new DisabledLogin();
      },
    },
    {
      provide: CallBudget,
      inject: [Settings],
      useFactory: (settings: Settings) => new CallBudget(settings.channelQueriesPerSecond),
    },
  ],
  exports: [PaymentProvider, LoginChannel, CallBudget, ChannelCalls, ChannelObserver, ChannelKeys],
})
export class ProviderModule {
  /** Binds this channel, instead of the one that the settings name. */
  static bind(provider: PaymentProvider): DynamicModule {
    return {
      module: GivenProvider,
      global: true,
      providers: [{ provide: GIVEN, useValue: provider }],
      exports: [GIVEN],
    };
  }
}
