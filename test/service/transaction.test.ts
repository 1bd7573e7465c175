import { setTimeout } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/data-source.js';
import { type Transaction, transaction } from '../../src/database/transaction.js';
import { startTestApp, type TestApp, times } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { buyAndStart } from '../support/flows.js';

describe('a transaction', () => {
  let database: TestDatabase;
  let db: DataSource;

  beforeAll(async () => {
    database = await createTestDatabase();
    // One connection: what a transaction leaves behind on it, the next one meets.
    db = await new DataSource(dataSourceOptions(database.url, 1)).initialize();
    await db.query('CREATE TABLE notes (id integer PRIMARY KEY)');
  });
  beforeEach(() => db.query('DELETE FROM notes'));
  afterAll(async () => {
    await db.destroy();
    await database.drop();
  });

  const note = (tx: Transaction, id: number): Promise<unknown> =>
    tx.prepared('note', 'INSERT INTO notes (id) VALUES ($1)', [id]);
  const notes = async (): Promise<number[]> =>
    (await db.query<{ id: number }[]>('SELECT id FROM notes ORDER BY id')).map(({ id }) => id);

  it('is committed with its last statements', async () => {
    const answer = await transaction(db, async (tx, commit) => {
      await note(tx, 1);
      await Promise.all([note(tx, 2), commit()]);
      return 'done';
    });
    expect([answer, await notes()]).toEqual(['done', [1, 2]]);
  });

  it('is committed after its work when that does not do it', async () => {
    await transaction(db, (tx) => note(tx, 1));
    expect(await notes()).toEqual([1]);
  });

  it('is nothing when a statement fails whose commit is already on its way', async () => {
    const failing = transaction(db, (tx, commit) => Promise.all([note(tx, 1), note(tx, 1), note(tx, 2), commit()]));
    await expect(failing).rejects.toThrow('duplicate key');
    expect(await notes()).toEqual([]);
  });

  it('fails with what failed first, not with what failed because of it', async () => {
    const careless = transaction(db, async (tx) => {
      const first = note(tx, 1).then(() => note(tx, 1));
      first.catch(() => undefined);
      await first.catch(() => undefined);
      await note(tx, 2);
    });
    await expect(careless).rejects.toMatchObject({ code: '23505' });
    expect(await notes()).toEqual([]);
  });

  it('fails with the lock that did not come, not with the statements behind it', async () => {
    await db.query('INSERT INTO notes (id) VALUES (1)');
    const holder = await new DataSource(dataSourceOptions(database.url, 1)).initialize();
    const lock = holder.createQueryRunner();
    await lock.startTransaction();
    await lock.query('SELECT FROM notes WHERE id = 1 FOR UPDATE');
    const waiting = transaction(db, async (tx) => {
      await tx.query(`SET LOCAL lock_timeout = '50ms'`);
      // All of them travel together, and whoever waits hears of the last one first.
      const locked = tx.query('SELECT FROM notes WHERE id = 1 FOR UPDATE');
      locked.catch(() => undefined);
      await note(tx, 2);
    });
    await expect(waiting).rejects.toMatchObject({ code: '55P03' });
    await lock.rollbackTransaction();
    await holder.destroy();
    expect(await notes()).toEqual([1]);
  });

  it('is not taken as committed when nobody looked at the statement that failed', async () => {
    const careless = transaction(db, async (tx, commit) => {
      note(tx, 1).catch(() => undefined);
      note(tx, 1).catch(() => undefined);
      await commit();
    });
    await expect(careless).rejects.toThrow('duplicate key');
    expect(await notes()).toEqual([]);
  });

  it('is nothing when its work fails', async () => {
    const failing = transaction(db, async (tx) => {
      await note(tx, 1);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await notes()).toEqual([]);
  });

  it('refuses a statement that comes after the commit: it would stand alone', async () => {
    const failing = transaction(db, async (tx, commit) => {
      const over = commit();
      await note(tx, 1).finally(() => over);
    });
    await expect(failing).rejects.toThrow('over');
    expect(await notes()).toEqual([]);
  });

  it('gives up a connection that broke, and the next one works', async () => {
    const failing = transaction(db, async (tx) => {
      await note(tx, 1);
      await tx.query('SELECT pg_terminate_backend(pg_backend_pid())');
    });
    await expect(failing).rejects.toThrow();
    await transaction(db, (tx) => note(tx, 2));
    expect(await notes()).toEqual([2]);
  });
});

describe('a plan that was made while the tables were empty', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp();
  });
  afterAll(() => paydesk.close());

  /** Rows of payments and orders that were read by going through a table from its beginning to its end. */
  const scanned = async (): Promise<number> => {
    // The figures of a connection show when it is idle for a while; all of them, when they have stopped moving.
    const read = async (): Promise<number> => {
      const [row] = await paydesk.db.query<{ rows: string }[]>(
        `SELECT sum(seq_tup_read) AS rows FROM pg_stat_user_tables WHERE relname IN ('payments', 'orders')`,
      );
      return Number(row?.rows);
    };
    let last = -1;
    for (let now = await read(); now !== last; now = await read()) {
      last = now;
      await setTimeout(1200);
    }
    return last;
  };

  it('does not read the whole table when it has grown', async () => {
    const settleSome = async (): Promise<void> => {
      const bought = await times(12, () => buyAndStart(paydesk));
      for (const { customer, path } of bought) expect((await customer.api.post(`${path}succeed/`)).status).toBe(200);
    };
    await settleSome();
    await paydesk.db.query(
      `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, created_by, created_at, expires_at)
       SELECT 'ord_01JA' || lpad(g::text, 22, '0'), 'usr_1', 'cancelled', 1, 'CNY', 'Tea', 'usr_1', now(), now()
       FROM generate_series(1, 5000) g`,
    );
    await paydesk.db.query(
      `INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, created_at, expires_at, settled_at,
                             next_check_at)
       SELECT 'pay_01JA' || lpad(g::text, 22, '0'), 'ord_01JA' || lpad(g::text, 22, '0'), 'mock', 'm', 'a', 'closed', 1, 'CNY',
              now(), now(), now(), now() FROM generate_series(1, 5000) g`,
    );
    const before = await scanned();
    await settleSome();
    expect((await scanned()) - before).toBeLessThan(5000);
  });
});
