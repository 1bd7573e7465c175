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
 * @throws ConfigError where it is not installed, as in the image
 * @throws EmbeddedPostgresError when another Paydesk runs in this folder, or the server cannot start
 */
export const startEmbedded: OpenEmbedded = async (onUnexpectedExit) => {
  const { startEmbeddedPostgres } = await load();
  return startEmbeddedPostgres({ directory: DIRECTORY, onUnexpectedExit });
};

/** For a command: the running service's, or one for as long as the command takes. Throws as {@link startEmbedded}. */
export async function attachEmbedded(): Promise<OpenedDatabase> {
  const { attachEmbeddedPostgres } = await load();
  return attachEmbeddedPostgres({ directory: DIRECTORY });
}

/** The one import of `dev`, made when no `DATABASE_URL` is set: the image holds no `dev`. */
async function load() {
  try {
    return await import('../dev/embedded-postgres.js');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new ConfigError(['DATABASE_URL must be set: there is no embedded PostgreSQL in this installation']);
  }
}
