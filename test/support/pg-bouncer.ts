import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { freePort } from '../../dev/embedded-postgres/free-port.js';
import { urlOf } from './database.js';

const PROGRAM = '/usr/sbin/pgbouncer';
/** It refuses to run as root. */
const PLAIN_USER = { name: 'nobody', uid: 65534 };

/** A PgBouncer of Debian's package in front of the tests' database server, with its defaults but for the pool mode. */
export class PgBouncer {
  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
    private readonly folder: string,
  ) {}

  static async start(poolMode: 'session' | 'transaction'): Promise<PgBouncer> {
    const server = new URL(urlOf('postgres'));
    const folder = await mkdtemp(join(tmpdir(), 'paydesk-pgbouncer-'));
    const port = await freePort();
    const configuration = join(folder, 'pgbouncer.ini');
    const users = join(folder, 'users.txt');
    await writeFile(users, `"${server.username}" "${decodeURIComponent(server.password)}"\n`, { mode: 0o600 });
    await writeFile(
      configuration,
      [
        '[databases]',
        `* = host=${server.hostname} port=${server.port}`,
        '[pgbouncer]',
        'listen_addr = 127.0.0.1',
        `listen_port = ${port}`,
        'unix_socket_dir =',
        'auth_type = plain',
        `auth_file = ${users}`,
        `pool_mode = ${poolMode}`,
        '',
      ].join('\n'),
    );
    const asRoot = userInfo().uid === 0;
    if (asRoot) {
      await chmod(folder, 0o755);
      await chown(users, PLAIN_USER.uid, -1);
    }
    const words = asRoot ? ['-u', PLAIN_USER.name, configuration] : [configuration];
    const child = spawn(PROGRAM, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => void (log += chunk.toString('utf8')));
    const bouncer = new PgBouncer(child, port, folder);
    const failed = once(child, 'exit').then(() => {
      throw new Error(`PgBouncer did not start:\n${log}`);
    });
    await Promise.race([answers(port), failed]);
    failed.catch(() => undefined);
    return bouncer;
  }

  /** The same database, through this PgBouncer. */
  through(databaseUrl: string): string {
    const url = new URL(databaseUrl);
    url.host = `127.0.0.1:${this.port}`;
    return url.toString();
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    // Its immediate shutdown.
    this.child.kill('SIGTERM');
    await ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function answers(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return;
    await setTimeout(20);
  }
}
