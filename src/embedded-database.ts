import type { Given } from './config/running-environment.js';
import { ConfigError } from './config/settings.js';

/** Where the embedded PostgreSQL keeps its files, under the working directory. */
const DIRECTORY = 'var/postgres';

export interface OpenedDatabase {
  /** Connection string, password included: not for a log. */
  url: string;
  stop(): Promise<void>;
}

/** Opens the database of development. `lost` is called when it is gone and does not come back. */
export type OpenEmbedded = (lost: (reason: string) => void) => Promise<OpenedDatabase>;

/**
 * The embedded PostgreSQL for the service.
 * @param configuration what the service was given: its commands find it as long as it runs ({@link readRunningService})
 * @throws ConfigError where it is not installed, as in the image
 * @throws EmbeddedPostgresError when another Paydesk runs in this folder, or the server cannot start
 */
export function startEmbedded(configuration: Given): OpenEmbedded {
  return async (onUnexpectedExit) => {
    const { startEmbeddedPostgres } = await load();
    return startEmbeddedPostgres({ directory: DIRECTORY, configuration, onUnexpectedExit });
  };
}

/** For a command: the running service's, or one for as long as the command takes. Throws as {@link startEmbedded}. */
export async function attachEmbedded(): Promise<OpenedDatabase> {
  const { attachEmbeddedPostgres } = await load();
  return attachEmbeddedPostgres({ directory: DIRECTORY });
}

/** @throws EmbeddedPostgresError when a service runs in this folder */
export async function assertNoService(): Promise<void> {
  await (await load()).assertNoService(DIRECTORY);
}

/**
 * The service that uses the embedded database of this folder, and what it was given; null when none does.
 * @throws EmbeddedPostgresError when it runs as another account
 */
export async function readRunningService(): Promise<{ pid: number; configuration: Given } | null> {
  try {
    const { runningService } = await import('../dev/embedded-postgres/configuration.js');
    return (await runningService(DIRECTORY)) ?? null;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** `dev` is imported here alone, and when no `DATABASE_URL` is set: the image holds no `dev`. */
async function load() {
  try {
    return await import('../dev/embedded-postgres.js');
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new ConfigError(['DATABASE_URL must be set: there is no embedded PostgreSQL in this installation']);
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
}
