import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { MINUTE } from '../common/clock.js';
import { Settings } from '../config/settings.js';
import { ProviderModule } from '../provider/provider.module.js';
import { AuthGuard } from './auth.guard.js';
import { LoginController } from './login.controller.js';
import { TokensService } from './tokens.service.js';
import { UsersService } from './users.service.js';

@Global()
@Module({
  imports: [
    ProviderModule,
    ThrottlerModule.forRootAsync({
      inject: [Settings],
      useFactory: (settings: Settings) => [{ ttl: MINUTE, limit: settings.loginsPerMinute }],
    }),
  ],
  controllers: [LoginController],
  providers: [TokensService, UsersService, { provide: APP_GUARD, useClass: AuthGuard }],
  exports: [TokensService, UsersService, ThrottlerModule],
})
export class AuthModule {}
