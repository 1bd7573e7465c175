import { DomainError } from './common/errors.js';
import { ConfigError, EXIT_CONFIG } from './config/settings.js';
import { ConnectionFailed, isDatabaseUnavailable } from './database/database-errors.js';
import { BadBill } from './provider/bill.js';
import { ProviderError } from './provider/payment-provider.js';

/** Why a program ends, for people and for scripts. */
export interface Failure {
  /** A stable code, as in the answers of the API. */
  code: string;
  message: string;
  exitCode: number;
  /** Of an unexpected error, for developers. */
  stack?: string;
}

/** What went wrong, in words for people: one line, of a configuration one for each problem. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return failed('internal_error', String(error));
  if (error instanceof ConfigError)
    return { code: 'invalid_configuration', message: error.message, exitCode: EXIT_CONFIG };
  if (error instanceof DomainError) return failed(error.code, error.message);
  if (error instanceof ProviderError) return failed(error.code, `payment provider: ${error.message}`);
  if (error instanceof BadBill) return failed(error.code, error.message);
  if (error instanceof ConnectionFailed) return failed('database_unavailable', error.message);
  if (isDatabaseUnavailable(error)) return failed('database_unavailable', new ConnectionFailed(error).message);
  // By its name, since its class is not in every installation.
  if (error.name === 'EmbeddedPostgresError') return failed('database_unavailable', error.message);
  const port = portProblem(error);
  return port !== null
    ? failed('port_unavailable', port)
    : { ...failed('internal_error', error.message), stack: error.stack };
}

function portProblem(error: Error): string | null {
  const { code, address, port } = error as { code?: string; address?: string; port?: number };
  if (code === 'EADDRINUSE') return `Port ${port} of ${address} is in use by another program: stop it, or set PORT.`;
  if (code === 'EACCES' && port !== undefined)
    return `Port ${port} of ${address} is not permitted for this user: set PORT to a port above 1023.`;
  return null;
}

function failed(code: string, message: string): Failure {
  return { code, message, exitCode: 1 };
}
