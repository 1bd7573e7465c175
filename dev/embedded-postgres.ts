import { realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openCluster, passwordOf, prepareFolder, SUPERUSER } from './embedded-postgres/cluster.js';
import { type Configuration, publish, withdraw } from './embedded-postgres/configuration.js';
import { EmbeddedPostgresError, explained } from './embedded-postgres/errors.js';
import { keepRunning } from './embedded-postgres/keep-running.js';
import { FolderLock, Holder, HolderRole, readHolder, takeFolder } from './embedded-postgres/lock.js';
import { runningPort, stopOrphan } from './embedded-postgres/server.js';

export { EmbeddedPostgresError };

export interface EmbeddedDatabase {
  /** Connection string, password included: not for a log. */
  url: string;
  /** Whether this process started the server. */
  startedHere: boolean;
  /** Stops the server if this process started it, after the application is through with it. Can be called twice. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Where lock, password and data lie: `var/postgres`. */
  directory: string;
  /** Name of the database, made when it does not exist. */
  database?: string;
  /** What the service runs with, for its commands: kept beside the lock while it runs, for its own account alone. */
  configuration?: Configuration;
  log?: (line: string) => void;
  /** The server fell, was started again several times and did not come back: the database is lost until a restart. */
  onUnexpectedExit?: (reason: string) => void;
  /** Where root keeps the data of a project that the server's account cannot enter. */
  outside?: string;
}

/** Held, shared, by every command that uses the server of another command, which waits for it before it stops. */
const IN_USE = 'SELECT pg_advisory_lock_shared(1886352491)';
const UNUSED = 'SELECT pg_advisory_lock(1886352491)';

/** How long the service waits for a command to finish, and a command for a service that is just starting. */
const WAIT_MILLISECONDS = 60_000;
const POLL_MILLISECONDS = 100;

/**
 * The service's own PostgreSQL, kept across restarts. Who handles signals calls `stop` when the application has
 * finished; an unhandled signal ends the process and the server.
 * @throws EmbeddedPostgresError when another Paydesk runs in this folder, or the server cannot start
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const directory = await folder(options);
  for (let waited = 0; ; waited += POLL_MILLISECONDS) {
    const lock = await takeFolder(directory, 'service').catch(rethrow(directory));
    if ('release' in lock) return serve(directory, options, lock, 'service');
    if (lock.role === 'service' || waited >= WAIT_MILLISECONDS) throw alreadyRunning(lock, directory);
    if (waited === 0) options.log?.(`waiting for the command of process ${lock.pid} to finish`);
    await sleep(POLL_MILLISECONDS);
  }
}

/** @throws EmbeddedPostgresError when a service runs in this folder. */
export async function assertNoService(directory: string): Promise<void> {
  const holder = await readHolder(directory);
  if (holder?.role === 'service') throw alreadyRunning(holder, directory);
}

/**
 * For commands: the server of the running service, or of another command, and if there is none, one of our own for as
 * long as the command takes.
 * @throws EmbeddedPostgresError when the server cannot start, or the running one does not answer
 */
export async function attachEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const directory = await folder(options);
  for (let waited = 0; ; waited += POLL_MILLISECONDS) {
    const lock = await takeFolder(directory, 'command').catch(rethrow(directory));
    if ('release' in lock) return serve(directory, options, lock, 'command');
    const attached = await attach(directory, options);
    if (attached) return attached;
    if (waited >= WAIT_MILLISECONDS) {
      throw new EmbeddedPostgresError(`Process ${lock.pid} holds ${directory}, but its database does not answer.`);
    }
    await sleep(POLL_MILLISECONDS);
  }
}

async function folder({ directory }: EmbeddedOptions): Promise<string> {
  await prepareFolder(directory);
  return realpath(directory);
}

async function serve(
  directory: string,
  options: EmbeddedOptions,
  lock: FolderLock,
  role: HolderRole,
): Promise<EmbeddedDatabase> {
  const log = options.log ?? (() => undefined);
  const leave = async (): Promise<void> => {
    await withdraw(directory);
    await lock.release();
  };
  try {
    // Before the server answers: who has reached it knows what its service runs with.
    await (role === 'service' ? publish(directory, options.configuration ?? {}) : withdraw(directory));
    const cluster = await openCluster(directory, log, options.outside);
    await stopOrphan(cluster.data, log);
    const server = await keepRunning({ cluster, log }, (reason) => options.onUnexpectedExit?.(reason));
    const url = urlOf(server.port, cluster.password, options.database);
    const stopServer = async (): Promise<void> => {
      await server.stop();
      await leave();
    };
    try {
      await makeDatabase(url);
    } catch (error) {
      await stopServer();
      throw explained('The database cannot be made', error);
    }
    log(`PostgreSQL ${cluster.binaries.version} listens on 127.0.0.1:${server.port}, data in ${cluster.data}`);

    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      if (role === 'command') await untilUnused(url, log);
      await stopServer();
    };
    return { url, startedHere: true, stop: () => (stopped ??= stop()) };
  } catch (error) {
    await leave();
    throw error;
  }
}

/** Undefined while the holder's server is not ready, or is stopping. */
async function attach(directory: string, options: EmbeddedOptions): Promise<EmbeddedDatabase | undefined> {
  const served = await passwordOf(directory, options.outside).catch((error: unknown) => {
    // Not written yet: the holder is making its first database.
    if (error instanceof EmbeddedPostgresError) return undefined;
    throw explained(`The password of the database in ${directory} cannot be read`, error);
  });
  const port = served && (await runningPort(served.data));
  if (!served || port === undefined) return undefined;
  const url = urlOf(port, served.password, options.database);
  const client = new pg.Client({ connectionString: url, application_name: 'paydesk command' });
  // The server may stop under us; users of the database meet the error where it matters.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(IN_USE);
  } catch {
    await client.end().catch(() => undefined);
    return undefined;
  }
  return { url, startedHere: false, stop: () => client.end().catch(() => undefined) };
}

/** Another command may be using the server that this one started. */
async function untilUnused(url: string, log: (line: string) => void): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  const notice = setTimeout(() => log('waiting for another command that uses this database'), 1000);
  try {
    await client.connect();
    await client.query(UNUSED);
  } catch {
    // The server is gone: it is not used.
  } finally {
    clearTimeout(notice);
    await client.end().catch(() => undefined);
  }
}

function urlOf(port: number, password: string, database = 'paydesk'): string {
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

async function makeDatabase(url: string): Promise<void> {
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  const admin = new URL(url);
  admin.pathname = '/postgres';
  const client = new pg.Client({ connectionString: admin.toString() });
  await client.connect();
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}

function alreadyRunning(holder: Holder, directory: string): EmbeddedPostgresError {
  const what = holder.role === 'service' ? 'Paydesk is already running' : 'A Paydesk command is running';
  return new EmbeddedPostgresError(
    `${what} in this folder (process ${holder.pid}); it holds the database in ${directory}.\n` +
      'Stop it first, start from another copy of the project, or set DATABASE_URL and PORT to run a second one.',
  );
}

function rethrow(directory: string): (error: unknown) => never {
  return (error) => {
    throw explained(`The folder ${directory} cannot be locked`, error);
  };
}
