import { randomBytes } from 'node:crypto';
import { link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identify, isAlive, ProcessIdentity } from './processes.js';

/** What holds the folder: the service for as long as it runs, a command for its own short life. */
export type HolderRole = 'service' | 'command';

export interface Holder extends ProcessIdentity {
  role: HolderRole;
}

export interface FolderLock {
  release(): Promise<void>;
}

/** How old a takeover mark must be before it counts as left by a process that died while holding it. */
const ABANDONED_AFTER_MILLISECONDS = 10_000;

/**
 * Takes the folder for this process, or answers who holds it. A holder that no longer runs is thrown out, even when
 * its process number belongs to another process by now.
 */
export async function takeFolder(directory: string, role: HolderRole): Promise<FolderLock | Holder> {
  const path = join(directory, 'lock');
  const self = await identify(process.pid);
  const text = JSON.stringify({ ...self, pid: process.pid, role });
  // Written aside and then linked: the lock never exists without its content.
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(draft, text, { mode: 0o644 });
    for (;;) {
      if (await linked(draft, path)) return { release: () => release(path, text) };
      const holder = await readHolder(directory);
      if (holder) return holder;
      await throwOutStaleHolder(directory, path);
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Who holds the folder now; no process when the lock is absent, unreadable as a lock, or left by a dead process. */
export async function readHolder(directory: string): Promise<Holder | undefined> {
  const text = await readFile(join(directory, 'lock'), 'utf8').catch(ignoreMissing);
  const holder = parse(text ?? '');
  return holder && (await isAlive(holder)) ? holder : undefined;
}

/** Only one process at a time may throw a dead holder out; else a slow second one could throw out the first one. */
async function throwOutStaleHolder(directory: string, path: string): Promise<void> {
  const mark = `${path}.takeover`;
  try {
    await writeFile(mark, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await sleep(50);
    const now = performance.timeOrigin + performance.now();
    const age = await stat(mark).then((file) => now - file.mtimeMs, ignoreMissing);
    if (age !== undefined && age > ABANDONED_AFTER_MILLISECONDS) await rm(mark, { force: true });
    return;
  }
  try {
    if (!(await readHolder(directory))) await rm(path, { force: true });
  } finally {
    await rm(mark, { force: true });
  }
}

async function release(path: string, text: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(ignoreMissing)) === text) await rm(path, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function parse(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Partial<Holder> | null;
    if (typeof holder?.pid !== 'number' || typeof holder.started !== 'string') return undefined;
    return { pid: holder.pid, started: holder.started, role: holder.role === 'command' ? 'command' : 'service' };
  } catch {
    return undefined;
  }
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}
