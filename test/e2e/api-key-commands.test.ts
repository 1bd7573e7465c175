import { decodeJwt } from 'jose';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DAY } from '../../src/common/clock.js';
import { newKey } from '../../src/services/api-key-form.js';
import { ApiKeys } from '../../src/services/api-keys.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { createEmptyDatabase } from '../support/database.js';
import { newCustomer, type OrderView, type Problem } from '../support/flows.js';
import { type Ended, runBuilt, ServiceProcess } from '../support/service-process.js';

// Each command is a process of its own, which takes a while on a busy machine.
jest.setTimeout(120_000);

const JWT_SECRET = '8d1f0c5b7e3a49d2b6c4e8a0f1d37b95';

interface Key {
  id: string;
  service: string;
  prefix: string;
  scopes: string[];
  state: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
  revoked_by: string | null;
  created_by: string;
  key: string;
}

describe('the commands of API keys', () => {
  let paydesk: TestApp;
  /** A folder without a `.env`. */
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'paydesk-keys-'));
    paydesk = await startTestApp();
    paydesk.clock.set(new Date());
  });
  afterAll(async () => {
    await paydesk.close();
    await rm(folder, { recursive: true, force: true });
  });

  const cli = (words: string, env: Record<string, string> = {}): Promise<Ended> =>
    runBuilt('cli.js', words.split(' ').filter(Boolean), { DATABASE_URL: paydesk.databaseUrl, ...env }, folder);
  const json = async <T = Key>(words: string, env: Record<string, string> = {}): Promise<T> => {
    const ended = await cli(`${words} --json`, env);
    expect([words, ended.code, ended.stderr]).toEqual([words, 0, '']);
    return JSON.parse(ended.stdout) as T;
  };
  /** Made without a process, where making is not what is tested. */
  async function keyOf(service: string): Promise<{ id: string; prefix: string; key: string }> {
    const asked = { service, scopes: null, expiresAt: null, by: 'test' };
    // Two of one moment would come in an order of chance.
    paydesk.clock.advance(1);
    const { key, row } = await new ApiKeys(paydesk.db, paydesk.clock).create(asked);
    return { ...row, key };
  }

  it('make a key, show it in the list without itself, and revoke it', async () => {
    const made = await json('create_api_key --name shop');
    expect(Object.keys(made)).toEqual(['id', 'service', 'prefix', 'scopes', 'expires_at', 'key']);
    expect(made).toMatchObject({ service: 'shop', scopes: ['all'], expires_at: null });
    expect((await paydesk.api(made.key).get('/orders/')).status).toBe(200);

    const listed = await cli('list_api_keys --name shop');
    expect([listed.code, listed.stderr]).toEqual([0, '']);
    expect(listed.stdout).toContain(made.prefix);
    expect(listed.stdout).not.toContain(made.key.slice(13, 30));
    const [row] = await json<Key[]>('list_api_keys --name shop');
    expect(row).toMatchObject({ id: made.id, state: 'live', created_by: 'create_api_key', revoked_at: null });
    expect(row).not.toHaveProperty('hash');
    expect(Math.abs(Date.parse(row?.last_used_at ?? '') - paydesk.clock.now().getTime())).toBe(0);

    const revoked = await json(`revoke_api_key ${made.id}`);
    expect(revoked).toMatchObject({ id: made.id, service: 'shop', prefix: made.prefix, state: 'revoked' });
    expect(await json<Key[]>('list_api_keys --name shop')).toMatchObject([
      { state: 'revoked', revoked_by: 'revoke_api_key' },
    ]);
  });

  it('print a new key in a line of its own, the last one', async () => {
    const { code, stdout, stderr } = await cli('create_api_key --name for-people --scopes read,orders');
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.at(-2)).toBe('The API key, which cannot be shown again:');
    expect((await paydesk.api(lines.at(-1)).get('/orders/')).status).toBe(200);
    expect((await paydesk.api(lines.at(-1)).post('/refunds/', {})).status).toBe(403);
    expect(stdout).toMatch(/scopes\s*│ read, orders/);
  });

  it('revoke a key by its id, its prefix or itself, and again without complaint', async () => {
    const [one, two] = [await keyOf('leaked'), await keyOf('leaked')];
    const first = await json(`revoke_api_key ${one.prefix}`);
    expect(first).toMatchObject({ id: one.id, state: 'revoked' });
    expect(await json(`revoke_api_key ${one.key}`)).toEqual(first);
    expect(await json(`revoke_api_key ${one.id}`)).toEqual(first);
    expect((await paydesk.api(two.key).get('/orders/')).status).toBe(200);
    expect(await json(`revoke_api_key ${two.key}`)).toMatchObject({ id: two.id });
  });

  it('make no third key beside two that live, and say which those are', async () => {
    const [one, two] = [await keyOf('rolling'), await keyOf('rolling')];
    const { code, stdout, stderr } = await cli('create_api_key --name rolling --json');
    const message = `rolling has two live API keys, ${one.prefix} and ${two.prefix}: revoke one first`;
    expect([code, stderr]).toEqual([1, `${message}\n`]);
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'too_many_api_keys', message } });
  });

  it('make keys that end, at a day, a time or after so many days', async () => {
    const ends = async (when: string): Promise<string | null> =>
      (await json(`create_api_key --name ends-${when.replaceAll(/\W/g, '')} --expires ${when}`)).expires_at;
    // The whole day, in China.
    expect(await ends('2099-02-28')).toBe('2099-02-28T16:00:00.000Z');
    expect(await ends('2099-03-01T12:00:00+08:00')).toBe('2099-03-01T04:00:00.000Z');
    const before = paydesk.clock.now().getTime();
    paydesk.clock.set(new Date());
    const in90Days = Date.parse((await ends('90d')) ?? '');
    const now = new Date().getTime();
    expect(in90Days).toBeGreaterThanOrEqual(before + 90 * DAY);
    expect(in90Days).toBeLessThanOrEqual(now + 90 * DAY);
  });

  const strange = newKey().key;

  it('used wrongly they end with 2, say why, and change nothing', async () => {
    const wrong: [words: string, why: string][] = [
      ['create_api_key', '--name is required'],
      ['create_api_key --name a/b', '--name must be 1 to 64 letters, digits or . : @ | _ -'],
      [`create_api_key --name ${'a'.repeat(65)}`, '--name must be 1 to 64 letters'],
      ['create_api_key --name wrong --merchant default', '--merchant cannot be used: there is one merchant'],
      [
        'create_api_key --name wrong --scopes read,everything',
        '--scopes must be all, or some of read, orders, refunds',
      ],
      ['create_api_key --name wrong --scopes ,', '--scopes must be all, or some of'],
      ['create_api_key --name wrong --expires tomorrow', '--expires must be a day (YYYY-MM-DD), a time (RFC 3339)'],
      ['create_api_key --name wrong --expires 2099-02-30', '--expires must be a day'],
      ['create_api_key --name wrong --expires 0d', '--expires must be a day'],
      ['create_api_key --name wrong --expires 2020-01-01', '--expires must be in the future'],
      ['revoke_api_key', "missing required argument 'key'"],
      ['revoke_api_key shop', 'KEY must be the id of an API key (key_…), its prefix (pdk_…) or the whole key'],
      [`revoke_api_key ${strange.slice(0, -1)}`, 'KEY must be the id of an API key'],
    ];
    for (let from = 0; from < wrong.length; from += 3) {
      await Promise.all(
        wrong.slice(from, from + 3).map(async ([words, why]) => {
          const { code, stdout, stderr } = await cli(`${words} --json`);
          expect([words, code, stderr]).toEqual([words, 2, expect.stringContaining(why)]);
          const message = expect.stringContaining(why) as unknown;
          expect(JSON.parse(stdout)).toEqual({ error: { code: 'usage', message } });
          expect(stdout + stderr).not.toContain(strange.slice(13, 40));
        }),
      );
    }
    expect(await paydesk.db.query(`SELECT * FROM services WHERE name IN ('wrong', 'a/b')`)).toEqual([]);
  });

  it('say that there is no such key without repeating it', async () => {
    const names = [strange, strange.slice(0, 12), 'key_01JD8Q5Z6T8RZ1M0V4N9X2K7CB'];
    for (const { code, stdout, stderr } of await Promise.all(
      names.map((name) => cli(`revoke_api_key ${name} --json`)),
    )) {
      expect([code, stderr]).toEqual([1, 'there is no such API key\n']);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'not_found' } });
    }
  });

  it('need the database alone, and make its tables where there are none', async () => {
    const empty = await createEmptyDatabase();
    const real = { DATABASE_URL: empty.url, NODE_ENV: 'production', JWT_SECRET };
    expect((await json('create_api_key --name first', real)).service).toBe('first');
    expect(await json<Key[]>('list_api_keys', real)).toMatchObject([{ service: 'first' }]);
    await empty.drop();
    const { code, stderr } = await cli('list_api_keys', { DATABASE_URL: 'postgres://a:hidden@127.0.0.1:1/none' });
    expect([code, stderr.includes('ECONNREFUSED'), stderr.includes('hidden')]).toEqual([1, true, false]);
  });

  it('issue_token makes tokens of one and the same service, unless another one is named', async () => {
    const subjects = [];
    for (const words of ['--role service', '--role service', '--role service --user shop', '--role operator'])
      subjects.push(decodeJwt((await cli(`issue_token ${words}`)).stdout.trim()).sub);
    expect(subjects).toEqual(['default', 'default', 'shop', expect.stringMatching(/^usr_/)]);
  });

  it('a key and a token of one service are one: an order placed by either is read by the other', async () => {
    const { key } = await keyOf('both');
    const token = (await cli('issue_token --role service --user both')).stdout.trim();
    const customer = await newCustomer(paydesk);
    const { body } = await paydesk
      .api(key)
      .post<OrderView>('/orders/', { user_id: customer.id, description: 'Tea', amount: 1800 });
    expect((await paydesk.api(token).get(`/orders/${body.id}/`)).status).toBe(200);
    expect((await (await paydesk.as('service', 'neither')).get<Problem>(`/orders/${body.id}/`)).status).toBe(404);
  });

  it('a key stands in no line of the log, whatever is done with it and whatever fails', async () => {
    const { key, prefix, id } = await keyOf('logged');
    const service = await ServiceProcess.start({
      DATABASE_URL: paydesk.databaseUrl,
      NODE_ENV: 'production',
      JWT_SECRET,
      HOST: '127.0.0.1',
      LOG_LEVEL: 'trace',
      SHUTDOWN_DELAY_SECONDS: '0',
    });
    try {
      const ask = async (path: string, init: RequestInit = {}): Promise<number> => {
        const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
        return (await fetch(`${service.url}/api${path}`, { headers, ...init })).status;
      };
      const post = (body: string): RequestInit => ({ method: 'POST', body });
      expect(await ask('/orders/')).toBe(200);
      expect(await ask(`/orders/?api_key=${key}`)).toBe(400);
      expect(await ask(`/nowhere/${key}/`)).toBe(404);
      expect(await ask('/orders/', post(`{"user_id": "${key}"`))).toBe(400);
      expect(await ask('/orders/', post(`{"user_id": "${key}", "amount": 1, "description": "x"}`))).toBe(400);
      expect(await ask('/orders/', { headers: { authorization: `Basic ${key}` } })).toBe(401);
      // The first use of a key that this process does not know, while its table is gone.
      const other = await keyOf('logged');
      await paydesk.db.query('ALTER TABLE api_keys RENAME TO gone');
      const headers = { authorization: `Bearer ${other.key}` };
      expect(await ask('/orders/', { headers })).toBe(500);
      await paydesk.db.query('ALTER TABLE gone RENAME TO api_keys');
      await json(`revoke_api_key ${id}`);
      await service.said(/unexpected error/);
      await service.end('SIGTERM');
      expect(service.output).toContain('/api/orders');
      for (const text of [key, other.key].flatMap((one) => [one, one.slice(13, 40)]))
        expect(service.output).not.toContain(text);
      expect(service.output).not.toContain(prefix.slice(4));
    } finally {
      await service.end();
    }
  });
});
