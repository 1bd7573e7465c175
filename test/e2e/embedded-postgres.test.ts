import { spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, Owner, query, serverPid, serversOf } from '../support/embedded.js';

// Each start is a process of its own, which takes a while on a busy machine.
jest.setTimeout(120_000);

const asRoot = process.getuid?.() === 0;

describe('the embedded PostgreSQL', () => {
  let project: string;
  /** Used by one test after the other, as in life; tests of the first start take a new one. */
  let directory: string;
  let owners: Owner[] = [];

  const open = async (how: 'start' | 'attach' = 'start', folder = directory, outside?: string): Promise<Owner> => {
    const owner = await Owner.open(how, folder, outside);
    owners.push(owner);
    return owner;
  };

  const useFolder = (name: string): string => (directory = join(project, name, 'var', 'postgres'));

  beforeAll(async () => {
    project = await realpath(await mkdtemp(join(tmpdir(), 'paydesk-embedded-')));
    await chmod(project, 0o755);
  });

  beforeEach(() => void useFolder('usual'));

  afterEach(async () => {
    for (const owner of owners) await owner.end('SIGKILL');
    owners = [];
    for (const pid of await serversOf(directory)) process.kill(pid, 'SIGQUIT');
    await eventually(async () => (await serversOf(directory)).length === 0);
  });

  afterAll(() => rm(project, { recursive: true, force: true }));

  it('starts in an empty folder, for this machine only and with commits that are on disk when they answer', async () => {
    const service = await open();
    const [settings] = await query(
      service.url,
      `SELECT current_setting('listen_addresses') listen, current_setting('unix_socket_directories') sockets,
              current_setting('fsync') fsync, current_setting('synchronous_commit') commit,
              current_setting('TimeZone') zone, current_setting('server_encoding') encoding, current_database() name`,
    );
    expect(settings).toEqual({
      listen: '127.0.0.1',
      sockets: '',
      fsync: 'on',
      commit: 'on',
      zone: 'UTC',
      encoding: 'UTF8',
      name: 'paydesk',
    });
  });

  it('leaves the permissions of every folder above its own alone, also when it is given a relative path', async () => {
    const above = join(project, 'above');
    const folder = join(above, 'paydesk');
    directory = join(folder, 'var', 'postgres');
    await mkdir(folder, { recursive: true });
    await chmod(above, 0o1777);
    await chmod(folder, 0o751);
    owners.push(await Owner.open('start', join('var', 'postgres'), undefined, folder));
    expect(await serversOf(directory)).toHaveLength(1);
    expect([(await stat(above)).mode & 0o7777, (await stat(folder)).mode & 0o7777]).toEqual([0o1777, 0o751]);
  });

  it('lets nobody in without the password, which only the owner of the folder can read', async () => {
    const service = await open();
    const other = new URL(service.url);
    other.password = 'guess';
    await expect(query(other.toString(), 'SELECT 1')).rejects.toThrow(/password authentication failed/);
    expect((await stat(join(directory, 'password'))).mode & 0o777).toBe(0o600);
    expect(service.logged).not.toContain(new URL(service.url).password);
  });

  it('keeps the data and the password over a restart', async () => {
    const first = await open();
    await query(first.url, "CREATE TABLE kept_1 AS SELECT 'still here' AS word");
    await first.end();

    const second = await open();
    expect(await query(second.url, 'SELECT word FROM kept_1')).toEqual([{ word: 'still here' }]);
    expect(new URL(second.url).password).toBe(new URL(first.url).password);
  });

  it('leaves no process and no lock behind when it is stopped', async () => {
    const service = await open();
    expect(await serversOf(directory)).toHaveLength(1);
    await service.end();
    expect(await serversOf(directory)).toEqual([]);
    expect(await readdir(directory)).not.toContain('lock');
  });

  it('stops its server even when the owner ends without stopping it, for example by an uncaught error', async () => {
    const service = await open();
    service.abort();
    await eventually(async () => (await serversOf(directory)).length === 0);
  });

  it('stops its server when a signal ends an owner that handles none, as in the middle of its start', async () => {
    const service = await open();
    await service.end('SIGINT');
    await eventually(async () => (await serversOf(directory)).length === 0);
  });

  it('refuses a second start in the same folder and names the process that has it', async () => {
    const first = await open();
    const second = await open();
    expect(second.refusal).toContain(`Paydesk is already running in this folder (process ${first.pid})`);
    expect(await query(first.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('starts again after its owner was killed: the server that stayed behind is stopped, nothing is lost', async () => {
    const killed = await open();
    await query(killed.url, 'CREATE TABLE kept_2 AS SELECT 7 AS n');
    const orphan = await serverPid(directory);
    await killed.end('SIGKILL');
    expect(await serversOf(directory)).toEqual([orphan]);

    const next = await open();
    expect(next.logged).toContain(`process ${orphan}`);
    expect(await query(next.url, 'SELECT n FROM kept_2')).toEqual([{ n: 7 }]);
    expect(await serversOf(directory)).not.toContain(orphan);
  });

  it('lets exactly one of several starts have the folder after its owner was killed', async () => {
    await (await open()).end('SIGKILL');
    const all = await Promise.all([1, 2, 3, 4].map(() => open()));
    expect(all.filter((owner) => owner.up)).toHaveLength(1);
    expect(all.filter((owner) => owner.refusal.includes('already running'))).toHaveLength(3);
    expect(await serversOf(directory)).toHaveLength(1);
  });

  it('starts again after owner and server were killed, with every committed row', async () => {
    const killed = await open();
    await query(killed.url, 'CREATE TABLE kept_3 AS SELECT 7 AS n');
    const server = await serverPid(directory);
    await killed.end('SIGKILL');
    process.kill(server, 'SIGKILL');

    const next = await open();
    expect(await query(next.url, 'SELECT n FROM kept_3')).toEqual([{ n: 7 }]);
  });

  it('is not held up by a lock and a postmaster.pid whose numbers belong to other processes by now', async () => {
    await (await open()).end();
    const stranger = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
    try {
      await writeFile(
        join(directory, 'lock'),
        JSON.stringify({ pid: stranger.pid, started: 'long ago', role: 'service' }),
      );
      await writeFile(join(directory, 'data', 'postmaster.pid'), `${stranger.pid}\n${directory}/data\n1\n5432\n\n\n\n`);
      const next = await open();
      expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('is not poisoned by a first start that was killed while it made the database', async () => {
    useFolder('half made');
    const killed = Owner.launch('start', directory);
    await eventually(async () => (await readdir(directory).catch(() => [])).some((name) => name.startsWith('new-')));
    await killed.end('SIGKILL');
    expect(await readdir(directory)).not.toContain('data');

    const next = await open();
    expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await eventually(async () => !(await readdir(directory)).some((name) => name.startsWith('new-')));
  });

  it('puts a data folder without a database in it aside instead of failing or deleting it', async () => {
    useFolder('letter');
    await mkdir(join(directory, 'data'), { recursive: true });
    await writeFile(join(directory, 'data', 'letter.txt'), 'precious');
    const service = await open();
    expect(service.up).toBeDefined();
    const aside = (await readdir(directory)).find((name) => name.startsWith('unusable-')) ?? '';
    expect(await readFile(join(directory, aside, 'letter.txt'), 'utf8')).toBe('precious');
  });

  it('says so when the data were made by another version of PostgreSQL', async () => {
    useFolder('older');
    await mkdir(join(directory, 'data'), { recursive: true });
    await writeFile(join(directory, 'data', 'PG_VERSION'), '17\n');
    expect((await open()).refusal).toContain('was made by PostgreSQL 17');
  });

  it('comes back on the same port when the server falls while the application runs', async () => {
    const service = await open();
    await query(service.url, 'CREATE TABLE kept_4 AS SELECT 7 AS n');
    process.kill(await serverPid(directory), 'SIGKILL');
    await service.said((message) => message.log?.includes('runs again') ?? false);
    expect(await query(service.url, 'SELECT n FROM kept_4')).toEqual([{ n: 7 }]);
    await service.end();
    // A child of the server that fell may need a moment to notice that it is alone.
    await eventually(async () => (await serversOf(directory)).length === 0);
  });

  it('gives a command the server of the running service', async () => {
    const service = await open();
    const command = await open('attach');
    expect(command.up).toMatchObject({ startedHere: false, url: service.url });
    await command.end();
    expect(await query(service.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('gives a command a server of its own when nothing runs, and keeps it up for another command', async () => {
    const first = await open('attach');
    const second = await open('attach');
    expect([first.up?.startedHere, second.up?.startedHere]).toEqual([true, false]);

    const ending = first.end();
    await first.said((message) => message.stopping === true);
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await second.end();
    await ending;
    expect(await serversOf(directory)).toEqual([]);
  });

  it('waits with the service until a command has finished', async () => {
    const command = await open('attach');
    const service = Owner.launch('start', directory);
    owners.push(service);
    await service.said((message) => message.log?.includes(`process ${command.pid}`) ?? false);
    await command.end();
    await service.said((message) => message.up === true);
  });

  (asRoot ? it : it.skip)('works for root in a folder that nobody else can enter', async () => {
    const outside = join(project, 'outside');
    const secret = join(project, 'secret');
    await mkdir(secret, { mode: 0o700 });
    const folder = (directory = join(secret, 'var', 'postgres'));
    const first = await open('start', folder, outside);
    await query(first.url, 'CREATE TABLE kept_5 AS SELECT 7 AS n');
    expect((await open('attach', folder, outside)).up).toMatchObject({ startedHere: false });
    await first.end();

    const second = await open('start', folder, outside);
    expect(await query(second.url, 'SELECT n FROM kept_5')).toEqual([{ n: 7 }]);
    await second.end();

    // A copy of the project is another project: it must not meet the data of the first.
    await cp(secret, join(project, 'copy'), { recursive: true });
    await chmod(join(project, 'copy'), 0o700);
    const copy = await open('start', join(project, 'copy', 'var', 'postgres'), outside);
    await expect(query(copy.url, 'SELECT n FROM kept_5')).rejects.toThrow(/does not exist/);
    await copy.end();
  });

  (asRoot ? it.skip : it)('tells a plain user when the folder belongs to somebody else', async () => {
    useFolder('foreign');
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o500);
    const refused = await open();
    await chmod(directory, 0o700);
    expect(refused.refusal).toContain('this user may not use it');
  });
});
