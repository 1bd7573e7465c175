import { DynamicModule, Module } from '@nestjs/common';
import { ConfigModule as NestConfigModule, registerAs } from '@nestjs/config';
import { Clock } from '../common/clock.js';
import { Settings } from './settings.js';

/** Provides the settings, read and validated once before the application starts, and the clock. */
@Module({})
export class ConfigModule {
  static with(settings: Settings, clock: Clock): DynamicModule {
    const paydesk = registerAs('paydesk', () => settings);
    return {
      module: ConfigModule,
      global: true,
      // The environment and `.env` were read before, with every problem in one list, so there is nothing left to read here.
      imports: [NestConfigModule.forRoot({ ignoreEnvFile: true, ignoreEnvVars: true, load: [paydesk] })],
      providers: [
        { provide: Settings, useExisting: paydesk.KEY },
        { provide: Clock, useValue: clock },
      ],
      exports: [Settings, Clock],
    };
  }
}
