import { HOUR, MINUTE } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { times } from '../support/app.js';
import {
  announcementsOf,
  type Bought,
  buy,
  buyAndStart,
  journalOf,
  movesOf,
  newCustomer,
  orderOf,
  orderTea,
  paymentOf,
  type PaymentView,
  type Problem,
  type StartedView,
  statesOf,
} from '../support/flows.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

describe('a payment through WeChat Pay', () => {
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated({ env: { PAYMENT_TTL_SECONDS: '36000' } });
  });
  beforeEach(() => shop.sim.faults({ rules: [] }));
  afterAll(() => shop.close());

  const start = ({ customer, path }: Bought) => customer.api.post<StartedView & Problem>(`${path}start/`);
  const placed = ({ paymentId }: Bought) => shop.sim.ledger({ out_trade_no: paymentId }).transactions[0];
  const run = (scope: 'due' | 'expired') =>
    shop.app.get(DuePayments).run({ scope, limit: 100, cause: { kind: 'timer', actor: 'test', requestId: null } });

  it('goes from the order over the payment sheet and the signed notice to the paid order', async () => {
    const customer = await newCustomer(shop);
    const order = await orderTea(customer);
    const payment = await customer.api.post<PaymentView>('/payments/', { order_id: order.body.id });
    const bought = {
      customer,
      orderId: order.body.id,
      paymentId: payment.body.id,
      path: `/payments/${payment.body.id}/`,
    };
    const started = await start(bought);
    expect(started.status).toBe(200);
    expect(started.body.pay_params.signType).toBe('RSA');
    expect(shop.sim.requestPayment(started.body.pay_params).out_trade_no).toBe(bought.paymentId);

    await shop.pay(bought.paymentId);
    expect(await statesOf(bought)).toBe('succeeded/paid');
    const paid = await paymentOf(bought);
    expect(paid).toMatchObject({ provider: 'wechat', amount: 1800, transaction_id: placed(bought)?.transaction_id });
    expect(Date.parse(paid.paid_at ?? '')).toBe(Date.parse(placed(bought)?.paid_at ?? ''));
    expect(await journalOf(shop, bought.paymentId)).toEqual(['applied 200']);
    expect(await announcementsOf(shop, bought.paymentId)).toEqual(['payment.succeeded']);
    expect(await movesOf(shop, bought.orderId)).toEqual([
      'payment init by request',
      'payment processing by request',
      'payment succeeded by callback',
      'order paid by callback',
    ]);
  });

  it('charges the openid of the session, whatever the body says', async () => {
    const bought = await buy(shop);
    const other = await newCustomer(shop);
    await bought.customer.api.post(`${bought.path}start/`, { openid: 'oSomebodyElse', payer: { openid: 'oSomebody' } });
    const [user] = await shop.db.query<{ openid: string }[]>('SELECT openid FROM users WHERE id = $1', [
      bought.customer.id,
    ]);
    expect(placed(bought)?.openid).toBe(user?.openid);
    expect((await other.api.post(`${bought.path}start/`)).status).toBe(404);
  });

  it('signs the same prepay id afresh while it lives, and fetches one with the same parameters after two hours', async () => {
    const bought = await buy(shop);
    const first = (await start(bought)).body.pay_params;
    const second = (await start(bought)).body.pay_params;
    expect(second.package).toBe(first.package);
    expect(second.nonceStr).not.toBe(first.nonceStr);
    expect(second.paySign).not.toBe(first.paySign);
    expect(placed(bought)?.prepay_ids).toHaveLength(1);

    await shop.advance(2 * HOUR);
    const third = (await start(bought)).body.pay_params;
    expect(third.package).not.toBe(first.package);
    // The simulator refuses a number that is asked for again with anything changed.
    expect(placed(bought)?.prepay_ids).toHaveLength(2);
    expect(shop.sim.requestPayment(third).out_trade_no).toBe(bought.paymentId);
  });

  it('hands out one prepay id, however many start at once', async () => {
    const bought = await buy(shop);
    const answers = await times(10, () => start(bought));
    expect(new Set(answers.map(({ body }) => body.pay_params.package)).size).toBe(1);
  });

  it.each([
    ['a time-out', { do: 'hang' }],
    ['an answer that never came', { do: 'disconnect', when: 'after' }],
    ['an internal error', { do: 'error', status: 500, code: 'SYSTEM_ERROR' }],
    ['a rate limit', { do: 'error', status: 429, code: 'FREQUENCY_LIMITED' }],
    ['half an answer', { do: 'cut_body', when: 'after' }],
    ['an unsigned answer', { do: 'unsigned', when: 'after' }],
    ['a signature probe', { do: 'signtest', when: 'after' }],
  ] as const)('stays startable under its number after %s', async (_name, fault) => {
    const bought = await buy(shop);
    await shop.sim.faults({ rules: [{ at: 'order', ...fault }] });
    const refused = await start(bought);
    expect(refused).toMatchObject({ status: 503, body: { code: 'channel_unavailable' } });
    expect(await statesOf(bought)).toBe('processing/pending');

    await shop.sim.faults({ rules: [] });
    const again = await start(bought);
    expect(shop.sim.requestPayment(again.body.pay_params).out_trade_no).toBe(bought.paymentId);
    await shop.pay(bought.paymentId);
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('is failed by a sure refusal, and the order can be paid by another payment', async () => {
    const bought = await buy(shop);
    await shop.sim.faults({ rules: [{ at: 'order', do: 'error', status: 403, code: 'NO_AUTH' }] });
    expect(await start(bought)).toMatchObject({ status: 502, body: { code: 'channel_rejected' } });
    expect(await statesOf(bought)).toBe('failed/pending');
    expect((await paymentOf(bought)).failure).toMatchObject({ code: 'NO_AUTH' });
    await shop.sim.faults({ rules: [] });
    const next = await bought.customer.api.post<PaymentView>('/payments/', { order_id: bought.orderId });
    expect(next.status).toBe(201);
    expect(next.body.id).not.toBe(bought.paymentId);
  });

  it('that was paid without a notice is found paid when it is started again', async () => {
    const bought = await buyAndStart(shop);
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose' }] });
    await shop.pay(bought.paymentId);
    expect(await statesOf(bought)).toBe('processing/pending');
    await shop.advance(2 * HOUR);
    expect(await start(bought)).toMatchObject({ status: 409, body: { code: 'payment_not_open' } });
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('is closed at the channel when its owner cancels it', async () => {
    const bought = await buyAndStart(shop);
    const answer = await bought.customer.api.post(`${bought.path}cancel/`);
    expect(answer).toMatchObject({ status: 200, body: { status: 'closed' } });
    expect(placed(bought)?.trade_state).toBe('CLOSED');
    expect(() => shop.sim.pay(bought.paymentId)).toThrow();
  });

  it('that was paid a moment ago succeeds instead of being cancelled', async () => {
    const bought = await buyAndStart(shop);
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose' }] });
    await shop.pay(bought.paymentId);
    const answer = await bought.customer.api.post(`${bought.path}cancel/`);
    expect(answer).toMatchObject({ status: 200, body: { status: 'succeeded' } });
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('is closed at the channel before it expires; one that was paid succeeds instead', async () => {
    const [unpaid, paid, unsent] = [await buyAndStart(shop), await buyAndStart(shop), await buy(shop)];
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose' }] });
    await shop.pay(paid.paymentId);
    await shop.advance(10 * HOUR + MINUTE);
    expect(placed(unpaid)?.trade_state).toBe('NOTPAY');

    await shop.sim.faults({ rules: [{ at: 'close', do: 'hang', match: unpaid.paymentId }] });
    await run('expired');
    expect(await statesOf(unpaid)).toBe('processing/pending');
    expect(await statesOf(paid)).toBe('succeeded/paid');
    expect(await statesOf(unsent)).toBe('expired/cancelled');

    await shop.sim.faults({ rules: [] });
    await shop.advance(2 * MINUTE);
    await run('expired');
    expect(await statesOf(unpaid)).toBe('expired/cancelled');
    expect(placed(unpaid)?.trade_state).toBe('CLOSED');
    const late = await unpaid.customer.api.post(`${unpaid.path}start/`);
    expect(late).toMatchObject({ status: 409, body: { code: 'payment_expired' } });
  });

  it('is asked about by sync, which says nothing new while nothing is', async () => {
    const bought = await buyAndStart(shop);
    const sync = () => bought.customer.api.post(`${bought.path}sync/`);
    expect(await sync()).toMatchObject({ status: 200, body: { status: 'processing' } });
    await shop.sim.faults({
      rules: [
        { at: 'payment_notice', do: 'lose' },
        { at: 'query', do: 'hang' },
      ],
    });
    await shop.pay(bought.paymentId);
    expect(await sync()).toMatchObject({ status: 503, body: { code: 'channel_unavailable' } });
    expect((await paymentOf(bought)).status).toBe('processing');
    await shop.sim.faults({ rules: [] });
    expect(await sync()).toMatchObject({ status: 200, body: { status: 'succeeded' } });
    expect(await orderOf(bought)).toMatchObject({ status: 'paid' });
  });

  it('whose notice was lost is found paid by the questions that are due', async () => {
    const bought = await buyAndStart(shop);
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose' }] });
    await shop.pay(bought.paymentId);
    await shop.advance(MINUTE);
    await run('due');
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });
});
