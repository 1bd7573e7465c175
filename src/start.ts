import { existsSync } from 'node:fs';
import { DataSource } from 'typeorm';
import { armCrashPoint } from './common/crash-points.js';
import { ChannelKeys } from './provider/provider.module.js';
import { ConfigError, type Settings } from './config/settings.js';
import { checkDatabase } from './database/check-database.js';
import type { OpenEmbedded } from './embedded-database.js';
import { failureOf } from './failure.js';
import { migrateOrCheck } from './migrate.js';
import { createHttpApp } from './http-app.js';
import { seedCatalogue } from './orders/catalogue.js';

export interface Running {
  /** Where the API answers, without a trailing slash. */
  url: string;
  /** Takes over keys that changed, without a restart. */
  reload: (settings: Settings) => void;
  stop: () => Promise<void>;
}

/**
 * Database, migrations, catalogue, HTTP: in this order.
 * @param openEmbedded called when no `DATABASE_URL` is set
 */
export async function start(settings: Settings, openEmbedded: OpenEmbedded): Promise<Running> {
  armCrashPoint(settings.crashAt);
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
    await app.listen(settings.port, settings.host);
    const url = await app.getUrl();
    for (const warning of [...settings.warnings, ...database.warnings]) process.stderr.write(`WARNING: ${warning}\n`);
    say(`database: ${database.description}`);
    say(
      `${greeting(settings)}: API ${url}/api  docs ${url}/docs  health ${url}/health/ready  payments ${channelInWords(settings)}`,
    );
    return {
      url,
      reload(changed) {
        app.get(ChannelKeys).reload(changed.wechat);
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

const greeting = ({ channel }: Settings): string =>
  channel === 'disabled' ? 'Paydesk is running WITHOUT A PAYMENT PROVIDER' : 'Paydesk is ready';

/** Which channel is bound, so that nobody takes one for another. */
function channelInWords({ channel, wechat }: Settings): string {
  if (channel === 'wechat') return `wechat (real money, merchant ${wechat?.mchid})`;
  if (channel === 'simulated') return `wechat, simulated by ${wechat?.baseUrl} (no real money)`;
  return channel === 'mock' ? 'mock (no real money)' : 'none: all are rejected';
}

/**
 * Stops on SIGINT and SIGTERM after what runs has finished (a second signal does not wait); reads the keys again on
 * SIGHUP, and goes on with the old ones if the new ones are no good.
 */
export function obeySignals(running: Running, readAgain: () => Settings): void {
  process.on('SIGHUP', () => {
    try {
      running.reload(readAgain());
    } catch (error) {
      process.stderr.write(`SIGHUP: the keys were not reloaded: ${(error as Error).message}\n`);
    }
  });
  let since: number | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    // One Ctrl-C arrives twice, from the terminal and from npm: only a later one means "at once".
    if (since !== undefined) return performance.now() - since > 1000 ? process.exit(1) : undefined;
    since = performance.now();
    process.stdout.write(`${signal}: finishing requests in progress\n`);
    running.stop().then(() => process.exit(0), fatal);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
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
