import { byCommand } from '../../src/common/cause.js';
import { MINUTE } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import type { Answer, Api } from '../support/app.js';
import { compare, LONG_LIFE, paid, refunded, untilChina } from '../support/bills.js';
import { type Bought, buyAndStart, type Problem } from '../support/flows.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

type Row = Record<string, unknown> & { id: string };
interface List {
  items: Row[];
  next_cursor: string | null;
}

const LISTS = [
  ...['payments', 'orders', 'refunds', 'callbacks', 'notifications'],
  ...['reconciliation/runs', 'reconciliation/discrepancies'],
];

describe('what operators see', () => {
  let shop: Simulated;
  let operator: Api;
  const bought: Bought[] = [];
  let day: string;

  beforeAll(async () => {
    shop = await startSimulated({ env: LONG_LIFE });
    await untilChina(shop, 12);
    operator = await shop.as('operator', 'operator_1');
    for (let index = 0; index < 5; index += 1) bought.push(await paid(shop));
    await refunded(shop, bought[0] as Bought, 700);
    await shop.advance(6 * MINUTE);
    bought.push(await buyAndStart(shop));
    day = await untilChina(shop, 18);
    shop.sim.billDifferences(day, { named: [{ kind: 'missing', number: bought[1]?.paymentId ?? '' }] });
    await untilChina(shop, 11);
    await compare(shop, day);
  });
  afterAll(() => shop.close());

  const list = (name: string, query = ''): Promise<Answer<List>> => operator.get<List>(`/admin/${name}/${query}`);

  it.each(LISTS)('%s are for operators only', async (name) => {
    const customer = bought[0]?.customer.api;
    const service = await shop.as('service');
    expect((await customer?.get(`/admin/${name}/`))?.status).toBe(403);
    expect((await service.get(`/admin/${name}/`)).status).toBe(403);
    expect((await shop.api().get(`/admin/${name}/`)).status).toBe(401);
    expect((await list(name)).status).toBe(200);
  });

  it.each(LISTS)('%s go on by cursor, newest first, each row once', async (name) => {
    const whole = (await list(name, '?limit=100')).body.items.map((row) => row.id);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body }: Answer<List> = await list(name, `?limit=2${cursor && `&cursor=${cursor}`}`);
      expect(body.items.length).toBeLessThanOrEqual(2);
      seen.push(...body.items.map((row) => row.id));
      cursor = body.next_cursor;
    }
    expect(seen).toEqual(whole);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen).toEqual([...seen].sort().reverse());
  });

  it('filter payments by status, time, user and out_trade_no', async () => {
    const one = bought[2] as Bought;
    const all = (await list('payments', '?limit=100')).body.items;
    expect((await list('payments', '?status=processing')).body.items.map((row) => row.id)).toEqual([
      bought[5]?.paymentId,
    ]);
    expect((await list('payments', `?user_id=${one.customer.id}`)).body.items.map((row) => row.id)).toEqual([
      one.paymentId,
    ]);
    expect((await list('payments', `?out_trade_no=${one.paymentId}`)).body.items.map((row) => row.id)).toEqual([
      one.paymentId,
    ]);
    const middle = String(all[2]?.created_at);
    const from = (await list('payments', `?from=${middle}`)).body.items;
    const to = (await list('payments', `?to=${middle}`)).body.items;
    expect(from.length + to.length).toBe(all.length);
    expect([from.length, to.length]).toEqual([3, all.length - 3]);
  });

  it.each(['orders', 'refunds', 'callbacks', 'notifications', 'reconciliation/discrepancies'])(
    'find what belongs to one out_trade_no in %s',
    async (name) => {
      const number = name.endsWith('discrepancies') ? bought[1]?.paymentId : bought[0]?.paymentId;
      const { items } = (await list(name, `?out_trade_no=${number}`)).body;
      expect(items.length).toBeGreaterThan(0);
      expect(items.length).toBeLessThan(20);
      expect(items.every((row) => JSON.stringify(row).includes(String(number)))).toBe(true);
    },
  );

  it('refuse filters that make no sense', async () => {
    for (const query of ['?limit=0', '?limit=101', '?from=yesterday', '?status=DROP', '?cursor=%00', '?nonsense=1']) {
      expect((await list('payments', query)).status).toBe(400);
    }
  });

  it.each([
    ['payments', 'status', 'init, processing, succeeded, failed, expired, closed'],
    ['orders', 'status', 'pending, paid, partially_refunded, refunded, cancelled'],
    ['refunds', 'status', 'requested, processing, abnormal, succeeded, rejected, closed'],
    ['callbacks', 'status', 'applied, known, ignored, mismatch, unverified, unreadable, forbidden, failed'],
    ['notifications', 'status', 'read, unread'],
    ['reconciliation/runs', 'status', 'waiting, running, done, failed'],
    ['reconciliation/discrepancies', 'status', 'open, resolved'],
    [
      'reconciliation/discrepancies',
      'type',
      'mismatch, unknown_payment, late_payment, double_transaction, unknown_refund, refund_conflict, refund_held, missing_here, ' +
        'missing_there, amount, state, duplicate, fee',
    ],
  ])('refuse in %s a %s that is not of the list, and name the list', async (name, filter, values) => {
    for (const wrong of ['sucess', '', 'PAID', `${values.split(', ')[0]}&${filter}=x`]) {
      const { status, body } = await operator.get<Problem>(`/admin/${name}/?${filter}=${wrong}`);
      const message = `${filter} must be one of the following values: ${values}`;
      expect([wrong, status, body.code, body.detail]).toEqual([wrong, 400, 'invalid_request', message]);
    }
    for (const right of values.split(', ')) expect((await list(name, `?${filter}=${right}`)).status).toBe(200);
  });

  it("have a payment's whole history, its order's and refund's moves included", async () => {
    const { body } = await operator.get<List>(`/admin/payments/${bought[0]?.paymentId}/events/`);
    expect(body.items.map((row) => `${String(row.noun)} ${String(row.to_status)} by ${String(row.cause)}`)).toEqual([
      'payment init by request',
      'payment processing by request',
      'payment succeeded by callback',
      'order paid by callback',
      'refund requested by request',
      'refund processing by request',
      'refund succeeded by callback',
      'order partially_refunded by callback',
    ]);
    expect((await operator.get('/admin/payments/pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB/events/')).status).toBe(404);
  });

  it('resolve a case with a note, once', async () => {
    const path = '/admin/reconciliation/discrepancies/';
    const [one] = (await list('reconciliation/discrepancies', '?status=open&type=missing_there')).body.items;
    const resolve = (body: object): Promise<Answer> => operator.post(`${path}${one?.id}/resolve/`, body);
    expect((await resolve({})).status).toBe(400);
    expect((await resolve({ note: '' })).status).toBe(400);
    expect(await resolve({ note: 'Seen on the platform' })).toMatchObject({
      status: 200,
      body: { status: 'resolved', note: 'Seen on the platform', resolved_by: 'operator_1' },
    });
    expect(await resolve({ note: 'again' })).toMatchObject({ status: 409, body: { code: 'discrepancy_resolved' } });
    expect((await operator.get(`${path}${one?.id}/`)).body).toMatchObject({ note: 'Seen on the platform' });
    expect((await list('reconciliation/discrepancies', '?status=open')).body.items).toEqual([]);
  });

  it('never show an openid, a body or card data', async () => {
    const users = await shop.db.query<{ openid: string }[]>('SELECT openid FROM users');
    for (const name of LISTS) {
      const text = JSON.stringify((await list(name, '?limit=100')).body);
      for (const { openid } of users) expect(text).not.toContain(openid);
      expect(text).not.toMatch(/ciphertext|payer|bank_type|signature"/i);
    }
  });

  it('and Prometheus reads every figure that is promised', async () => {
    const scrape = async (): Promise<string> => (await fetch(`${shop.url}/metrics`)).text();
    await shop.app.get(DuePayments).run({ scope: 'all', cause: byCommand('reconcile_payments'), limit: 10 });
    const text = await scrape();
    for (const line of [
      /^paydesk_state_transitions_total\{entity="payment",to="succeeded",trigger="callback"\} 5$/m,
      /^paydesk_callbacks_total\{outcome="applied"\} 6$/m,
      /^paydesk_callback_seconds_count \d+$/m,
      /^paydesk_channel_call_seconds_count\{operation="\w+",outcome="ok"\} \d+$/m,
      /^paydesk_settlement_batch_size_count\{entity="payment"\} \d+$/m,
      /^paydesk_channel_clock_skew_seconds -?[\d.e-]+$/m,
      /^paydesk_oldest_due_seconds\{entity="payment"\} \d/m,
      /^paydesk_last_bill_seconds \d{10}/m,
      /^paydesk_bill_foreign_lines 0$/m,
      /^paydesk_callbacks_total\{outcome="mismatch"\} 0$/m,
      /^paydesk_database_connections\{state="used"\} \d+$/m,
      /^paydesk_database_connections\{state="idle"\} [1-9]\d*$/m,
      /^paydesk_database_waiting 0$/m,
      /^paydesk_database_up 1$/m,
    ]) {
      expect(text).toMatch(line);
    }
    const open = await buyAndStart(shop);
    expect(await scrape()).toMatch(/^paydesk_open\{entity="payment",status="processing"\} 1$/m);
    await shop.advance(10 * MINUTE);
    expect(Number(/^paydesk_oldest_due_seconds\{entity="payment"\} (\S+)$/m.exec(await scrape())?.[1])).toBeGreaterThan(
      590,
    );
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'wrong_amount' }] });
    await shop.pay(open.paymentId);
    expect(await scrape()).toMatch(/^paydesk_open_discrepancies\{type="mismatch"\} 1$/m);
    expect(await scrape()).toMatch(/^paydesk_callbacks_total\{outcome="mismatch"\} [1-9]/m);
  });
});
