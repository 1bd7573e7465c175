/** PostgreSQL error codes that mean "not now": the request was not done and may be tried again. */
const TRANSIENT = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available
  '57014', // query_canceled (statement_timeout)
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '53300', // too_many_connections
  '25P03', // idle_in_transaction_session_timeout
]);
const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH', 'EAI_AGAIN']);

/** Whether an error says that the database cannot be reached, or could not do it just now. */
export function isDatabaseUnavailable(error: unknown): boolean {
  // By its shape, not its class: the same holds for an error that was made in another realm.
  if (typeof error !== 'object' || error === null) return false;
  const { code, errors, driverError, message } = error as Partial<Record<string, unknown>>;
  if (typeof code === 'string' && (TRANSIENT.has(code) || NETWORK.has(code) || code.startsWith('08'))) return true;
  if (Array.isArray(errors) && errors.some(isDatabaseUnavailable)) return true;
  if (driverError !== undefined && driverError !== error && isDatabaseUnavailable(driverError)) return true;
  return (
    typeof message === 'string' &&
    /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Driver not Connected|Cannot use a pool after calling end/i.test(
      message,
    )
  );
}
