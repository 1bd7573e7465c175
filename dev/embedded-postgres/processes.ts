import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  pid: number;
  /** Boot and start time as Linux tells them; empty elsewhere, where the number alone must do. */
  started: string;
}

/** Who a process is. A zombie (killed, but not yet collected by its parent) counts as gone. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  if (!signal(pid, 0)) return undefined;
  if (process.platform !== 'linux') return { pid, started: '' };
  const [stat, boot] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''),
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
  ]);
  // The second field is the program's name in brackets and may itself hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state = ''] = fields;
  if (stat === '' || state === 'Z' || state === 'X') return undefined;
  return { pid, started: `${boot.trim()}/${fields[19] ?? ''}` };
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.started === identity.started;
}

/** Sends a signal; false when there is no such process. A process of another user counts as there. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The command line of a process, its words separated by blanks; empty when it cannot be read. */
export async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return text.replaceAll('\0', ' ').trim();
  }
  const answer = await run('ps', ['-ww', '-p', String(pid), '-o', 'command=']).catch(() => ({ stdout: '' }));
  return answer.stdout.trim();
}

/** Waits until a process is gone; false when it is still there after so many milliseconds. */
export async function gone(pid: number, withinMilliseconds: number): Promise<boolean> {
  for (let waited = 0; waited <= withinMilliseconds; waited += 50) {
    if (!(await identify(pid))) return true;
    await sleep(50);
  }
  return false;
}
