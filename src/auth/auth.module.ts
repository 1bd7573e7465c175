import { Global, Module } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { MINUTE } from '../common/clock.js';
import { Settings } from '../config/settings.js';
import { ProviderModule } from '../provider/provider.module.js';
import { ServicesModule } from '../services/services.module.js';
import { AuthGuard } from './auth.guard.js';
import { CallerShare } from './caller-share.js';
import { Callers } from './callers.js';
import { LoginController } from './login.controller.js';
import { LoginLimit } from './login-limit.js';
import { RouteAccess } from './route-access.js';
import { TokensService } from './tokens.service.js';
import { UsersService } from './users.service.js';

@Global()
@Module({
  imports: [
    DiscoveryModule,
    ProviderModule,
    ServicesModule,
    ThrottlerModule.forRootAsync({
      inject: [Settings],
      useFactory: (settings: Settings) => [{ ttl: MINUTE, limit: settings.badCallbacksPerMinute }],
    }),
  ],
  controllers: [LoginController],
  providers: [
    TokensService,
    Callers,
    UsersService,
    LoginLimit,
    CallerShare,
    RouteAccess,
    { provide: APP_GUARD, useClass: AuthGuard },
  ],
  exports: [TokensService, CallerShare, UsersService, ThrottlerModule],
})
export class AuthModule {}
