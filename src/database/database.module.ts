import { DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { dataSourceOptions } from '../data-source.js';
import type { Pooler } from './pool-options.js';

/** The connection pool. Migrations have run before the application starts. */
@Module({})
export class DatabaseModule {
  static with(url: string, poolSize: number, pooler: Pooler): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRoot({ ...dataSourceOptions(url, poolSize, pooler), retryAttempts: 3, retryDelay: 500 }),
      ],
    };
  }
}
