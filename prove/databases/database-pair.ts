import { execFile } from 'node:child_process';
import { appendFile, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Cleanup } from '../../dev/cleanup.js';
import { makeDatabase, runStatements } from '../../dev/databases.js';
import { chownTo, type Cluster, openCluster, prepareFolder, SUPERUSER } from '../../dev/embedded-postgres/cluster.js';
import { takeFolder } from '../../dev/embedded-postgres/lock.js';
import { signal } from '../../dev/embedded-postgres/processes.js';
import { Server, stopOrphan } from '../../dev/embedded-postgres/server.js';
import { waitFor } from '../../dev/wait-for.js';
import { DIRECTORY } from '../place.js';
import { SmallDisk } from './small-disk.js';

const run = promisify(execFile);

const STANDBY = 'standby';
const DISK_MEGABYTES = 160;
const REPLICATES_WITHIN = 30_000;

/** A server of the pair and the data that it serves. */
interface Member {
  cluster: Cluster;
  server: Server;
}

/**
 * Two PostgreSQL servers: a primary, and a standby without which it acknowledges no commit. What is written there lies on
 * a small disk of its own, where one may be mounted.
 */
export class DatabasePair {
  private constructor(
    private readonly primary: Member,
    private readonly standby: Member,
    readonly name: string,
    /** Null where this user may mount none. */
    readonly disk: SmallDisk | null,
  ) {}

  /** Made anew, with one migrated database. */
  static async open(cleanup: Cleanup, name: string): Promise<DatabasePair> {
    await prepareFolder(`${DIRECTORY}/pair`);
    const directory = await realpath(`${DIRECTORY}/pair`);
    const lock = await takeFolder(directory, 'service');
    if (!('release' in lock)) throw new Error(`process ${lock.pid} uses ${directory}`);
    cleanup.add(() => lock.release());
    let disk: SmallDisk | null = null;
    cleanup.add(() => disk?.unmount());
    const made = await openCluster(directory, () => undefined);
    const primary = await copyOf(made, 'primary');
    const standby = await copyOf(made, STANDBY);
    const first = await start(cleanup, primary, { synchronous_standby_names: STANDBY, wal_keep_size: '512MB' });
    await follow(standby, first.port);
    const second = await start(cleanup, standby, {});
    const server = urlOf({ cluster: primary, server: first }, 'postgres');
    const replicated = async (): Promise<boolean> =>
      (await runStatements(server, `SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`)).length === 1;
    if (!(await waitFor(replicated, { within: REPLICATES_WITHIN })))
      throw new Error('the standby does not follow the primary');
    const options = { account: primary.account, megabytes: DISK_MEGABYTES };
    disk = await SmallDisk.mount(await makeTablespace(server, primary), options);
    await makeDatabase(server, name, TABLESPACE);
    return new DatabasePair({ cluster: primary, server: first }, { cluster: standby, server: second }, name, disk);
  }

  get primaryUrl(): string {
    return urlOf(this.primary, this.name);
  }

  get standbyUrl(): string {
    return urlOf(this.standby, this.name);
  }

  /** The whole primary at once, as when its machine loses power. */
  async killPrimary(): Promise<void> {
    for (const pid of await halted(this.primary.cluster)) signal(pid, 'SIGKILL');
    await this.primary.server.ended;
  }

  /** The standby stands still, and with it every commit. Answers how it goes on. */
  async haltStandby(): Promise<() => void> {
    const pids = await halted(this.standby.cluster);
    return () => pids.forEach((pid) => signal(pid, 'SIGCONT'));
  }

  /** The standby becomes a primary that waits for no other. */
  async promote(): Promise<void> {
    await runStatements(this.standbyUrl, 'SELECT pg_promote(true, 30)');
  }
}

function urlOf({ server, cluster: { password } }: Member, database: string): string {
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${server.port}/${database}`;
}

async function start(cleanup: Cleanup, cluster: Cluster, settings: Record<string, string>): Promise<Server> {
  const server = await Server.start({ cluster, settings, log: () => undefined });
  cleanup.add(() => server.stop());
  return server;
}

/** A cluster that was never started is copied as it is. What an earlier, killed run left in its place goes first. */
async function copyOf(made: Cluster, name: string): Promise<Cluster> {
  const data = join(dirname(made.data), name);
  await stopOrphan(data, () => undefined);
  await SmallDisk.unmountBelow(data);
  await rm(data, { recursive: true, force: true });
  await run('cp', ['-a', made.data, data]);
  return { ...made, data };
}

/** In a file that only the server reads, not in its arguments: it holds the password. */
async function follow(standby: Cluster, port: number): Promise<void> {
  const from = `host=127.0.0.1 port=${port} user=${SUPERUSER} password=${standby.password} application_name=${STANDBY}`;
  await appendFile(join(standby.data, 'postgresql.auto.conf'), `primary_conninfo = '${from}'\n`);
  const mark = join(standby.data, 'standby.signal');
  await writeFile(mark, '');
  await chownTo(standby.account, mark);
}

const TABLESPACE = 'small';

/**
 * A tablespace inside of the data folder: one that lies elsewhere would have the same path on both servers.
 * Answers the primary's folder of it.
 */
async function makeTablespace(url: string, { data }: Cluster): Promise<string> {
  const [row] = await runStatements(
    url,
    'SET allow_in_place_tablespaces = on',
    `CREATE TABLESPACE ${TABLESPACE} LOCATION ''`,
    `SELECT oid FROM pg_tablespace WHERE spcname = '${TABLESPACE}'`,
  );
  return join(data, 'pg_tblspc', String(row?.oid));
}

/** Halts every process of a server and answers them: the first one before all others, so that none is added. */
async function halted({ data }: Cluster): Promise<number[]> {
  const [first = ''] = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n');
  const postmaster = Number(first);
  signal(postmaster, 'SIGSTOP');
  const pids = [...(await childrenOf(postmaster)), postmaster];
  for (const pid of pids) signal(pid, 'SIGSTOP');
  return pids;
}

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const parents = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      // The second field is the program's name and may hold blanks.
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    }),
  );
  return pids.filter((_, index) => parents[index] === parent);
}
