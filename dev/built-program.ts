import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { waitFor } from './wait-for.js';

const READY_WITHIN = 120_000;

/** What is still running when the parent ends is ended with it. */
const children = new Set<ChildProcess>();
process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')));

export interface ProgramOptions {
  /** `dist/src/main.js`, as seen from the working folder. */
  script?: string;
  args?: string[];
  nodeFlags?: string[];
  /** Nothing of the parent's environment is passed on. */
  env: Record<string, string>;
  port: number;
  /** A path that answers 200 once the program is ready. */
  ready?: string;
  /** Its working folder, without a `.env`; the log is written there. */
  folder: string;
  log?: string;
}

/** A built program in a process of its own. It keeps its port when it is killed and started again. */
export class BuiltProgram {
  /** Resolves when the process that was launched last has ended: its signal, or its exit code. */
  ended: Promise<string> = Promise.resolve('not started');
  private child: ChildProcess | null = null;

  constructor(private readonly options: ProgramOptions) {}

  get port(): number {
    return this.options.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return `${this.options.folder}/${this.options.log ?? `${this.port}.log`}`;
  }

  /** Null before the start and after the end. */
  get pid(): number | null {
    const { child } = this;
    return child?.exitCode === null && child.signalCode === null ? (child.pid ?? null) : null;
  }

  get alive(): boolean {
    return this.child !== null;
  }

  /** Starts it and does not wait. */
  launch(): ChildProcess {
    const { script = 'dist/src/main.js', args = [], nodeFlags = [], env, folder } = this.options;
    const log = openSync(this.log, 'a');
    const command = [...nodeFlags, resolve(script), ...args];
    const child = spawn(process.execPath, command, { cwd: folder, env, stdio: ['ignore', log, log] });
    closeSync(log);
    children.add(child);
    this.ended = new Promise((done) => child.once('exit', (code, signal) => done(signal ?? String(code))));
    child.once('exit', () => children.delete(child));
    return child;
  }

  /** Starts it and waits until it answers or was ended by a signal. @throws Error when it does not start */
  async start(): Promise<void> {
    const child = this.launch();
    const over = async (): Promise<boolean> =>
      child.signalCode !== null || child.exitCode !== null || (await answers(`${this.url}${ready}`));
    const { ready = '/health/ready' } = this.options;
    if (!(await waitFor(over, { within: READY_WITHIN })) || child.exitCode !== null) {
      child.kill('SIGKILL');
      throw new Error(`the program did not start: see ${this.log}`);
    }
    this.child = child;
  }

  async end(signal: 'SIGKILL' | 'SIGTERM' = 'SIGTERM'): Promise<void> {
    const { child } = this;
    this.child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => null);
  await response?.arrayBuffer();
  return response?.status === 200;
}

/**
 * Runs a command of the built `paydesk` to its end, its errors on ours; it gets this environment and no other.
 * Answers what it printed and how it ended: its signal or its exit code.
 * @param watch is called with its process id ten times a second
 */
export async function runCommand(
  words: string[],
  env: Record<string, string>,
  watch: (pid: number | null) => void = () => undefined,
): Promise<{ stdout: string; how: string }> {
  const child = spawn(process.execPath, ['dist/src/cli.js', ...words], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  const watching = setInterval(() => watch(child.pid ?? null), 100);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  clearInterval(watching);
  children.delete(child);
  return { stdout, how: signal ?? String(code) };
}

/** Resident memory of a process in MB, now and at its highest; null where there is no /proc, or no such process. */
export function memoryOf(pid: number | null): { now: number; peak: number } | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
    const [now, peak] = [read('VmRSS'), read('VmHWM')];
    // A process that has just ended has a status without these lines.
    return Number.isNaN(now) || Number.isNaN(peak) ? null : { now, peak };
  } catch {
    return null;
  }
}
