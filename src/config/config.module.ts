import { DynamicModule, Module } from '@nestjs/common';
import { ConfigModule as NestConfigModule, ConfigService } from '@nestjs/config';
import { Clock } from '../common/clock.js';
import { Settings } from './settings.js';

/** Hands the settings, read and validated once before the application starts, and the clock to all modules. */
@Module({})
export class ConfigModule {
  static with(settings: Settings, clock: Clock): DynamicModule {
    return {
      module: ConfigModule,
      global: true,
      imports: [
        NestConfigModule.forRoot({ ignoreEnvFile: true, ignoreEnvVars: true, load: [() => ({ paydesk: settings })] }),
      ],
      providers: [
        {
          provide: Settings,
          inject: [ConfigService],
          useFactory: (config: ConfigService) => config.getOrThrow<Settings>('paydesk'),
        },
        { provide: Clock, useValue: clock },
      ],
      exports: [Settings, Clock],
    };
  }
}
