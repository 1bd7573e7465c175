import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { SECOND } from './common/clock.js';
import { enableFailpoint } from './common/failpoints.js';
import { describeChannel, greeting } from './config/describe-channel.js';
import { ConfigError, type Settings } from './config/settings.js';
import { checkDatabase } from './database/check-database.js';
import type { OpenEmbedded } from './embedded-database.js';
import { failureOf } from './failure.js';
import { Readiness } from './http/readiness.js';
import { createHttpApp } from './http-app.js';
import { migrateOrCheck } from './migrate.js';
import { seedCatalogue } from './orders/catalogue.js';
import { UnboundPayments } from './payments/unbound-payments.js';
import { PaymentProvider } from './provider/payment-provider.js';
import { UnboundRefunds } from './refunds/unbound-refunds.js';
import { unboundWarning } from './unbound-count.js';

export interface Running {
  /** Where the API answers, without a trailing slash. */
  url: string;
  /** Takes over keys that changed, without a restart. */
  reload: (settings: Settings) => void;
  /**
   * Serves on, but says on `/health/ready` that it is stopping, for `SHUTDOWN_DELAY_SECONDS` or until aborted: a load
   * balancer goes on sending requests until it has asked again.
   */
  drain: (haste: AbortSignal) => Promise<void>;
  /** Takes nothing new, finishes what runs. */
  stop: () => Promise<void>;
}

/**
 * Database, migrations, catalogue, HTTP: in this order.
 * @param openEmbedded called when no `DATABASE_URL` is set
 */
export async function start(settings: Settings, openEmbedded: OpenEmbedded): Promise<Running> {
  enableFailpoint(settings.crashAt);
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const embedded =
    settings.databaseUrl === null
      ? await openEmbedded((reason) => fatal(new Error(`the embedded PostgreSQL has stopped: ${reason}`)))
      : null;
  try {
    const databaseUrl = settings.databaseUrl ?? embedded?.url ?? '';
    const database = await checkDatabase(databaseUrl, settings.databasePooler);
    await migrateOrCheck(databaseUrl, settings.databasePooler);
    const app = await createHttpApp({ settings, databaseUrl });
    if (!settings.production) await seedCatalogue(app.get(DataSource));
    const unbound = unboundWarning({
      payments: await app.get(UnboundPayments).count(),
      refunds: await app.get(UnboundRefunds).count(),
    });
    await app.listen(settings.port, settings.host);
    const url = await app.getUrl();
    for (const warning of [...settings.warnings, ...database.warnings, ...unbound])
      process.stderr.write(`WARNING: ${warning}\n`);
    say(`database: ${database.description}`);
    say(
      `${greeting(settings)}: API ${url}/api  docs ${url}/docs  health ${url}/health/ready  payments ${describeChannel(settings)}`,
    );
    return {
      url,
      reload(changed) {
        app.get(PaymentProvider).reloadKeys(changed);
      },
      async drain(haste) {
        const seconds = settings.shutdownDelaySeconds;
        if (seconds === 0) return;
        app.get(Readiness).stopping = true;
        say(`SIGTERM: /health/ready says 503 from now on; the port closes in ${seconds} s`);
        await sleep(seconds * SECOND, undefined, { signal: haste }).catch(() => undefined);
      },
      async stop() {
        await app.close();
        await embedded?.stop();
      },
    };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

/** One Ctrl-C arrives twice, from the terminal and from npm, as may a SIGTERM: only a later one asks for haste. */
const AGAIN_AFTER_MS = 1000;

/**
 * On SIGTERM drains, then stops and ends with 0; SIGINT stops without draining. A second signal ends the draining, one while
 * it stops ends the process at once, with 1. Reads the keys again on SIGHUP, and goes on with the old ones if the new
 * ones are no good. A signal during the start takes effect once it is done.
 */
export function handleSignals(starting: Promise<Running>, readAgain: () => Settings): void {
  const reload = async (): Promise<void> => {
    const running = await starting;
    try {
      running.reload(readAgain());
      process.stdout.write('SIGHUP: the keys were reloaded\n');
    } catch (error) {
      process.stderr.write(`SIGHUP: the keys were not reloaded: ${(error as Error).message}\n`);
    }
  };
  // A start that fails is told by its own caller.
  process.on('SIGHUP', () => void reload().catch(() => undefined));
  const haste = new AbortController();
  let step: 'serving' | 'draining' | 'stopping' = 'serving';
  let lastSignal = -Infinity;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    step = 'draining';
    const running = await starting;
    if (signal === 'SIGTERM') await running.drain(haste.signal);
    step = 'stopping';
    process.stdout.write(`${signal}: finishing requests in progress\n`);
    await running.stop();
    process.exit(0);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (performance.now() - lastSignal <= AGAIN_AFTER_MS) return;
    lastSignal = performance.now();
    if (step === 'serving') void end(signal).catch(fatal);
    else if (step === 'draining') haste.abort();
    else process.exit(1);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

/** Says what is wrong in words for people and ends the process: 78 for the configuration, 1 for the rest. */
export function fatal(error: unknown): never {
  const { message, exitCode, stack } = failureOf(error);
  process.stderr.write(`${stack ?? message}\n`);
  if (error instanceof ConfigError && !existsSync('.env')) {
    process.stderr.write('Every variable is described in .env.example; settings may stand in a file .env.\n');
  }
  process.exit(exitCode);
}
