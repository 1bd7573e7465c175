import pg from 'pg';
import { Clock } from './common/clock.js';
import { ConfigError, type Settings } from './config/settings.js';
import { connecting } from './database/database-errors.js';
import { isUnboundPayment } from './payments/unbound-payments.js';
import { ChannelObserver } from './provider/channel-observer.js';
import { makeProvider } from './provider/provider.module.js';
import { ProviderRegistry } from './provider/provider-registry.js';
import { isUnboundRefund } from './refunds/unbound-refunds.js';

const NO_ANSWER_AFTER = 5000;

/** Open payments and refunds whose provider is not bound. */
export interface UnboundCount {
  payments: number;
  refunds: number;
}

/** What the start and `doctor` say of them: a line, or none. */
export function unboundWarning({ payments, refunds }: UnboundCount): string[] {
  if (payments + refunds === 0) return [];
  const counted = [
    ...(payments > 0 ? [`${payments} open ${payments === 1 ? 'payment' : 'payments'}`] : []),
    ...(refunds > 0 ? [`${refunds} open ${refunds === 1 ? 'refund' : 'refunds'}`] : []),
  ].join(' and ');
  return [
    `${counted} of a payment provider that is no longer in use, or of another merchant number: they are never queried, and stay open until an operator ends them (end_unbound)`,
  ];
}

/**
 * The same without the application, for `doctor`: null without a `DATABASE_URL`, with wrong settings or before the first
 * migration.
 * @throws ConnectionFailed
 */
export async function readUnbound(openSettings: () => Promise<Settings>): Promise<string[] | null> {
  const settings = await openSettings().catch((error: unknown) => {
    if (error instanceof ConfigError) return null;
    throw error;
  });
  if (!settings?.databaseUrl) return null;
  const { accounts } = new ProviderRegistry(makeProvider(settings, new Clock(), new ChannelObserver()));
  const db = new pg.Client({
    connectionString: settings.databaseUrl,
    connectionTimeoutMillis: NO_ANSWER_AFTER,
    query_timeout: NO_ANSWER_AFTER,
  });
  // What is asked over a lost connection fails all the same.
  db.on('error', () => undefined);
  try {
    await connecting(db.connect());
    const { rows: tables } = await db.query("SELECT WHERE to_regclass('refunds') IS NOT NULL");
    if (tables.length === 0) return null;
    const { rows } = await db.query<UnboundCount>(
      `SELECT (SELECT count(*)::int FROM payments p WHERE ${isUnboundPayment('$1')}) AS payments,
              (SELECT count(*)::int FROM refunds r JOIN payments p ON p.id = r.payment_id
               WHERE ${isUnboundRefund('$1')}) AS refunds`,
      [accounts],
    );
    return rows.flatMap(unboundWarning);
  } finally {
    await db.end().catch(() => undefined);
  }
}
