import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

const STOP_WITHIN_MILLISECONDS = 20_000;
const POLL_MILLISECONDS = 20;

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

/**
 * Stops a PostgreSQL server and waits for its end: fast shutdown (open transactions are rolled back, what is committed
 * is written out), and after 20 s each immediate shutdown and SIGKILL.
 */
export async function stopServer(pid: number): Promise<void> {
  for (const name of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    signal(pid, name);
    for (let waited = 0; waited <= STOP_WITHIN_MILLISECONDS; waited += POLL_MILLISECONDS) {
      if (!(await identify(pid))) return;
      await sleep(POLL_MILLISECONDS);
    }
  }
}
