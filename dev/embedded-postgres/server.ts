import { ChildProcess, spawn } from 'node:child_process';
import { readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from './cluster.js';
import { explained } from './errors.js';
import { stopServerOnExit } from './exit-hooks.js';
import { freePort } from './free-port.js';
import { commandLine, identify, stopServer } from './processes.js';

/** For a small machine. Nothing here trades safety for speed: commits are on disk when they answer. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '128MB',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Rows and values stay out of the log: no statement beside an error, and no error of a single statement at all.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
};

/** A standby says so of `read-only connections`. */
const READY = /database system is ready to accept (read-only )?connections/;
const PORT_TAKEN = /could not bind|could not create any TCP\/IP sockets/;
const START_WITHIN_MILLISECONDS = 120_000;

export interface ServerOptions {
  cluster: Cluster;
  settings?: Record<string, string>;
  log: (line: string) => void;
}

/** One `postgres` process, child of this one. */
export class Server {
  private constructor(
    readonly port: number,
    private readonly child: ChildProcess,
    /** Fulfilled with what is known of the reason when the process has ended. */
    readonly ended: Promise<string>,
  ) {}

  /**
   * Starts a server on the given port, or on a free one, and waits until it answers.
   * @throws EmbeddedPostgresError with the server's own last lines
   */
  static async start(options: ServerOptions, port?: number): Promise<Server> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await Server.launch(options, port ?? (await freePort()));
      } catch (error) {
        // Between finding the free port and taking it, another process may have taken it.
        const again = port === undefined && attempt < 5 && error instanceof Error && PORT_TAKEN.test(error.message);
        if (!again) throw explained('PostgreSQL did not start', error);
      }
    }
  }

  private static async launch({ cluster, settings, log }: ServerOptions, port: number): Promise<Server> {
    const flags = Object.entries({ ...SETTINGS, ...settings, port: String(port) });
    const child = spawn(
      cluster.binaries.postgres,
      ['-D', cluster.data, ...flags.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      {
        ...cluster.account,
        cwd: cluster.data,
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
        stdio: ['ignore', 'ignore', 'pipe'],
        // A session of its own: Ctrl-C in the terminal reaches us only, and we stop it when the requests are through.
        detached: true,
      },
    );
    const lastLines: string[] = [];
    stopServerOnExit(child);

    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, name) => {
        resolve([name === null ? `exit code ${code ?? '?'}` : `signal ${name}`, ...lastLines].join('\n'));
      });
    });
    const ready = new Promise<'ready'>((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        for (const line of text.split('\n').filter((candidate) => candidate.trim() !== '')) {
          lastLines.splice(0, lastLines.length - 9);
          lastLines.push(line);
          if (READY.test(line)) {
            lastLines.length = 0;
            resolve('ready');
          }
          if (/PANIC|terminated by signal|reinitializing/.test(line)) log(line);
        }
      });
    });
    const late = sleep(START_WITHIN_MILLISECONDS, 'late' as const, { ref: false });
    const outcome = await Promise.race([ready, late, ended.then((reason) => ({ reason }))]);
    if (outcome === 'ready') return new Server(port, child, ended);
    child.kill('SIGQUIT');
    throw new Error(outcome === 'late' ? ['no answer in time', ...lastLines].join('\n') : outcome.reason);
  }

  /** Waits for the end. */
  async stop(): Promise<void> {
    if (this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null) {
      await stopServer(this.child.pid);
    }
    // Its end is told when the last of its workers has let go of our pipe: one that hangs must not hold us up.
    await Promise.race([this.ended, sleep(2000, undefined, { ref: false })]);
  }
}

/** The port of the server on a data folder, also of another process's; undefined while it is not ready. */
export async function runningPort(data: string): Promise<number | undefined> {
  const lines = await readPidFile(data);
  return lines[7]?.trim() === 'ready' ? Number(lines[3]) : undefined;
}

/**
 * Stops the server that an earlier, killed process left running on this data, and makes sure that a stale
 * `postmaster.pid` does not keep the next one from starting.
 */
export async function stopOrphan(data: string, log: (line: string) => void): Promise<void> {
  const lines = await readPidFile(data);
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 1) return;

  if ((await identify(pid)) && (await isServerOf(data, pid))) {
    log(`stopping the PostgreSQL server (process ${pid}) that an earlier run left behind`);
    await stopServer(pid);
  }
  // PostgreSQL refuses to start while the number in the file belongs to any process but its parent, so the parent's
  // is written there. The other lines stay: by them it makes sure that no worker of the dead server is still at work.
  if ((await readPidFile(data)).length === 0) return;
  await writeFile(join(data, 'postmaster.pid'), [process.pid, ...lines.slice(1)].join('\n'));
}

async function isServerOf(data: string, pid: number): Promise<boolean> {
  if ((await commandLine(pid)).includes(`-D ${data}`)) return true;
  // The project was moved while the server ran: its folder is still the same one.
  return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === data;
}

async function readPidFile(data: string): Promise<string[]> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  return text === '' ? [] : text.split('\n');
}
