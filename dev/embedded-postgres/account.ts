import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './errors.js';

const run = promisify(execFile);

/** Who the server runs as: empty means as we do. PostgreSQL refuses to run as root. */
export interface Account {
  uid?: number;
  gid?: number;
}

const NAME = 'postgres';

/**
 * As a plain user: that user. As root: the owner of the data, if any, else the system's `postgres` account, which is
 * made when it does not exist.
 */
export async function serverAccount(dataFolder?: string): Promise<Account> {
  if (process.getuid?.() !== 0) return {};
  const owner = dataFolder === undefined ? undefined : await stat(dataFolder).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return (await lookUp()) ?? (await create());
}

/** Whether the account can enter a folder. */
export async function canEnter(account: Account, folder: string): Promise<boolean> {
  if (account.uid === undefined) return true;
  return run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...account, cwd: '/' }).then(
    () => true,
    () => false,
  );
}

async function lookUp(): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, NAME])));
    return { uid: Number(uid?.stdout), gid: Number(gid?.stdout) };
  } catch {
    return undefined;
  }
}

async function create(): Promise<Account> {
  try {
    await run('groupadd', ['--system', '--force', NAME]);
    await run('useradd', ['--system', '--gid', NAME, '--no-create-home', '--shell', '/usr/sbin/nologin', NAME]);
  } catch (cause) {
    // Two starts at once: the other one made it.
    const account = await lookUp();
    if (account) return account;
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and the system account "${NAME}" could not be made.\n` +
        'Start Paydesk as a plain user, make that account yourself, or set DATABASE_URL.',
      { cause },
    );
  }
  const account = await lookUp();
  if (!account) throw new EmbeddedPostgresError(`The system account "${NAME}" was made but cannot be found.`);
  return account;
}
