import { withoutQuotes } from './env-file.js';
import { Environment } from './environment.js';

/** Variables by name: text that is not empty, without blanks and quotes around it. */
export type Given = Readonly<Record<string, string>>;

const KNOWN = Object.keys(new Environment());

/** What belongs to one process and not to the run that service and commands are part of. */
const OF_ONE_PROCESS = new Set([
  'DATABASE_URL',
  'PORT',
  'HOST',
  'LOG_LEVEL',
  'JOBS_ENABLED',
  'SIM_PORT',
  'SHUTDOWN_DELAY_SECONDS',
  'PAYDESK_CRASH_AT',
]);
const SHARED = KNOWN.filter((name) => !OF_ONE_PROCESS.has(name));

/** The variables that Paydesk reads and that are set here; every other one has its default. Secrets are among them. */
export function givenOf(env: NodeJS.ProcessEnv): Given {
  const all = KNOWN.map((name) => [name, withoutQuotes(env[name] ?? '')] as const);
  return Object.fromEntries(all.filter(([, value]) => value !== ''));
}

/** What makes an environment that of the running service: what was not set there is not set (empty) here. */
export function environmentOfRunning(running: Given): Record<string, string> {
  return Object.fromEntries(SHARED.map((name) => [name, running[name] ?? '']));
}

/** The variables that are set here, and otherwise or not at all for the running service. */
export function differing(own: Given, running: Given): string[] {
  return SHARED.filter((name) => own[name] !== undefined && own[name] !== running[name]);
}
