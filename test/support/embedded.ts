import { ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { commandLine, identify } from '../../dev/embedded-postgres/processes.js';

interface Message {
  up?: true;
  url?: string;
  startedHere?: boolean;
  error?: string;
  message?: string;
  log?: string;
  lost?: string;
  stopping?: true;
}

/** A process that holds an embedded PostgreSQL, as the service or a command does. */
export class Owner {
  readonly messages: Message[] = [];
  private readonly exited: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    this.exited = once(child, 'exit');
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.read(line));
  }

  /** Starts the process and waits until its database is up, or it has given the reason why not. */
  static async open(how: 'start' | 'attach', directory: string, outside?: string, cwd?: string): Promise<Owner> {
    const owner = Owner.launch(how, directory, outside, cwd);
    await owner.said((message) => message.up === true || message.error !== undefined);
    return owner;
  }

  /** The same without waiting. */
  static launch(how: 'start' | 'attach', directory: string, outside?: string, cwd?: string): Owner {
    const script = resolve('test/support/embedded-owner.mjs');
    const words = [script, how, directory, ...(outside === undefined ? [] : [outside])];
    return new Owner(spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'], cwd }));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get up(): Message | undefined {
    return this.messages.find((message) => message.up);
  }

  get url(): string {
    const url = this.up?.url;
    if (url === undefined) throw new Error(`the database is not up: ${this.refusal}`);
    return url;
  }

  get refusal(): string {
    return this.messages.find((message) => message.error)?.message ?? '';
  }

  /** Everything it logged. */
  get logged(): string {
    return this.messages.map((message) => message.log ?? '').join('\n');
  }

  async said(what: (message: Message) => boolean): Promise<void> {
    await eventually(() => {
      if (this.child.exitCode !== null && !this.messages.some(what)) throw new Error('it ended without a word');
      return this.messages.some(what);
    });
  }

  /** Sends the signal and waits for the end of the process. */
  async end(name: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.child.kill(name);
    await this.exited;
  }

  /** Makes the process end without stopping its database. */
  abort(): void {
    this.child.stdin?.end('abort\n');
  }

  private read(line: string): void {
    this.messages.push(JSON.parse(line) as Message);
  }
}

/** Waits, at most 25 s, until something that another process does has come about. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const until = performance.now() + 25_000;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error('it did not come about within 25 s');
    await sleep(25);
  }
}

/** Process numbers of the servers that serve this folder. */
export async function serversOf(directory: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await allProcesses()) {
    const serves = (await commandLine(pid)).includes(`-D ${join(directory, 'data')}`);
    if (serves && (await identify(pid))) found.push(pid);
  }
  return found;
}

/** Not by `ps` on Linux: a bare machine may have none. */
async function allProcesses(): Promise<number[]> {
  const names =
    process.platform === 'linux'
      ? await readdir('/proc')
      : execFileSync('ps', ['-A', '-o', 'pid='], { encoding: 'utf8' }).split('\n');
  return names.map(Number).filter((pid) => pid > 0);
}

/** The main process of the server that last wrote its number into the data folder. */
export async function serverPid(directory: string): Promise<number> {
  return Number((await readFile(join(directory, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

export async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
