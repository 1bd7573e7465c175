import { differing, environmentOfRunning } from './config/running-environment.js';
import { readGiven } from './config/settings.js';
import { readRunningService } from './embedded-database.js';

let told = '';

/**
 * What a command puts in place of its own environment: that of the service which uses the embedded database of this
 * folder. Nothing where none runs, and where the command's own environment names a database or is production: no embedded
 * database belongs to it. What is set otherwise here is named on standard error, once and without its value.
 * @throws EmbeddedPostgresError when the service runs as another account
 */
export async function runningEnvironment(): Promise<Record<string, string>> {
  const own = readGiven();
  if (own.DATABASE_URL !== undefined || own.NODE_ENV === 'production') return {};
  const running = await readRunningService();
  if (running === null) return {};
  const names = differing(own, running.configuration).join(', ');
  if (names !== '' && names !== told) {
    process.stderr.write(
      `NOTE: the running service (process ${running.pid}) was started with other values of ${names}: its values are used, not those set here\n`,
    );
    told = names;
  }
  return environmentOfRunning(running.configuration);
}
