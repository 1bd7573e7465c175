import { Cleanup } from '../../dev/cleanup.js';
import { CrashLab } from '../../prove/crashes/lab.js';
import { recover } from '../../prove/crashes/recovery.js';
import type { Outcome } from '../../prove/crashes/way.js';
import { type Case, die } from '../../prove/crashes/ways.js';
import { createTestDatabase, type TestDatabase } from './database.js';

/**
 * Kills a process in each case, starts the service again once, and compares what then becomes of everything with the
 * channel's books. The proof `npm run prove -- crashes` does the same with every point on every way.
 */
export function killAndCompare(cases: readonly Case[]): void {
  let database: TestDatabase;
  const cleanup = new Cleanup();
  let lab: CrashLab;
  const outcomes: Outcome[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    lab = await CrashLab.open(cleanup, database.url);
  }, 150_000);
  afterAll(async () => {
    await cleanup.run();
    await database.drop();
  });

  it.each(cases.map((one): [string, string, Case] => [one.point, one.way.about, one]))(
    'dies at %s: %s',
    async (_point, _about, one) => {
      outcomes.push(await die(lab, one));
    },
    150_000,
  );

  it('is started again, and the books agree to the fen', async () => {
    const books = await recover(lab, outcomes);
    expect(books.wrong).toEqual([]);
    expect(outcomes).toHaveLength(cases.length);
    expect(books.paid.fen).toBe(Object.values(books.places).reduce((sum, { fen }) => sum + fen, 0));
  }, 400_000);
}
