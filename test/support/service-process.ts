import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { type Readable } from 'node:stream';

/** What a process printed and how it ended. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

const BUILT = resolve('dist/src');

/** Nothing of this machine's environment: what is not said here is not set. */
function launch(script: string, words: string[], env: Record<string, string>, cwd: string): ChildProcess {
  return spawn(process.execPath, [resolve(BUILT, script), ...words], { env, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs a built program to its end, in a folder that has no `.env`, with this on its standard input. */
export async function runBuilt(
  script: 'cli.js' | 'main.js',
  words: string[],
  env: Record<string, string>,
  cwd = resolve('test'),
  input = '',
): Promise<Ended> {
  const child = launch(script, words, env, cwd);
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

async function textOf(stream: Readable | null): Promise<string> {
  let text = '';
  if (stream) for await (const chunk of stream) text += String(chunk);
  return text;
}

/** The built service as a process of its own. */
export class ServiceProcess {
  readonly exited: Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  output = '';

  private constructor(private readonly child: ChildProcess) {
    this.exited = once(child, 'exit') as typeof this.exited;
    child.stdin?.end();
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString('utf8');
      });
    }
  }

  /** Starts it on a free port, in a folder that has no `.env`, and waits until it says where it answers. */
  static async start(
    env: Record<string, string>,
    cwd = resolve('test'),
    script: 'main.js' | '../dev/simulated.js' = 'main.js',
  ): Promise<ServiceProcess> {
    const service = new ServiceProcess(launch(script, [], { PORT: '0', ...env }, cwd));
    await Promise.race([service.said(/API http/), service.exited]);
    if (!/API http/.test(service.output)) throw new Error(`it did not start:\n${service.output}`);
    return service;
  }

  get url(): string {
    const url = /API (http:\S+)\/api/.exec(this.output)?.[1];
    if (url === undefined) throw new Error('it has not said where it answers');
    return url;
  }

  async said(what: RegExp): Promise<void> {
    while (!what.test(this.output)) {
      await Promise.race([once(this.child.stdout as Readable, 'data'), once(this.child.stderr as Readable, 'data')]);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async end(name: NodeJS.Signals = 'SIGTERM'): Promise<[code: number | null, signal: NodeJS.Signals | null]> {
    this.child.kill(name);
    return this.exited;
  }
}
