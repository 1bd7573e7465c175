import { execFile } from 'node:child_process';
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Account } from '../../dev/embedded-postgres/account.js';
import { chownTo } from '../../dev/embedded-postgres/cluster.js';

const run = promisify(execFile);

const FILLER = 'filler';

/** A disk in memory that is mounted in place of a folder, and can be filled to the last byte. */
export class SmallDisk {
  private constructor(private readonly folder: string) {}

  /** Answers null where this user may not mount. The folders in it are made there too, without what they hold. */
  static async mount(
    folder: string,
    { account, megabytes }: { account: Account; megabytes: number },
  ): Promise<SmallDisk | null> {
    const inside = await readdir(folder);
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'paydesk-prove', folder]);
    } catch {
      return null;
    }
    await chownTo(account, folder);
    for (const name of inside) {
      await mkdir(join(folder, name), { mode: 0o700 });
      await chownTo(account, join(folder, name));
    }
    return new SmallDisk(folder);
  }

  /** What a killed run left mounted. */
  static async unmountBelow(folder: string): Promise<void> {
    const mounts = await readFile('/proc/mounts', 'utf8').catch(() => '');
    const points = mounts.split('\n').map((line) => line.split(' ')[1] ?? '');
    for (const point of points.filter((one) => one.startsWith(`${folder}/`))) await run('umount', [point]);
  }

  /** Not a byte is left. */
  async fill(): Promise<void> {
    const file = await open(join(this.folder, FILLER), 'a');
    try {
      for (const size of [1024 * 1024, 4096]) {
        while (await written(file, Buffer.alloc(size)));
      }
    } finally {
      await file.close();
    }
  }

  async makeRoom(): Promise<void> {
    await rm(join(this.folder, FILLER), { force: true });
  }

  async unmount(): Promise<void> {
    await run('umount', [this.folder]);
  }
}

async function written(file: Awaited<ReturnType<typeof open>>, bytes: Buffer): Promise<boolean> {
  try {
    await file.writeFile(bytes);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
