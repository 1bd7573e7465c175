import { Cleanup } from '../../dev/cleanup.js';
import { CrashLab } from '../../prove/crashes/lab.js';
import { times } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

interface Placed {
  id: string;
  payment?: { id: string };
  pay_params?: { package: string };
  code?: string;
}

/** Two real processes of the service on one database, and the WeChat Pay of both. */
describe('equal requests of a shop at two processes', () => {
  const cleanup = new Cleanup();
  let database: TestDatabase;
  let lab: CrashLab;

  beforeAll(async () => {
    database = await createTestDatabase();
    lab = await CrashLab.open(cleanup, database.url);
    await lab.restart({ JOBS_ENABLED: 'false' });
  }, 150_000);
  afterAll(async () => {
    await cleanup.run();
    await database.drop();
  });

  it.each([
    ['without an idempotency key', undefined],
    ['with one', 'the-same-key'],
  ])('are one order, one payment and one order at WeChat Pay, %s', async (name, key) => {
    const service = lab.as('service', 'shop');
    const body = {
      ...{ external_id: name, payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' }, description: 'tea', amount: 1800 },
      start: { scene: 'jsapi' },
    };
    const answers = await times(50, (index) =>
      (index % 2 ? lab.front(service) : lab.helper(service)).post<Placed>('/orders/', body, key),
    );
    const done = answers.filter(({ status }) => status < 300);
    const refused = answers.filter(({ status }) => status >= 300).map((answer) => [answer.status, answer.body.code]);
    // A request under a key that is still running is refused; without a key each of them is answered.
    expect(refused).toEqual(refused.map(() => [409, key === undefined ? 'none' : 'idempotency_in_progress']));
    expect(done.some(({ status }) => status === 201)).toBe(true);
    const [first] = done;
    const paymentId = first?.body.payment?.id ?? '';
    expect(new Set(done.map(({ body: { id } }) => id)).size).toBe(1);
    expect(new Set(done.map(({ body: { payment } }) => payment?.id))).toEqual(new Set([paymentId]));
    expect(new Set(done.map(({ body: { pay_params } }) => pay_params?.package)).size).toBe(1);
    const { rows } = await lab.db.query(
      'SELECT p.id FROM orders o JOIN payments p ON p.order_id = o.id WHERE o.external_id = $1',
      [name],
    );
    expect(rows).toEqual([{ id: paymentId }]);
    expect(lab.sim.ledger({ out_trade_no: paymentId }).transactions).toHaveLength(1);
  });
});
