import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startTestApp, type TestApp } from '../support/app.js';
import { createEmptyDatabase } from '../support/database.js';
import { type Bought, buyAndStart, movesOf, newCustomer, placeOrder, statesOf } from '../support/flows.js';
import { type Ended, runBuilt } from '../support/service-process.js';
import { settingsOf } from '../unit/wechat/support.js';

// Each command is a process of its own, which takes a while on a busy machine.
jest.setTimeout(120_000);

const PUBLIC_KEY = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
}).publicKey;

describe("operators' commands", () => {
  let paydesk: TestApp;
  /** A folder without a `.env`. */
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'paydesk-cli-'));
    paydesk = await startTestApp();
    paydesk.clock.set(new Date());
  });
  afterAll(async () => {
    await paydesk.close();
    await rm(folder, { recursive: true, force: true });
  });

  const cli = (words: string, env: Record<string, string> = {}): Promise<Ended> =>
    runBuilt('cli.js', words.split(' ').filter(Boolean), { DATABASE_URL: paydesk.databaseUrl, ...env }, folder);

  const withUser = (user: string): string => paydesk.databaseUrl.replace(/\/\/[^@]*@/, `//${user}@`);

  const json = (ended: Ended): Record<string, unknown> => {
    expect([ended.code, ended.stderr]).toEqual([0, '']);
    return JSON.parse(ended.stdout) as Record<string, unknown>;
  };

  /** Everything that a command could change, as one text. */
  const everything = async (): Promise<string> => {
    const tables = ['orders', 'payments', 'payment_events', 'users_notification', 'callbacks', 'discrepancies'];
    const rows = await Promise.all(tables.map((table) => paydesk.db.query(`SELECT * FROM ${table} ORDER BY id`)));
    return JSON.stringify(rows);
  };

  const makeOld = ({ orderId }: Bought): Promise<unknown> =>
    paydesk.db.query(
      `WITH o AS (UPDATE orders SET expires_at = now() - interval '1 s' WHERE id = $1)
       UPDATE payments SET expires_at = now() - interval '1 s' WHERE order_id = $1`,
      [orderId],
    );

  it('expire_payments shows what it would do, does it, and finds nothing more to do', async () => {
    const old = [await buyAndStart(paydesk), await buyAndStart(paydesk)];
    const young = await buyAndStart(paydesk);
    const customer = await newCustomer(paydesk);
    const unpaid = { customer, orderId: await placeOrder(paydesk, customer), paymentId: '', path: '' };
    for (const bought of [...old, unpaid]) await makeOld(bought);

    const before = await everything();
    expect(json(await cli('expire_payments --dry-run --json'))).toEqual({
      dry_run: true,
      payments: old.map((bought) => bought.paymentId).sort(),
      orders_without_payment: [unpaid.orderId],
      unbound: 0,
    });
    expect(await everything()).toBe(before);

    expect(json(await cli('expire_payments --limit 1 --json'))).toMatchObject({ checked: 1, expired: 1 });
    const [one, two] = await Promise.all([cli('expire_payments --json'), cli('expire_payments --json')]);
    expect(Number(json(one).expired) + Number(json(two).expired)).toBe(1);
    for (const bought of old) {
      expect(await statesOf(bought)).toBe('expired/cancelled');
      expect((await movesOf(paydesk, bought.orderId)).slice(2)).toEqual([
        'payment expired by command',
        'order cancelled by command',
      ]);
    }
    expect(await statesOf(young)).toBe('processing/pending');
    expect(await movesOf(paydesk, unpaid.orderId)).toEqual(['order cancelled by command']);
  });

  it('reconcile_payments records what the channel says, and ends with 1 where it says nothing', async () => {
    const auto = await buyAndStart(paydesk, { metadata: { auto_success: true } });
    const before = await everything();
    expect(json(await cli('reconcile_payments --dry-run --json')).payments).toContain(auto.paymentId);
    expect(await everything()).toBe(before);
    expect(json(await cli('reconcile_payments --json'))).toMatchObject({ succeeded: 1, unknown: 0 });
    expect(await statesOf(auto)).toBe('succeeded/paid');

    const silent = await buyAndStart(paydesk);
    await paydesk.db.query(`UPDATE orders SET metadata = '{"mock_outcome":"timeout"}' WHERE id = $1`, [silent.orderId]);
    const ended = await cli('reconcile_payments');
    expect([ended.code, /unknown\s*│\s*1/.test(ended.stdout)]).toEqual([1, true]);
    expect(await statesOf(silent)).toBe('processing/pending');
    await silent.customer.api.post(`${silent.path}cancel/`);
  });

  it('simulate_callback pays, and says when the callback was refused', async () => {
    const bought = await buyAndStart(paydesk);
    const refused = await cli(`simulate_callback ${bought.paymentId} --amount 1 --json`);
    expect([refused.code, JSON.parse(refused.stdout)]).toMatchObject([1, { http_status: 400 }]);
    expect(await statesOf(bought)).toBe('processing/pending');
    const paid = json(await cli(`simulate_callback ${bought.paymentId} --json`));
    expect(paid).toMatchObject({ payment_id: bought.paymentId, http_status: 200 });
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('issue_token prints a token that works, and nothing else', async () => {
    const { code, stdout } = await cli('issue_token --role user --user usr_of_a_command');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)]);
    expect((await paydesk.api(stdout.trim()).get('/orders/')).status).toBe(200);
  });

  it('issue_token needs no database', async () => {
    const { code, stdout } = await cli('issue_token --role operator', { DATABASE_URL: 'postgres://127.0.0.1:1/none' });
    expect(code).toBe(0);
    expect((await paydesk.api(stdout.trim()).get('/orders/')).status).toBe(200);
  });

  it('that need no WeChat ask none, in certificate mode neither: a silent one holds up no command', async () => {
    const calls: Socket[] = [];
    const silent = createServer((socket) => calls.push(socket));
    await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening));
    const address = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const { appid, mchid, serialNo, privateKey, apiV3Key } = settingsOf();
    // Neither public key nor certificate: nothing of WeChat's could be verified before the list is fetched.
    const env = {
      NODE_ENV: 'test',
      WECHAT_PAY_ENABLE_REAL: 'true',
      WECHAT_APPID: appid,
      WECHAT_PAY_MCHID: mchid,
      WECHAT_PAY_SERIAL_NO: serialNo,
      WECHAT_PAY_PRIVATE_KEY: privateKey,
      WECHAT_PAY_API_V3_KEY: apiV3Key,
      WECHAT_PAY_NOTIFY_URL: 'http://127.0.0.1/api/payments/callback/wechat/',
      WECHAT_PAY_REFUND_NOTIFY_URL: 'http://127.0.0.1/api/refunds/callback/wechat/',
      WECHAT_PAY_BASE_URL: address,
      WECHAT_API_BASE_URL: address,
    };
    try {
      const commands = ['issue_token --role operator', 'expire_payments --dry-run --json', 'sync_refunds --json'];
      const [token, list, refunds] = await Promise.all(commands.map((words) => cli(words, env)));
      expect([token?.code, list?.code, refunds?.code]).toEqual([0, 0, 0]);
      expect(JSON.parse(list?.stdout ?? '')).toMatchObject({ dry_run: true });
      expect(JSON.parse(refunds?.stdout ?? '')).toMatchObject({ checked: 0 });
      expect(calls).toHaveLength(0);
    } finally {
      for (const socket of calls) socket.destroy();
      await new Promise((closed) => silent.close(closed));
    }
  });

  it.each([
    ['--help', /^Usage: paydesk [^]*expire_payments[^]*migrate/],
    ['migrate --help', /--json/],
    ['issue_token --role operator', /^[\w.-]+\n$/],
  ])('answer at once to %s: without loading the application', async (words, answer) => {
    // Prints each module as it is loaded. These two and what they bring along take most of the second that a start takes.
    const hook = `export const load = (url, context, next) => (process._rawDebug(url), next(url, context));`;
    const start = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(start)}` };
    const { code, stdout, stderr } = await cli(words, env);
    expect([code, stdout, stderr.includes('/nest-commander/')]).toEqual([0, expect.stringMatching(answer), true]);
    expect(stderr.split('\n').filter((url) => /node_modules\/(typeorm|fastify)\//.test(url))).toEqual([]);
  });

  it('migrate brings an empty database up to date, once, and takes the last step back', async () => {
    const empty = await createEmptyDatabase();
    const env = { DATABASE_URL: empty.url };
    const [one, two] = await Promise.all([cli('migrate --json', env), cli('migrate --json', env)]);
    const applied = [json(one).applied, json(two).applied] as string[][];
    expect(applied.flat().length).toBe(new Set(applied.flat()).size);
    expect(applied.flat().length).toBeGreaterThanOrEqual(1);
    expect((await cli('migrate', env)).stdout).toBe('nothing to do\n');
    expect(json(await cli('migrate --revert --json', env))).toEqual({ reverted: applied.flat().slice(-1) });
    expect(json(await cli('migrate --json', env))).toEqual({ applied: applied.flat().slice(-1) });
    await empty.drop();
  });

  const NOBODYS_PAYMENT = 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB';

  it.each([
    ['simulate_callback pay_nothing', 'PAYMENT_ID must be the id of a payment: pay_ and 26 characters'],
    [`simulate_callback ${NOBODYS_PAYMENT}`, `there is no payment ${NOBODYS_PAYMENT}`],
    [`simulate_callback ${NOBODYS_PAYMENT} --status sucess`, '--status must be one of SUCCESS, FAIL, CLOSED'],
    ['issue_token --role admin', '--role must be user, operator or service'],
    ['expire_payments --limit ten', '--limit must be a whole number of at least 1'],
    ['reconcile_bill --date 24.11.2026', '--date must be a day of the form YYYY-MM-DD'],
    ['reconcile_bill --date 2026-11-24 --file nowhere.csv', '--file nowhere.csv cannot be read: ENOENT'],
    ['reconcile_bill --date 2026-11-24 --file /', '--file / cannot be read: EISDIR'],
    ['retry_abnormal_refund ref_01JD8Q5Z6T8RZ1M0V4N9X2K7CB --to somebody', '--to must be merchant_card or user_card'],
    ['expire_payments --force', "unknown option '--force'"],
  ])('%s is wrong usage, said in a line and as JSON, and changes nothing', async (words, why) => {
    const before = await everything();
    const { code, stdout, stderr } = await cli(`${words} --json`);
    expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
    expect(stderr).not.toContain('    at ');
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'usage', message: expect.stringContaining(why) as unknown },
    });
    expect(await everything()).toBe(before);
  });

  it('what failed is said in one line and as JSON, without a stack', async () => {
    const bought = await buyAndStart(paydesk);
    await paydesk.callback({ payment_id: bought.paymentId, status: 'SUCCESS' });
    const { body } = await bought.customer.api.post<{ id: string }>('/refunds/', { payment_id: bought.paymentId });
    await (await paydesk.as('operator')).post(`/refunds/${body.id}/succeed/`);
    const failures: [words: string, code: string, why: string, env?: Record<string, string>][] = [
      [`retry_abnormal_refund ${body.id} --to merchant_card`, 'refund_not_open', 'the refund is succeeded'],
      [`retry_abnormal_refund ref_01JD8Q5Z6T8RZ1M0V4N9X2K7CB --to merchant_card`, 'not_found', 'Not found'],
      [
        `reconcile_bill --date 2026-11-24 --file ${resolve('package.json')}`,
        'no_bills',
        'the mock provider has no bills',
      ],
      ['issue_token --role operator', 'not_found', 'JWT_SECRET is not set', { JWT_PUBLIC_KEY: PUBLIC_KEY }],
      ['migrate', 'database_unavailable', 'password authentication failed', { DATABASE_URL: withUser('nobody:x') }],
      ['migrate --revert', 'database_unavailable', 'does not exist', { DATABASE_URL: `${paydesk.databaseUrl}_gone` }],
      ['migrate', 'database_unavailable', 'ENOTFOUND', { DATABASE_URL: 'postgres://a:b@no-such-host.invalid/c' }],
      ['expire_payments', 'database_unavailable', 'ECONNREFUSED', { DATABASE_URL: 'postgres://a:b@localhost:1/c' }],
      [
        'expire_payments',
        'database_unavailable',
        'SSL',
        { DATABASE_URL: `${paydesk.databaseUrl}?sslmode=verify-full` },
      ],
    ];
    for (let from = 0; from < failures.length; from += 2) {
      await Promise.all(
        failures.slice(from, from + 2).map(async ([words, code, why, env]) => {
          const ended = await cli(`${words} --json`, env);
          expect([words, ended.code, ended.stderr]).toEqual([words, 1, expect.not.stringMatching(/\n./)]);
          expect(JSON.parse(ended.stdout)).toEqual({ error: { code, message: ended.stderr.trimEnd() } });
          expect([words, ended.stderr]).toEqual([words, expect.stringContaining(why)]);
        }),
      );
    }
  });

  it('end with 2 when they are used wrongly, and say why', async () => {
    const before = await everything();
    const wrong = [
      '',
      'no_such_command',
      'expire_payments --limit 0',
      'expire_payments --dry-run now',
      'simulate_callback',
      'issue_token',
      'issue_token --role user',
    ];
    for (let from = 0; from < wrong.length; from += 3) {
      const some = wrong.slice(from, from + 3);
      const ended = await Promise.all(some.map((words) => cli(words)));
      ended.forEach(({ code, stdout, stderr }, index) => {
        expect([some[index], code, stdout]).toEqual([some[index], 2, '']);
        expect(stderr).not.toBe('');
        expect(stderr).not.toContain('    at ');
      });
    }
    expect(await everything()).toBe(before);
  });

  it('end with 1 when the database cannot be reached', async () => {
    const { code, stderr } = await cli('expire_payments', {
      DATABASE_URL: 'postgres://nobody:hidden@127.0.0.1:1/none',
    });
    expect([code, stderr.includes('hidden')]).toEqual([1, false]);
    expect(stderr).toContain('ECONNREFUSED');
  });

  it.each([['main.js', ''] as const, ['cli.js', 'expire_payments'] as const])(
    'end with 78 when the configuration is wrong, every problem on a line and no value among them: %s %s',
    async (script, words) => {
      const env = {
        NODE_ENV: 'production',
        PORT: 'port-of-call',
        JWT_SECRET: 'open-sesame',
        MOCK_CALLBACK_SECRET: 'knock-knock-knock-knock',
        LOG_LEVEL: 'shouting',
      };
      const { code, stdout, stderr } = await runBuilt(script, words.split(' ').filter(Boolean), env, folder);
      expect(code).toBe(78);
      const lines = stderr.split('\n').filter((line) => line.startsWith('  - '));
      for (const name of ['PORT', 'JWT_SECRET', 'MOCK_CALLBACK_SECRET', 'LOG_LEVEL', 'DATABASE_URL']) {
        expect(lines.filter((line) => line.startsWith(`  - ${name}`)).length).toBeGreaterThanOrEqual(1);
      }
      for (const value of Object.values(env).slice(1)) expect(stdout + stderr).not.toContain(value);
      expect(stderr).not.toContain('    at ');
    },
  );
});
