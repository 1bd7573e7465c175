import { createHash } from 'node:crypto';
import { DataSource } from 'typeorm';
import { createDataSource, dataSourceOptions, MIGRATIONS } from '../../src/data-source.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { createEmptyDatabase, type TestDatabase } from '../support/database.js';
import { movesOf } from '../support/flows.js';

/** The migrations of the last release. Those after it are what an upgrade applies. */
const RELEASED = 3;

const id = (prefix: string, of: string): string => `${prefix}_01JD8Q5Z6T8RZ1M0V4N9X2K${of}`;
const USER = id('usr', 'OLD');
/** One paid with half of it promised back, one that the payer had begun to pay. */
const PAID = { order: id('ord', 'PAD'), payment: id('pay', 'PAD'), refund: id('ref', 'PAD') };
const OPEN = { order: id('ord', 'PEN'), payment: id('pay', 'PEN') };

/** An order that the shop's backend placed under an idempotency key just before the upgrade. */
const PLACED = { order: id('ord', 'SVC'), service: 'shop-backend', key: 'number-17' };
const PLACING = { user_id: USER, description: 'tea', amount: 1000 };
const fingerprint = createHash('sha256')
  .update(`POST /api/orders ${JSON.stringify(PLACING)}`)
  .digest('hex');

/** Rows as the last release wrote them, in its columns. */
const ROWS = `
  INSERT INTO users (id, appid, openid, created_at) VALUES ('${USER}', 'mock_appid', 'mock_old', '2026-11-23T07:50:00Z');
  INSERT INTO orders (id, user_id, status, amount_fen, currency, description, created_by, created_at, expires_at)
    SELECT id, '${USER}', 'pending', 1000, 'CNY', 'tea', '${USER}', '2026-11-23T07:50:00Z', '2026-11-23T08:20:00Z'
    FROM unnest(ARRAY['${PAID.order}', '${OPEN.order}']) AS id;
  INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, prepay_id, prepay_expires_at,
                        created_at, expires_at, started_at, next_check_at)
    SELECT v.id, v.order_id, 'mock', 'mock_mchid', 'mock_appid', 'processing', 1000, 'CNY', 'mock_prepay_1', '2026-11-23T09:50:00Z',
           '2026-11-23T07:50:00Z', '2026-11-23T08:20:00Z', '2026-11-23T07:50:00Z', '2026-11-23T07:50:05Z'
    FROM (VALUES ('${PAID.payment}', '${PAID.order}'), ('${OPEN.payment}', '${OPEN.order}')) AS v (id, order_id);
  INSERT INTO payment_events (at, order_id, payment_id, noun, from_status, to_status, cause, actor)
    VALUES ('2026-11-23T07:50:00Z', '${OPEN.order}', '${OPEN.payment}', 'payment', 'init', 'processing', 'request', '${USER}');
  UPDATE payments SET status = 'succeeded', transaction_id = 'mock_txn_1', paid_at = '2026-11-23T07:51:00Z',
                      settled_at = '2026-11-23T07:51:00Z', reserved_fen = 500
    WHERE id = '${PAID.payment}';
  UPDATE orders SET status = 'paid', paid_payment_id = '${PAID.payment}', paid_at = '2026-11-23T07:51:00Z'
    WHERE id = '${PAID.order}';
  INSERT INTO refunds (id, payment_id, order_id, status, amount_fen, currency, requested_by, created_at)
    VALUES ('${PAID.refund}', '${PAID.payment}', '${PAID.order}', 'requested', 500, 'CNY', '${USER}', '2026-11-23T07:55:00Z');
  INSERT INTO orders (id, user_id, status, amount_fen, currency, description, created_by, created_at, expires_at)
    VALUES ('${PLACED.order}', '${USER}', 'pending', 1000, 'CNY', 'tea', '${PLACED.service}', '2026-11-23T07:59:00Z',
            '2026-11-23T08:29:00Z');
  INSERT INTO idempotency_keys (user_id, key, fingerprint, resource, http_status, body, locked_until, created_at)
    SELECT user_id, '${PLACED.key}', '${fingerprint}', 'req_1', 201, '{"id":"${PLACED.order}"}', '2026-11-23T08:00:00Z',
           '2026-11-23T07:59:00Z'
    FROM unnest(ARRAY['${PLACED.service}', '${USER}']) AS user_id;
`;

describe('a database that the last release has filled', () => {
  let database: TestDatabase;
  let paydesk: TestApp;

  beforeAll(async () => {
    database = await createEmptyDatabase();
    const released = new DataSource({
      ...dataSourceOptions(database.url, 2),
      migrations: MIGRATIONS.slice(0, RELEASED),
    });
    await released.initialize();
    await released.runMigrations();
    await released.query(ROWS);
    await released.destroy();

    const source = await createDataSource(database.url).initialize();
    const applied = await source.runMigrations();
    await source.destroy();
    expect(applied).toHaveLength(MIGRATIONS.length - RELEASED);
    paydesk = await startTestApp({ databaseUrl: database.url });
  });
  afterAll(async () => {
    await paydesk.close();
    await database.drop();
  });

  it('shows its rows, and the history under the new name of a column', async () => {
    const operator = await paydesk.as('operator');
    const { body } = await operator.get<{ items: { entity: string }[] }>(`/admin/payments/${OPEN.payment}/events/`);
    expect(body.items).toMatchObject([{ entity: 'payment', from_status: 'init', to_status: 'processing' }]);
    const { body: refund } = await operator.get(`/refunds/${PAID.refund}/`);
    expect(refund).toMatchObject({ status: 'requested', amount: 500, out_refund_no: PAID.refund, origin: 'api' });
  });

  it('answers a service that repeats a request across the upgrade with its first answer', async () => {
    const shop = await paydesk.as('service', PLACED.service);
    const again = await shop.post('/orders/', PLACING, { 'idempotency-key': PLACED.key });
    expect([again.headers.get('idempotent-replayed'), again.body]).toEqual(['true', { id: PLACED.order }]);
    const keys = await paydesk.db.query<{ user_id: string }[]>('SELECT user_id FROM idempotency_keys ORDER BY 1');
    expect(keys.map((row) => row.user_id)).toEqual([`service/${PLACED.service}`, USER]);
  });

  it('goes on with what was under way: a payment is paid, a refund is sent', async () => {
    const operator = await paydesk.as('operator');
    expect((await operator.post(`/refunds/${PAID.refund}/succeed/`)).body).toMatchObject({ status: 'succeeded' });
    expect((await paydesk.callback({ payment_id: OPEN.payment, status: 'SUCCESS' })).status).toBe(200);
    expect(await movesOf(paydesk, OPEN.order)).toEqual([
      'payment processing by request',
      'payment succeeded by callback',
      'order paid by callback',
    ]);
    const { body } = await operator.get<{ items: object[] }>('/admin/orders/?status=partially_refunded');
    expect(body.items).toMatchObject([{ id: PAID.order, refunded_amount: 500 }]);
  });

  it('can still be written to by a process of the last release, and be taken back to it', async () => {
    await paydesk.db.query(
      `INSERT INTO payment_events (at, order_id, payment_id, noun, from_status, to_status, cause, actor)
       VALUES (now(), '${OPEN.order}', '${OPEN.payment}', 'payment', 'processing', 'failed', 'command', 'last release')`,
    );
    expect((await movesOf(paydesk, OPEN.order)).at(-1)).toBe('payment failed by command');
    const source = await createDataSource(database.url).initialize();
    for (let step = RELEASED; step < MIGRATIONS.length; step += 1) await source.undoLastMigration();
    const rows = await source.query<{ noun: string }[]>('SELECT noun FROM payment_events WHERE order_id = $1', [
      OPEN.order,
    ]);
    const keys = await source.query<{ user_id: string }[]>('SELECT user_id FROM idempotency_keys ORDER BY 1');
    await source.destroy();
    expect(keys.map((row) => row.user_id)).toEqual([PLACED.service, USER]);
    expect(rows.map(({ noun }) => noun)).toEqual(['payment', 'payment', 'order', 'payment']);
  });
});
