import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { type Api, client } from './app.js';
import { freePort } from './simulated.js';

/** How a process ended: its exit code, or the signal that killed it. */
export type End = number | NodeJS.Signals;

/** The built service, `dist/src/main.js`, as a process of its own. */
export class ServiceProcess {
  /** Everything that it wrote. */
  output = '';
  readonly ended: Promise<End>;

  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {
    this.ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as End);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.output += data.toString('utf8');
      });
    }
  }

  /** Starts it on its own port, or on one that it had before, and waits until it serves. */
  static async start(env: Record<string, string>, port?: number): Promise<ServiceProcess> {
    const own = port ?? (await freePort());
    const child = spawn(process.execPath, [resolve('dist/src/main.js')], {
      // A folder without an `.env`.
      cwd: tmpdir(),
      env: { NODE_ENV: 'test', HOST: '127.0.0.1', LOGINS_PER_MINUTE: '100000', ...env, PORT: String(own) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const service = new ServiceProcess(child, own);
    const ready = new Promise<void>((done) => {
      child.stdout?.on('data', () => {
        if (service.output.includes('Paydesk is ready')) done();
      });
    });
    const end = await Promise.race([ready, service.ended]);
    if (end !== undefined) throw new Error(`the service ended with ${end} before it served:\n${service.output}`);
    return service;
  }

  api(token?: string): Api {
    return client(`http://127.0.0.1:${this.port}`, token);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<End> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** A built command, `dist/src/cli.js`, run to its end. */
export async function runCommand(
  words: string[],
  env: Record<string, string>,
  input = '',
): Promise<{ code: End; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [resolve('dist/src/cli.js'), ...words], {
    cwd: tmpdir(),
    env: { NODE_ENV: 'test', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString('utf8')));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString('utf8')));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code: code ?? signal ?? 'SIGKILL', stdout, stderr };
}
