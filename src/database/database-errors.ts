/** PostgreSQL error codes that mean "not now": the request was not done and may be tried again. */
const TRANSIENT = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available
  '57014', // query_canceled (statement_timeout)
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '25006', // read_only_sql_transaction: the server is not the primary any more
  '57P04', // database_dropped
  '57P05', // idle_session_timeout
  '58030', // io_error
  '25P03', // idle_in_transaction_session_timeout
]);
/** Classes: the connection (08) and what the server has run out of, the disk too (53). */
const TRANSIENT_CLASS = /^(08|53)...$/;
const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH', 'EAI_AGAIN']);

/** Whether an error says that the database cannot be reached, or could not do it just now. */
export function isDatabaseUnavailable(error: unknown): boolean {
  // By its shape, not its class: the same holds for an error that was made in another realm.
  if (typeof error !== 'object' || error === null) return false;
  const { code, errors, driverError, message } = error as Partial<Record<string, unknown>>;
  if (typeof code === 'string' && (TRANSIENT.has(code) || NETWORK.has(code) || TRANSIENT_CLASS.test(code))) return true;
  if (Array.isArray(errors) && errors.some(isDatabaseUnavailable)) return true;
  if (driverError !== undefined && driverError !== error && isDatabaseUnavailable(driverError)) return true;
  return (
    typeof message === 'string' &&
    /Connection terminated|timeout expired|timeout exceeded when trying to connect|Client has encountered a connection error|Driver not Connected|Query read timeout|Client was closed and is not queryable|Cannot use a pool after calling end/i.test(
      message,
    )
  );
}

/** No connection to the database of DATABASE_URL: it is down, or the address, the user or the password is wrong. */
export class ConnectionFailed extends Error {
  constructor(cause: unknown) {
    super(`The database of DATABASE_URL cannot be used: ${messageOf(cause)}`, { cause });
    this.name = 'ConnectionFailed';
  }
}

/** Waits for a connection. @throws ConnectionFailed */
export async function connecting<T>(connection: Promise<T>): Promise<T> {
  try {
    return await connection;
  } catch (error) {
    throw new ConnectionFailed(error);
  }
}

/** What happened, in words: an error about several addresses (`::1`, `127.0.0.1`) has its words in each of them. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(messageOf))].join(', ');
  }
  return error.message || (error as NodeJS.ErrnoException).code || error.name;
}
