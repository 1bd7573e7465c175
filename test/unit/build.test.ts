import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { eventually } from '../support/embedded.js';

// The compiler is a process that takes seconds.
jest.setTimeout(180_000);

const PLAIN_USER = 65_534;
const asRoot = process.getuid?.() === 0;

/** A project of three files that is built by the real `dev/build.mjs`. */
describe('the build', () => {
  let project: string;

  const at = (path: string): string => join(project, path);
  const write = (path: string, text: string): Promise<void> => writeFile(at(path), text);
  const launch = (uid?: number): ChildProcess => {
    const script = at('dev/build.mjs');
    return spawn(process.execPath, [script], { cwd: project, stdio: ['ignore', 'pipe', 'pipe'], uid, gid: uid });
  };
  const ended = async (child: ChildProcess): Promise<{ code: number | null; said: string }> => {
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, said };
  };
  const build = async (uid?: number): Promise<void> => {
    expect(await ended(launch(uid))).toEqual({ code: 0, said: '' });
  };
  const built = async (): Promise<string[]> => (await readdir(at('dist/src'))).filter((name) => name.endsWith('.js'));
  const id = async (): Promise<string> =>
    (JSON.parse(await readFile(at('dist/.stamp.json'), 'utf8')) as { id: string }).id;
  const drafts = async (): Promise<string[]> => (await readdir(project)).filter((name) => name.startsWith('.dist-'));

  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'paydesk-build-'));
    await chmod(root, 0o755);
    project = join(root, 'first');
    await mkdir(project);
    for (const folder of ['dev', 'src']) await mkdir(at(folder));
    await cp('dev/build.mjs', at('dev/build.mjs'));
    await symlink(resolve('node_modules'), at('node_modules'));
    const compilerOptions = {
      target: 'ES2023',
      module: 'NodeNext',
      rootDir: '.',
      lib: ['ES5'],
      skipLibCheck: true,
      types: [],
    };
    await write('tsconfig.json', JSON.stringify({ compilerOptions }));
    const incremental = { extends: './tsconfig.json', compilerOptions: { incremental: true }, include: ['src'] };
    await write('tsconfig.build.json', JSON.stringify(incremental));
    await write('package.json', '{"type":"module"}');
    await write('package-lock.json', '{}');
    await write('src/one.ts', 'export const one = 1;\n');
    await write('src/two.ts', "import { one } from './one.js';\nexport const two = one + 1;\n");
    await write('src/three.ts', 'export const three = 3;\n');
    await build();
  });
  let count = 0;
  beforeEach(async () => {
    project = join(root, String((count += 1)));
    await cp(join(root, 'first'), project, { recursive: true, verbatimSymlinks: true });
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  it('compiles nothing while the content is the same, whatever the times of the files say', async () => {
    const before = await id();
    await utimes(at('src/one.ts'), new Date(), new Date());
    await build();
    expect(await id()).toBe(before);
  });

  it('compiles what was changed, also when the file is older than the build, as a checkout may make it', async () => {
    await write('src/one.ts', 'export const one = 10;\n');
    await utimes(at('src/one.ts'), new Date(0), new Date(0));
    await build();
    expect(await readFile(at('dist/src/one.js'), 'utf8')).toContain('one = 10');
  });

  it('leaves nothing of a deleted source, and makes it again when it comes back', async () => {
    await rm(at('src/three.ts'));
    await build();
    expect(await built()).toEqual(['one.js', 'two.js']);
    await write('src/three.ts', 'export const three = 3;\n');
    await build();
    expect(await built()).toEqual(['one.js', 'three.js', 'two.js']);
  });

  it.each([
    ['lost', () => rm(at('dist/src/two.js'))],
    ['cut off', () => write('dist/src/two.js', '')],
    ['put there by hand', () => write('dist/src/four.js', 'throw 1;')],
    ['of a build before there were stamps', () => rm(at('dist/.stamp.json'))],
  ])('builds anew when a built file is %s', async (_, harm) => {
    const whole = await readFile(at('dist/src/two.js'), 'utf8');
    await harm();
    await build();
    expect(await built()).toEqual(['one.js', 'three.js', 'two.js']);
    expect(await readFile(at('dist/src/two.js'), 'utf8')).toBe(whole);
  });

  it('builds everything anew with other settings, and after other packages were installed', async () => {
    const compilerOptions = {
      target: 'ES2023',
      module: 'NodeNext',
      rootDir: '.',
      removeComments: true,
      lib: ['ES5'],
      types: [],
    };
    await write('src/three.ts', '/** Three. */\nexport const three = 3;\n');
    await build();
    expect(await readFile(at('dist/src/three.js'), 'utf8')).toContain('Three.');
    await write('tsconfig.json', JSON.stringify({ compilerOptions }));
    await build();
    expect(await readFile(at('dist/src/three.js'), 'utf8')).not.toContain('Three.');
    const before = await id();
    await write('package-lock.json', '{"other":true}');
    await build();
    expect(await id()).not.toBe(before);
  });

  it('keeps the last good build when the sources do not compile, and does not call it fresh', async () => {
    await write('src/one.ts', "export const one: number = 'one';\n");
    for (const _ of [1, 2]) {
      const { code, said } = await ended(launch());
      expect([code !== 0, said]).toEqual([true, expect.stringContaining('src/one.ts')]);
    }
    expect(await readFile(at('dist/src/one.js'), 'utf8')).toContain('one = 1;');
    expect(await drafts()).toEqual([]);
  });

  it.each<[NodeJS.Signals, boolean]>([
    ['SIGTERM', true],
    ['SIGKILL', false],
  ])('is not half done after %s in the middle of it', async (name, tidies) => {
    const before = await id();
    await write('src/one.ts', 'export const one = 11;\n');
    const child = launch();
    const end = ended(child);
    await eventually(async () => (await drafts()).length > 0);
    child.kill(name);
    expect((await end).code).not.toBe(0);
    expect(await id()).toBe(before);
    if (tidies) expect(await drafts()).toEqual([]);
    await build();
    expect(await readFile(at('dist/src/one.js'), 'utf8')).toContain('one = 11');
  });

  it('may run twice at once', async () => {
    await write('src/one.ts', 'export const one = 12;\n');
    await Promise.all([1, 2, 3].map(() => build()));
    expect(await built()).toEqual(['one.js', 'three.js', 'two.js']);
    expect(await readFile(at('dist/src/one.js'), 'utf8')).toContain('one = 12');
    expect(await drafts()).toEqual([]);
    const before = await id();
    await build();
    expect(await id()).toBe(before);
  });

  (asRoot ? it : it.skip)(
    'needs no right to write while it is fresh, and says what is wrong when it is not',
    async () => {
      await build(PLAIN_USER);
      await write('src/one.ts', 'export const one = 13;\n');
      const { code, said } = await ended(launch(PLAIN_USER));
      expect([code, said]).toEqual([1, expect.stringContaining('older than the sources, and this user may not')]);
      await expect(access(at('dist/src/one.js'))).resolves.toBeUndefined();
    },
  );

  it('says so when it is stale and there is no compiler, as after npm ci --omit=dev', async () => {
    await rm(at('node_modules'));
    await build();
    await write('src/one.ts', 'export const one = 14;\n');
    const { code, said } = await ended(launch());
    expect([code, said]).toEqual([1, expect.stringContaining('there is no compiler')]);
  });
});
