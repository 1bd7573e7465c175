import pg from 'pg';
import { nonce } from '../common/ids.js';
import { ConfigError } from '../config/settings.js';
import { connecting } from './database-errors.js';
import type { Pooler } from './pool-options.js';

/** What stands behind DATABASE_URL, for the line that the start prints, and what should be mended about it. */
export interface DatabaseFacts {
  description: string;
  warnings: string[];
}

const NO_ANSWER_AFTER = 5000;
const PROBE = 'paydesk.probe';

/**
 * Looks what DATABASE_URL leads to before anything is built on it.
 * @throws ConnectionFailed
 * @throws ConfigError when it leads to a pooler in transaction mode and the settings do not say so
 */
export async function checkDatabase(url: string, pooler: Pooler): Promise<DatabaseFacts> {
  const [one, other] = [client(url), client(url)];
  try {
    await connecting(Promise.all([one.connect(), other.connect()]));
    const { rows } = await one.query<{ version: string; pid: number; limit: string; read_only: string }>(
      `SELECT split_part(current_setting('server_version'), ' ', 1) AS version, pg_backend_pid() AS pid,
              current_setting('statement_timeout') AS limit, current_setting('transaction_read_only') AS read_only`,
    );
    const [facts] = rows;
    const shared = await sharesConnections(one, other);
    if (shared && pooler === 'session') {
      throw new ConfigError([
        'DATABASE_URL points to a pooler in transaction mode: set DATABASE_POOLER=transaction, or switch the pooler to session mode',
      ]);
    }
    // A pooler answers with a process id of its own making.
    const pooled = (one as unknown as { processID: number }).processID !== facts?.pid;
    const mode = pooler === 'transaction' ? 'transaction mode' : 'session mode';
    const warnings: string[] = [];
    if (pooler === 'transaction') warnings.push(NO_BILLS);
    if (pooler === 'transaction' && facts?.limit === '0') warnings.push(NO_LIMITS);
    if (facts?.read_only === 'on') warnings.push('the database is read-only: it is a standby, or was set to read-only');
    return { description: `PostgreSQL ${facts?.version}${pooled ? `, through a pooler in ${mode}` : ''}`, warnings };
  } finally {
    await Promise.all([one.end(), other.end()].map((ended) => ended.catch(() => undefined)));
  }
}

const NO_BILLS =
  'DATABASE_POOLER=transaction: this process does not compare the daily bills; let one process reach PostgreSQL itself';
const NO_LIMITS =
  'DATABASE_POOLER=transaction: statements have no timeout on the server; set it for the role: ' +
  "ALTER ROLE … SET statement_timeout = '4s', … SET lock_timeout = '3s', … SET enable_seqscan = off";

function client(url: string): pg.Client {
  const one = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: NO_ANSWER_AFTER,
    query_timeout: NO_ANSWER_AFTER,
  });
  // What is asked over a lost connection fails all the same.
  one.on('error', () => undefined);
  return one;
}

/** Whether what one connection sets is met by another: only behind a pooler that does not keep sessions. */
async function sharesConnections(one: pg.Client, other: pg.Client): Promise<boolean> {
  const mark = nonce();
  await one.query(`SELECT set_config('${PROBE}', $1, false)`, [mark]);
  const { rows } = await other.query<{ found: string | null }>(`SELECT current_setting('${PROBE}', true) AS found`);
  await one.query(`SELECT set_config('${PROBE}', '', false)`);
  return rows[0]?.found === mark;
}
