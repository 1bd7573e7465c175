import pg from 'pg';
import { fillEvents } from '../../prove/query-plans.js';
import { ALL_TYPES, SOME_TYPES } from '../../src/events/event-feed.js';
import { PLACE } from '../../src/events/event-outbox.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const ROWS = 100_001;
const PAGE = 101;

/** A node of a plan, by the names that PostgreSQL gives. */
interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Node[];
}

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

/** A taste of `npm run prove -- query-plans`: with statistics, and without being told to use indexes. */
describe('the feed of a shop with many events', () => {
  let database: TestDatabase;
  let db: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    db = new pg.Client({ connectionString: database.url });
    await db.connect();
    await fillEvents(db, ROWS);
    await db.query('VACUUM (ANALYZE)');
  }, 120_000);
  afterAll(async () => {
    await db.end();
    await database.drop();
  });

  async function planOf(text: string, values: unknown[]): Promise<Node[]> {
    await db.query('BEGIN');
    const { rows } = await db.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      values,
    );
    await db.query('ROLLBACK');
    const plan = rows[0]?.['QUERY PLAN'][0].Plan;
    if (!plan) throw new Error('no plan');
    return nodesOf(plan);
  }

  it.each([
    ['all, from the beginning', ALL_TYPES, ['shop', 0, PAGE], PAGE],
    ['all, in the middle', ALL_TYPES, ['shop', 50_000, PAGE], PAGE],
    ['all, at the end', ALL_TYPES, ['shop', ROWS - 5, PAGE], PAGE],
    ['a rare type', SOME_TYPES, ['shop', 0, PAGE, ['payment.late']], 4],
    ['a type that there is not', SOME_TYPES, ['shop', 0, PAGE, ['refund.closed']], 0],
    ['a frequent and a rare one', SOME_TYPES, ['shop', 0, PAGE, ['order.paid', 'payment.late']], 3 * PAGE],
    ['another service', ALL_TYPES, ['nobody', 0, PAGE], 0],
  ])('is read by index, no row more than the page needs: %s', async (_, text, values, atMost) => {
    const nodes = await planOf(text, values);
    const reading = nodes.filter((node) => node['Relation Name'] === 'events');
    expect(reading.length).toBeGreaterThan(0);
    for (const node of reading) expect(node['Node Type']).toMatch(/^Index (Only )?Scan$/);
    const read = reading.map(
      (node) => node['Actual Rows'] * node['Actual Loops'] + (node['Rows Removed by Filter'] ?? 0),
    );
    expect(read.reduce((sum, rows) => sum + rows, 0)).toBeLessThanOrEqual(atMost);
  });

  it('takes no more events out of the outbox than it places', async () => {
    const reading = (await planOf(PLACE, [10])).filter((node) => node['Relation Name'] === 'event_outbox');
    expect(reading.map((node) => node['Actual Rows'])).toEqual(reading.map(() => 10));
  });
});
