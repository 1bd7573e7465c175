import 'reflect-metadata';
import type { Client } from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { Core1763900000000 } from '../migrations/1763900000000-core.js';
import { Refunds1763903600000 } from '../migrations/1763903600000-refunds.js';
import { Reconciliation1763907200000 } from '../migrations/1763907200000-reconciliation.js';
import { Product } from './orders/product.entity.js';
import { Order } from './orders/order.entity.js';
import { Payment } from './payments/payment.entity.js';
import { Refund } from './refunds/refund.entity.js';
import { User } from './auth/user.entity.js';

export const MIGRATIONS = [Core1763900000000, Refunds1763903600000, Reconciliation1763907200000];
const ENTITIES = [User, Product, Order, Payment, Refund];

/** What a connection may wait for. A callback must be answered within 5 s, so nothing waits longer than that. */
const LIMITS = { statement_timeout: 4000, lock_timeout: 3000, idle_in_transaction_session_timeout: 10_000 };

/**
 * A plan that was made while a table was empty scans it, and a prepared statement keeps its plan until the table's
 * statistics are renewed: the first thousand payments of a new shop would each read all the others. All that is asked
 * often has its index; what really reads whole tables, the comparison of bills, says so.
 */
const PLANNING = '-c enable_seqscan=off';

/**
 * A server that dies may say so in the same breath in which it lets a connection in, before whoever asked for that
 * connection listens to it: unheard, it would end the process. What is asked over the connection fails all the same.
 */
const onConnect = (client: Client): void => void client.on('error', () => undefined);

/** Options of the one PostgreSQL connection pool. The schema is made by the migrations alone. */
export function dataSourceOptions(url: string, poolSize = 10): DataSourceOptions {
  return {
    type: 'postgres',
    url,
    entities: ENTITIES,
    migrations: MIGRATIONS,
    migrationsTransactionMode: 'each',
    poolSize,
    applicationName: 'paydesk',
    // `pg` options: how long a request waits for a free connection before it is told to come again; and statements that
    // are issued together travel together, in their order, instead of one round trip each.
    extra: { ...LIMITS, connectionTimeoutMillis: 3000, max: poolSize, pipeline: true, options: PLANNING, onConnect },
  };
}

/** A data source that is not connected yet, for migrations: they may take their time. */
export function createDataSource(url: string): DataSource {
  return new DataSource({ ...dataSourceOptions(url, 4), extra: { max: 4, connectionTimeoutMillis: 3000, onConnect } });
}
