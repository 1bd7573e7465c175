import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { Account, canEnter, serverAccount } from './account.js';
import { Binaries, findBinaries } from './binaries.js';
import { EmbeddedPostgresError, explained } from './errors.js';

const run = promisify(execFile);

/** The database's superuser. */
export const SUPERUSER = 'paydesk';

/** Where root keeps what the server's account could not reach inside the project, for example below /root. */
const OUTSIDE = '/var/lib/paydesk';

/** A database cluster on disk, complete and ready to be served. */
export interface Cluster {
  data: string;
  password: string;
  account: Account;
  binaries: Binaries;
}

type Log = (line: string) => void;

/** The folder with the lock, made if need be. */
export async function prepareFolder(directory: string): Promise<void> {
  try {
    const path = resolve(directory);
    // Absolute, so that it answers an absolute path: for a relative one it answers a relative one.
    const first = await mkdir(path, { recursive: true });
    if (first === undefined || process.getuid?.() !== 0) return;
    // Root's umask may keep everybody else out, the server's account among them. What was there before is left alone.
    for (let made = path; made === first || made.startsWith(first + sep); made = dirname(made))
      await chmod(made, 0o755);
  } catch (error) {
    throw explained(`The folder ${directory} cannot be made`, error);
  }
}

/** Finds the cluster of this folder, or makes it. The caller holds the folder's lock. */
export async function openCluster(directory: string, log: Log, outside = OUTSIDE): Promise<Cluster> {
  try {
    const home = await homeOf(directory, await serverAccount(join(directory, 'data')), outside, log);
    const data = join(home, 'data');
    const account = await serverAccount(data);
    const binaries = await findBinaries(account, outside);
    await clearDrafts(home, data, log);
    if (await isMade(data)) await checkVersion(data, binaries);
    else await make(home, data, account, binaries, log);
    return { data, account, binaries, password: await readPassword(home, data) };
  } catch (error) {
    throw explained(`The database in ${directory} cannot be opened`, error);
  }
}

/** The password of a cluster that another process serves. */
export async function passwordOf(directory: string, outside = OUTSIDE): Promise<{ data: string; password: string }> {
  const key = await readFile(join(directory, 'outside'), 'utf8').catch(() => undefined);
  const home = key === undefined ? directory : outsideHome(directory, key, outside);
  const data = join(home, 'data');
  return { data, password: await readPassword(home, data) };
}

/** Where data and password lie: in the project, unless the server runs as an account that cannot enter it. */
async function homeOf(directory: string, account: Account, outside: string, log: Log): Promise<string> {
  if (await canEnter(account, directory)) return directory;
  const marker = join(directory, 'outside');
  let key = await readFile(marker, 'utf8').catch(() => undefined);
  if (key === undefined) {
    key = randomBytes(8).toString('hex');
    await writeFile(marker, key);
  }
  const home = outsideHome(directory, key, outside);
  await mkdir(home, { recursive: true, mode: 0o755 });
  log(`the server's account cannot enter ${directory}: the data are kept in ${home}`);
  return home;
}

/** Named after path and key: a copied project gets data of its own, and a deleted folder is an empty database. */
function outsideHome(directory: string, key: string, outside: string): string {
  const name = createHash('sha256')
    .update(`${resolve(directory)}\n${key}`)
    .digest('hex')
    .slice(0, 16);
  return join(outside, name);
}

async function isMade(data: string): Promise<boolean> {
  return (await stat(join(data, 'PG_VERSION')).catch(() => undefined)) !== undefined;
}

/** What a crash in the middle of initdb leaves, and a data folder without a database in it. */
async function clearDrafts(home: string, data: string, log: Log): Promise<void> {
  for (const name of await readdir(home)) {
    // Tried again: the initdb of a killed process may still be writing there, until it notices.
    const patience = { maxRetries: 20, retryDelay: 50 };
    if (name.startsWith('new-')) await rm(join(home, name), { recursive: true, force: true, ...patience });
  }
  const content = await readdir(data).catch(() => undefined);
  if (content === undefined || content.includes('PG_VERSION')) return;
  if (content.length === 0) return rm(data, { recursive: true });
  const aside = join(home, `unusable-${randomBytes(4).toString('hex')}`);
  await rename(data, aside);
  log(`${data} held no complete database; it was moved to ${aside}`);
}

async function checkVersion(data: string, binaries: Binaries): Promise<void> {
  const made = (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim();
  const [ours = ''] = binaries.version.split('.');
  if (made === ours) return;
  throw new EmbeddedPostgresError(
    `${data} was made by PostgreSQL ${made}, this is PostgreSQL ${ours}.\n` +
      'Move the folder away to begin with an empty database, or go back to the earlier version of Paydesk.',
  );
}

/** initdb works in a folder of its own that is renamed when complete: a crash leaves no half-made database. */
async function make(home: string, data: string, account: Account, binaries: Binaries, log: Log): Promise<void> {
  const draft = join(home, `new-${randomBytes(4).toString('hex')}`);
  log(`making a new database in ${data}`);
  try {
    const password = await makePassword(home);
    await mkdir(draft, { mode: 0o700 });
    await writeFile(join(draft, 'password'), password, { mode: 0o600 });
    await chownTo(account, draft, join(draft, 'password'));
    await initdb({ data: join(draft, 'data'), passwordFile: join(draft, 'password'), account, binaries });
    await rename(join(draft, 'data'), data);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** UTF-8 whatever the machine's locale: the same order of text everywhere. */
export async function initdb(options: {
  data: string;
  passwordFile: string;
  account: Account;
  binaries: Binaries;
  flags?: string[];
}): Promise<void> {
  const flags = [
    `--pgdata=${options.data}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${options.passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    ...(options.flags ?? []),
  ];
  // Not our environment: it holds secrets that the server has no use for.
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  await run(options.binaries.initdb, flags, { ...options.account, cwd: dirname(options.data), env });
}

/** Gives folders and files to the server's account. */
export async function chownTo(account: Account, ...paths: string[]): Promise<void> {
  if (account.uid === undefined || account.gid === undefined) return;
  for (const path of paths) await chown(path, account.uid, account.gid);
}

export function newPassword(): string {
  return randomBytes(24).toString('hex');
}

/** Kept beside the data, so that a client of one's own can be pointed at the database. */
async function makePassword(home: string): Promise<string> {
  const path = join(home, 'password');
  const draft = join(home, `new-${randomBytes(4).toString('hex')}`);
  await writeFile(draft, newPassword(), { mode: 0o600 });
  await rename(draft, path);
  return (await readFile(path, 'utf8')).trim();
}

async function readPassword(home: string, data: string): Promise<string> {
  const path = join(home, 'password');
  const password = await readFile(path, 'utf8').catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new EmbeddedPostgresError(
      `${path} is missing: put it back, or delete ${basename(data)} beside it to begin with an empty database.`,
      { cause },
    );
  });
  return password.trim();
}
