import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createEmptyDatabase } from '../support/database.js';

// Each is a process of its own, which takes a while on a busy machine.
jest.setTimeout(120_000);

/** What the Dockerfile puts into the image, in a folder of its own. */
describe('what the image holds', () => {
  let folder: string;

  const run = (script: string, words: string[], env: Record<string, string>): Promise<[number, string, string]> =>
    new Promise((done) => {
      const child = execFile(
        process.execPath,
        [join(folder, script), ...words],
        { cwd: folder, env },
        (_, out, error) => done([child.exitCode ?? -1, out, error]),
      );
    });
  const cli = (words: string, env: Record<string, string> = {}) => run('dist/src/cli.js', words.split(' '), env);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'paydesk-image-'));
    for (const part of ['package.json', 'dist/migrations', 'dist/src']) {
      await cp(part, join(folder, part), { recursive: true });
    }
    await symlink(resolve('node_modules'), join(folder, 'node_modules'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is enough for the commands', async () => {
    const database = await createEmptyDatabase();
    const env = { DATABASE_URL: database.url };
    expect(await cli('--help')).toEqual([0, expect.stringContaining('Usage: paydesk '), '']);
    expect(await cli('issue_token --role operator')).toEqual([0, expect.stringMatching(/^\S+\.\S+\.\S+\n$/), '']);
    expect(await cli('migrate', env)).toEqual([0, expect.stringContaining('applied: '), '']);
    expect(await cli('expire_payments --json', env)).toEqual([0, expect.stringContaining('"checked": 0'), '']);
    expect(await cli('doctor')).toEqual([1, expect.stringContaining('this configuration cannot take money'), '']);
    await database.drop();
  });

  it.each(['dist/src/main.js', 'dist/src/cli.js'])('has no database of its own, and %s says so', async (script) => {
    const [code, , said] = await run(script, script.endsWith('cli.js') ? ['migrate'] : [], { PORT: '0' });
    expect([code, said]).toEqual([78, expect.stringContaining('DATABASE_URL must be set: there is no embedded')]);
    expect(said).not.toContain('    at ');
  });
});
