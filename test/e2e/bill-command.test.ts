import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { billCase, PUBLISHED_BILL } from '../support/bill-text.js';
import { everything } from '../support/bills.js';
import { type Ended, runBuilt } from '../support/service-process.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

jest.setTimeout(120_000);

describe('npm run cli -- reconcile_bill', () => {
  let shop: Simulated;
  let folder: string;

  beforeAll(async () => {
    shop = await startSimulated();
    folder = await mkdtemp(join(tmpdir(), 'paydesk-bill-'));
    await writeFile(join(folder, 'bill.csv.gz'), gzipSync(readFileSync(PUBLISHED_BILL)));
  });
  afterAll(async () => {
    await shop.close();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (...words: string[]): Promise<Ended> =>
    runBuilt('cli.js', ['reconcile_bill', ...words], { ...shop.env, DATABASE_URL: shop.databaseUrl });

  it('takes a downloaded bill, plain or gzip, and with --dry-run changes nothing', async () => {
    const before = await everything(shop);
    const [plain, zipped] = await Promise.all([
      run('--date', '2019-02-19', '--file', PUBLISHED_BILL, '--dry-run', '--json'),
      run('--date', '2019-02-19', '--file', join(folder, 'bill.csv.gz'), '--dry-run', '--json'),
    ]);
    expect(zipped).toEqual(plain);
    const printed = JSON.parse(plain.stdout) as object;
    // Its appid is none of this shop's.
    expect(printed).toMatchObject({
      dry_run: true,
      run_id: null,
      lines: 45,
      foreign: { payments: { count: 31, fen: 47 }, refunds: { count: 14, fen: 14 } },
      differences: {},
    });
    expect(plain.code).toBe(0);
    expect(await everything(shop)).toEqual(before);
  });

  it('says in one line, and as JSON, what a bill that is not ready or no bill means', async () => {
    await shop.sim.faults({ rules: [{ at: 'tradebill', do: 'error', status: 400, code: 'STATEMENT_CREATING' }] });
    await writeFile(join(folder, 'broken.csv.gz'), gzipSync('a bill').subarray(0, 12));
    const [early, wrong, broken, funds] = await Promise.all([
      run('--date', '2019-02-19', '--json'),
      run('--date', '2019-02-19', '--file', resolve('package.json'), '--json'),
      run('--date', '2019-02-19', '--file', join(folder, 'broken.csv.gz'), '--json'),
      run('--date', '2026-11-24', '--file', billCase('fund-flow-given-as-trade-bill'), '--json'),
    ]);
    expect([early.code, wrong.code, broken.code, funds.code]).toEqual([1, 1, 1, 1]);
    expect(funds.stderr).toContain('it is a fund-flow bill');
    expect(JSON.parse(broken.stdout)).toMatchObject({ error: { code: 'bill_unreadable' } });
    expect(JSON.parse(early.stdout)).toMatchObject({ error: { code: 'STATEMENT_CREATING' } });
    expect(JSON.parse(wrong.stdout)).toMatchObject({ error: { code: 'bill_columns_missing' } });
    for (const { stderr } of [early, wrong, broken, funds]) expect(stderr).toMatch(/^[^\n]+\n$/);
    await shop.sim.faults({ rules: [] });
  });

  it.each([
    [[], '--date'],
    [['--date', '2026-02-30'], '--date'],
    [['--date', '2099-01-01'], '--date: 2099-01-01 is not over'],
    [['--date', '2019-02-19', '--file', 'nowhere.csv'], '--file'],
  ])('%j is wrong usage', async (words, named) => {
    const { code, stderr } = await run(...words);
    expect([code, stderr.includes(named)]).toEqual([2, true]);
  });
});
