import { existsSync } from 'node:fs';
import { EmbeddedPostgresError, startEmbeddedPostgres } from './embedded-postgres.js';
import { ConfigError, EXIT_CONFIG, type Settings } from './config/settings.js';
import { createDataSource } from './data-source.js';
import { createHttpApp } from './http-app.js';
import { seedCatalogue } from './orders/catalogue.js';

/** Where the embedded PostgreSQL keeps its files, under the working directory. */
export const EMBEDDED_DIRECTORY = 'var/postgres';

export interface Running {
  /** Where the API answers, without a trailing slash. */
  url: string;
  stop(): Promise<void>;
}

/** Database, migrations, catalogue, HTTP: in this order. */
export async function start(settings: Settings): Promise<Running> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const embedded =
    settings.databaseUrl === null
      ? await startEmbeddedPostgres({
          directory: EMBEDDED_DIRECTORY,
          onUnexpectedExit: (reason) => fatal(new Error(`the embedded PostgreSQL is gone: ${reason}`)),
        })
      : null;
  try {
    const databaseUrl = settings.databaseUrl ?? embedded?.url ?? '';
    await migrate(databaseUrl, !settings.production);
    const app = await createHttpApp({ settings, databaseUrl });
    await app.listen(settings.port, settings.host);
    const url = await app.getUrl();
    say(`Paydesk is ready: API ${url}/api  docs ${url}/docs  health ${url}/health/ready`);
    return {
      url,
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

/** Brings the schema up to date; several processes that start at once do it one after another. */
export async function migrate(databaseUrl: string, withCatalogue: boolean): Promise<string[]> {
  const db = createDataSource(databaseUrl);
  await db.initialize();
  const lock = db.createQueryRunner();
  try {
    await lock.query('SELECT pg_advisory_lock(4602348571)');
    const done = await db.runMigrations();
    if (withCatalogue) await seedCatalogue(db);
    return done.map((migration) => migration.name);
  } finally {
    await lock.query('SELECT pg_advisory_unlock(4602348571)').catch(() => undefined);
    await lock.release();
    await db.destroy();
  }
}

/** Stops on SIGINT and SIGTERM after what runs has finished; a second signal does not wait. */
export function stopOnSignals(running: Running): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    process.stdout.write(`${signal}: finishing what runs\n`);
    running.stop().then(() => process.exit(0), fatal);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

/** Says what is wrong in words for people and ends the process: 78 for the configuration, 1 for the rest. */
export function fatal(error: unknown): never {
  const known = error instanceof ConfigError || error instanceof EmbeddedPostgresError;
  const text = error instanceof Error ? (known ? error.message : (error.stack ?? error.message)) : String(error);
  process.stderr.write(`${text}\n`);
  if (error instanceof ConfigError && !existsSync('.env')) {
    process.stderr.write('Every variable is described in .env.example; settings may stand in a file .env.\n');
  }
  process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
}
