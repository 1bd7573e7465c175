import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { explained } from './errors.js';
import { readHolder } from './lock.js';
import { identify } from './processes.js';

/** Variables by name, as the service was given them. Nothing is known of them here. Secrets may be among them. */
export type Configuration = Readonly<Record<string, string>>;

/** The service that holds a folder, and what it runs with. */
export interface RunningService {
  pid: number;
  configuration: Configuration;
}

/**
 * Keeps what this process runs with beside its lock, for the commands of the same account (mode 0600), until
 * {@link withdraw}. The caller holds the folder's lock.
 */
export async function publish(directory: string, configuration: Configuration): Promise<void> {
  const text = JSON.stringify({ ...(await identify(process.pid)), configuration });
  // Written aside and then renamed: never seen half written, and never open to others because an older file was.
  const draft = `${pathIn(directory)}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
    await rename(draft, pathIn(directory));
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes what was published, by this process or by a dead one. The caller holds the folder's lock. */
export function withdraw(directory: string): Promise<void> {
  return rm(pathIn(directory), { force: true });
}

/**
 * What the service that holds this folder runs with; undefined when none does. What a dead process left is not read.
 * @throws EmbeddedPostgresError when it belongs to another account
 */
export async function runningService(directory: string): Promise<RunningService | undefined> {
  try {
    const holder = await readHolder(directory);
    if (holder?.role !== 'service') return undefined;
    const { pid, started, configuration } = JSON.parse(await readFile(pathIn(directory), 'utf8')) as RunningService & {
      started: string;
    };
    return pid === holder.pid && started === holder.started ? { pid, configuration } : undefined;
  } catch (error) {
    // It is about to be written, or was just removed.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw explained(`The configuration of the running service cannot be read from ${directory}`, error);
  }
}

function pathIn(directory: string): string {
  return join(directory, 'configuration');
}
