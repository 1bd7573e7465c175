import type { Socket } from 'node:net';
import type { ClientBase, PoolConfig } from 'pg';
import type { DataSource } from 'typeorm';

/**
 * How the database is reached: by connections that keep their session (PostgreSQL itself, or a pooler in session mode), or
 * through a pooler that gives each transaction any connection it likes.
 */
export type Pooler = 'session' | 'transaction';

/** What a connection may wait for, in milliseconds. A callback must be answered within 5 s, so nothing waits longer. */
const LIMITS = { statement_timeout: 4000, lock_timeout: 3000, idle_in_transaction_session_timeout: 10_000 };

/**
 * When PostgreSQL sends nothing at all for so long although a statement is under way, not even that it took too long, the
 * path to it is dead: the connection is destroyed, and the next one finds the path that there is. Longer than the server's
 * own limit for a statement. Several statements that travel together may take longer, as each has its answer.
 */
const SILENCE_ENDS_AFTER = 5000;

/**
 * A plan that was made while a table was empty scans it, and a prepared statement keeps its plan until the table's
 * statistics are renewed: the first thousand payments of a new shop would each read all the others. All that is asked
 * often has its index; what really reads whole tables, the comparison of bills, says so.
 */
const SETTINGS = { ...LIMITS, enable_seqscan: 'off' };
const assignments = (prefix: string): string =>
  Object.entries(SETTINGS)
    .map(([name, value]) => `${prefix} ${name} = ${value}`)
    .join('; ');

/** Once for each connection: as startup parameters they would be refused by PgBouncer. */
const SET_SESSION = assignments('SET');
/** With each transaction, where the next one may run on another connection. */
const BEGIN = { session: 'BEGIN', transaction: `BEGIN; ${assignments('SET LOCAL')}` };

/** `read_only_sql_transaction`: this server takes no writes, so it is not the primary any more. */
const READ_ONLY = '25006';

/** The `pg` options of a pool, and what is done on each of its connections. */
export function poolOptions(size: number, pooler: Pooler): PoolConfig & { pooler: Pooler } {
  const makeReady = async (client: ClientBase): Promise<void> => {
    watch(client);
    endSilenceAfter(client, SILENCE_ENDS_AFTER);
    if (pooler === 'session') await client.query(SET_SESSION);
  };
  const options = {
    max: size,
    // How long a request waits for a free connection before it is told to come again.
    connectionTimeoutMillis: 3000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // Statements that are issued together travel together, in their order, instead of one round trip each.
    pipeline: true,
    pooler,
    // The pool waits for the promise, although its type does not say so.
    onConnect: makeReady as (client: ClientBase) => void,
  };
  return options;
}

/** The same for migrations: they may take their time. */
export function migrationPoolOptions(): PoolConfig {
  return { max: 4, connectionTimeoutMillis: 3000, keepAlive: true, onConnect: watch };
}

function watch(client: ClientBase): void {
  // A server that dies may say so in the same breath in which it lets a connection in, before the caller of the pool
  // listens to it: unheard, it would end the process. What is asked over the connection fails all the same.
  client.on('error', () => undefined);
  const { connection } = client as Connected;
  connection.on('errorMessage', ({ code }: { code?: string }) => {
    // After the statement has heard of it. A connection to a demoted server would stay there for ever.
    if (code === READ_ONLY) setImmediate(() => connection.stream.destroy());
  });
  connection.stream.on('timeout', () => {
    if (!(client as Connected).readyForQuery) connection.stream.destroy();
  });
}

/** Destroys the connection once a statement is under way and nothing was heard for so long. */
export function endSilenceAfter(client: ClientBase, milliseconds: number): void {
  (client as Connected).connection.stream.setTimeout(milliseconds);
}

/** What of a client is used here and not in its published type. */
interface Connected extends ClientBase {
  connection: NodeJS.EventEmitter & { stream: Socket };
  readyForQuery: boolean;
}

/** How this data source reaches its database. */
export function poolerOf(db: DataSource): Pooler {
  return (db.options as { extra?: { pooler?: Pooler } }).extra?.pooler ?? 'session';
}

/** What begins a transaction there. */
export function beginOf(db: DataSource): string {
  return BEGIN[poolerOf(db)];
}
