import 'reflect-metadata';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { Core1763900000000 } from '../migrations/1763900000000-core.js';
import { Refunds1763903600000 } from '../migrations/1763903600000-refunds.js';
import { Reconciliation1763907200000 } from '../migrations/1763907200000-reconciliation.js';
import { UnboundRows1764504000000 } from '../migrations/1764504000000-unbound-rows.js';
import { ConsoleRefunds1764507600000 } from '../migrations/1764507600000-console-refunds.js';
import { CaseActions1764514800000 } from '../migrations/1764514800000-case-actions.js';
import { EventEntity1764518400000 } from '../migrations/1764518400000-event-entity.js';
import { Services1764522000000 } from '../migrations/1764522000000-services.js';
import { ApiKeys1764525600000 } from '../migrations/1764525600000-api-keys.js';
import { Events1764529200000 } from '../migrations/1764529200000-events.js';
import { User } from './auth/user.entity.js';
import { migrationPoolOptions, type Pooler, poolOptions } from './database/pool-options.js';
import { Order } from './orders/order.entity.js';
import { Product } from './orders/product.entity.js';
import { Payment } from './payments/payment.entity.js';
import { Refund } from './refunds/refund.entity.js';

export const MIGRATIONS = [
  Core1763900000000,
  Refunds1763903600000,
  Reconciliation1763907200000,
  UnboundRows1764504000000,
  ConsoleRefunds1764507600000,
  CaseActions1764514800000,
  EventEntity1764518400000,
  Services1764522000000,
  ApiKeys1764525600000,
  Events1764529200000,
];
const ENTITIES = [User, Product, Order, Payment, Refund];

/** Options of the one PostgreSQL connection pool. The schema is made by the migrations alone. */
export function dataSourceOptions(url: string, poolSize = 10, pooler: Pooler = 'session'): DataSourceOptions {
  return {
    type: 'postgres',
    url,
    entities: ENTITIES,
    migrations: MIGRATIONS,
    migrationsTransactionMode: 'each',
    poolSize,
    applicationName: 'paydesk',
    extra: poolOptions(poolSize, pooler),
  };
}

/** A data source that is not connected yet, for migrations: they may take their time. */
export function createDataSource(url: string): DataSource {
  return new DataSource({ ...dataSourceOptions(url, 4), extra: migrationPoolOptions() });
}
