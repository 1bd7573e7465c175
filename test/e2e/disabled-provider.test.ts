import { byTimer } from '../../src/common/cause.js';
import { MINUTE } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { DisabledProvider } from '../../src/provider/disabled.provider.js';
import { PaymentProvider } from '../../src/provider/payment-provider.js';
import { BillService } from '../../src/reconciliation/bill.service.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { type Bought, buyAndStart, newCustomer, placeOrder, statesOf } from '../support/flows.js';
import { askFor, paid, stateOf, tick } from '../support/refunds.js';
import { runBuilt } from '../support/service-process.js';

// Each start is a process of its own, which takes a while on a busy machine.
jest.setTimeout(120_000);

const SECRET = '5f0c8a1e7b3d49f2a6c4e8b0d1f37a95';

describe('production without the real provider', () => {
  /** What development left behind, with the same database. */
  let before: TestApp;
  let production: TestApp;
  let env: Record<string, string>;
  let autoSuccess: Bought;
  let open: Bought;
  let bought: Bought;
  let refundId: string;

  beforeAll(async () => {
    before = await startTestApp({ env: { JWT_SECRET: SECRET } });
    env = { NODE_ENV: 'production', DATABASE_URL: before.databaseUrl, JWT_SECRET: SECRET, LOG_LEVEL: 'warn' };
    autoSuccess = await buyAndStart(before, { metadata: { auto_success: true } });
    open = await buyAndStart(before, { metadata: { mock_outcome: 'success' } });
    bought = await paid(before);
    refundId = await askFor(bought, 800);
    production = await startTestApp({ databaseUrl: before.databaseUrl, clock: before.clock, env });
  });
  afterAll(async () => {
    await production.close();
    await before.close();
  });

  const states = async (): Promise<string[]> => [
    await statesOf(autoSuccess),
    await statesOf(open),
    await statesOf(bought),
    await stateOf(before, refundId),
  ];
  const UNTOUCHED = ['processing/pending', 'processing/pending', 'succeeded/paid', 'requested'];
  const as = (who: Bought) => production.api(who.customer.token);

  it('has a provider of which every method refuses', async () => {
    const provider = production.app.get(PaymentProvider);
    expect(provider).toBeInstanceOf(DisabledProvider);
    expect(() => provider.account).toThrow(expect.objectContaining({ code: 'provider_disabled' }) as Error);
    const methods = Object.getOwnPropertyNames(DisabledProvider.prototype).filter(
      (name) => !['constructor', 'account'].includes(name),
    );
    // All of the seam but the pretended payment, which is not found by itself.
    const seam = Object.getOwnPropertyNames(
      (await import('../../src/provider/mock/mock.provider.js')).MockProvider.prototype,
    );
    expect(seam).toEqual(expect.arrayContaining(methods));
    expect(methods).toHaveLength(11);
    for (const name of methods) {
      const method = (provider as unknown as Record<string, () => Promise<unknown>>)[name];
      await expect(method?.call(provider)).rejects.toMatchObject({ code: 'provider_disabled' });
    }
  });

  it('takes orders, but opens no payment', async () => {
    const customer = await newCustomer(before);
    const orderId = await placeOrder(production, customer);
    const answer = await production.api(customer.token).post('/payments/', { order_id: orderId });
    expect(answer).toMatchObject({ status: 503, body: { code: 'provider_disabled' } });
    const [row] = await before.db.query<{ count: number }[]>(
      'SELECT count(*)::int AS count FROM payments WHERE order_id = $1',
      [orderId],
    );
    expect(row?.count).toBe(0);
  });

  it('has no route of the mock provider, nor a login of its own', async () => {
    expect((await as(open).post(`${open.path}succeed/`)).status).toBe(404);
    const notice = { payment_id: open.paymentId, status: 'SUCCESS' };
    expect((await production.callback(notice)).status).toBe(404);
    for (const path of ['/payments/callback/wechat/', '/refunds/callback/wechat/']) {
      expect((await production.api().post(path, notice)).status).toBe(404);
    }
    const login = await production.api().post('/auth/login/', { code: 'alice' });
    expect(login).toMatchObject({ status: 501, body: { code: 'login_not_configured' } });
  });

  it('neither asks about, closes, pays nor refunds what the mock provider began', async () => {
    expect((await as(open).post(`${open.path}start/`)).body.code).toBe('provider_disabled');
    expect((await as(open).post(`${open.path}sync/`)).body.code).toBe('provider_disabled');
    expect((await as(open).post(`${open.path}cancel/`)).body.code).toBe('provider_disabled');
    const operator = await production.as('operator');
    expect((await operator.post(`/refunds/${refundId}/succeed/`)).body.code).toBe('provider_disabled');
    expect(await states()).toEqual(UNTOUCHED);
  });

  it('pays nothing by its timers, and refunds nothing', async () => {
    // Sent by the mock provider and left under way: the timer of production finds it due.
    const refunding = await paid(before, { metadata: { mock_refund_outcome: 'processing' } });
    const underWay = await askFor(refunding);
    await (await before.as('operator')).post(`/refunds/${underWay}/succeed/`);
    before.clock.advance(20 * MINUTE);
    const cause = byTimer('check_payments');
    for (const scope of ['due', 'all', 'expired'] as const) {
      const report = await production.app.get(DuePayments).run({ scope, cause, limit: 1000 });
      expect(report.checked).toBe(0);
    }
    expect((await tick(production)).checked).toBe(0);
    expect(await production.app.get(BillService).runDaily(cause)).toEqual([]);
    expect(await states()).toEqual(UNTOUCHED);
    expect(await stateOf(before, underWay)).toBe('processing');
  });

  it.each(['reconcile_payments', 'expire_payments', 'sync_refunds'])(
    'pays and refunds nothing by the command %s, which says why',
    async (command) => {
      const { code, stderr } = await runBuilt('cli.js', [command, '--json'], env);
      expect([code, stderr]).toEqual([0, expect.stringContaining('WARNING: no payment provider is enabled')]);
      expect(await states()).toEqual(UNTOUCHED);
    },
  );

  it('has no mock for the command that plays its channel', async () => {
    const { code, stderr } = await runBuilt('cli.js', ['simulate_callback', open.paymentId], env);
    expect([code, stderr]).toEqual([1, expect.stringContaining('the mock provider is off')]);
    expect(await states()).toEqual(UNTOUCHED);
  });
});
