import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseEnv } from 'node:util';
import { freePort } from '../bench/service.js';
import { DIRECTORY } from './place.js';

const READY_WITHIN = 120_000;

/** Whatever is left when a proof ends goes with it. */
const children = new Set<ChildProcess>();
process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** A program of ours in a process of its own, on a port that it keeps when it is killed and started again. */
export class Program {
  private child: ChildProcess | null = null;

  constructor(
    private readonly script: string,
    private readonly args: string[],
    private readonly env: Record<string, string>,
    readonly port: number,
    private readonly ready: string,
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Of the process while it runs; null before, and after it has ended in whatever way. */
  get pid(): number | null {
    const { child } = this;
    return child?.exitCode === null && child.signalCode === null ? (child.pid ?? null) : null;
  }

  get alive(): boolean {
    return this.child !== null;
  }

  /** Fulfilled when the process that was launched last has ended: its signal, or its exit code. */
  ended: Promise<string> = Promise.resolve('not started');

  /** Starts it and does not wait. In a folder without a `.env`: it knows what it is told here. */
  launch(): ChildProcess {
    const log = openSync(`${DIRECTORY}/${this.port}.log`, 'a');
    const child = spawn(process.execPath, [resolve(this.script), ...this.args], {
      cwd: DIRECTORY,
      env: this.env,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    children.add(child);
    this.ended = new Promise((done) => child.once('exit', (code, signal) => done(signal ?? String(code))));
    child.once('exit', () => children.delete(child));
    return child;
  }

  /** Starts it and waits until it answers, or has killed itself. */
  async start(): Promise<void> {
    const child = this.launch();
    const until = performance.now() + READY_WITHIN;
    while (child.signalCode === null && !(await answers(`${this.url}${this.ready}`))) {
      if (child.exitCode !== null || performance.now() > until) {
        child.kill('SIGKILL');
        throw new Error(`${this.script} did not start: see ${DIRECTORY}/${this.port}.log`);
      }
      await sleep(50);
    }
    this.child = child;
  }

  /** As by `kill -9`, or politely. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { child } = this;
    this.child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}

/** The simulator, and the environment that a shop needs to speak to it. */
export async function startSimulatorProgram(
  folder: string,
  notifyPort: number,
  options: { seed: number; refundDelaySeconds: number },
): Promise<{ program: Program; env: Record<string, string> }> {
  const port = await freePort();
  const { seed, refundDelaySeconds } = options;
  const args = [`--port=${port}`, `--out=${resolve(folder)}`, `--notify-base=http://127.0.0.1:${notifyPort}`];
  args.push(`--seed=${seed}`, `--refund-delay=${refundDelaySeconds}`);
  const program = new Program('dist/simulator/main.js', args, {}, port, '/_sim/clock');
  await program.start();
  // It answers a moment before its keys are written.
  while (!existsSync(`${folder}/.env`)) await sleep(50);
  return { program, env: parseEnv(readFileSync(`${folder}/.env`, 'utf8')) as Record<string, string> };
}

/** Asks the simulator, or tells it to do something. @throws Error when it will not */
export async function tell<T>(simulator: Program, method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${simulator.url}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** What stands before several processes: hands each connection to one that is alive. */
export class Balancer {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(
    readonly port: number,
    private readonly choose: () => number | null,
  ) {
    this.server = createServer((client) => this.join(client));
  }

  static async listen(choose: () => number | null): Promise<Balancer> {
    const balancer = new Balancer(await freePort(), choose);
    balancer.server.listen(balancer.port, '127.0.0.1');
    await once(balancer.server, 'listening');
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket): void {
    const port = this.choose();
    if (port === null) return void client.destroy();
    const backend = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [client, backend],
      [backend, client],
    ] as const) {
      this.sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => null);
  await response?.arrayBuffer();
  return response?.status === 200;
}
