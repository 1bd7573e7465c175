import { HOUR, MINUTE } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import type { Api } from '../support/app.js';
import type { OrderView, PaymentView, Problem, StartedView } from '../support/flows.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

interface Placed extends OrderView, Pick<Partial<Problem>, 'code'> {
  payment?: PaymentView | null;
  pay_params?: StartedView['pay_params'] | null;
}

let numbers = 0;

describe("orders of a shop's backend at WeChat Pay", () => {
  let shop: Simulated;
  let service: Api;

  beforeAll(async () => {
    shop = await startSimulated();
    service = await shop.as('service', 'shop');
  });
  beforeEach(() => shop.sim.faults({ rules: [] }));
  afterAll(() => shop.close());

  const order = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
    external_id: `w-${(numbers += 1)}`,
    payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
    description: 'Two cups of tea',
    amount: 1800,
    start: { scene: 'jsapi' },
    ...more,
  });
  const place = (body: Record<string, unknown>) => service.post<Placed>('/orders/', body);
  const rowsOf = async (orderId: string): Promise<number> =>
    (await shop.db.query<unknown[]>('SELECT FROM payments WHERE order_id = $1', [orderId])).length;

  it('are placed and started in one call, and paid by the payer of the openid', async () => {
    const { status, body } = await place(order());
    expect([status, body.payment?.status, body.pay_params?.signType]).toEqual([201, 'processing', 'RSA']);
    const paymentId = body.payment?.id ?? '';
    expect(shop.sim.requestPayment(body.pay_params as StartedView['pay_params']).out_trade_no).toBe(paymentId);
    const [transaction] = shop.sim.ledger({ out_trade_no: paymentId }).transactions;
    expect(transaction).toMatchObject({ openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' });
    await shop.pay(paymentId);
    expect((await service.get(`/orders/${body.id}/`)).body).toMatchObject({
      status: 'paid',
      paid_payment_id: paymentId,
    });
  });

  it('are there when the start fails, and the same request again goes on from there', async () => {
    const body = order();
    await shop.sim.faults({ rules: [{ at: 'order', do: 'disconnect', when: 'after' }] });
    const failed = await place(body);
    expect(failed).toMatchObject({ status: 503, body: { code: 'channel_unavailable' } });
    await shop.sim.faults({ rules: [] });
    const again = await place(body);
    expect([again.status, again.body.payment?.status, typeof again.body.pay_params?.paySign]).toEqual([
      200,
      'processing',
      'string',
    ]);
    expect(await rowsOf(again.body.id)).toBe(1);
    expect(shop.sim.ledger({ out_trade_no: again.body.payment?.id }).transactions).toHaveLength(1);
  });

  it('get another payment when the first one was refused for good', async () => {
    const body = order();
    await shop.sim.faults({ rules: [{ at: 'order', do: 'error', status: 400, code: 'PARAM_ERROR' }] });
    expect(await place(body)).toMatchObject({ status: 502, body: { code: 'channel_rejected' } });
    await shop.sim.faults({ rules: [] });
    const again = await place(body);
    expect([again.status, again.body.payment?.status]).toEqual([200, 'processing']);
    expect(await rowsOf(again.body.id)).toBe(2);
  });

  it('are not placed for a user whom only another app knows', async () => {
    await shop.db.query(
      "INSERT INTO users (id, appid, openid, created_at) VALUES ('usr_other', 'wx_other', 'o_other', now())",
    );
    const body = order({ payer: undefined, user_id: 'usr_other' });
    expect(await place(body)).toMatchObject({ status: 422, body: { code: 'payer_openid_required' } });
    const { body: found } = await service.get<{ items: unknown[] }>(`/orders/?external_id=${String(body.external_id)}`);
    expect(found.items).toEqual([]);
    expect((await place({ ...body, start: undefined })).status).toBe(201);
  });

  it('are told to WeChat Pay to end when the service says, and are cancelled then', async () => {
    const { body } = await place(order({ expires_in: 3 * 3600 }));
    const paymentId = body.payment?.id ?? '';
    // Its prepay id has run out by then, and a new one is for the same end.
    await shop.advance(2 * HOUR);
    const again = await service.post<{ pay_params: { package: string } }>(`/payments/${paymentId}/start/`);
    expect(again.status).toBe(200);
    expect(again.body.pay_params.package).not.toBe(body.pay_params?.package);
    await shop.advance(HOUR + MINUTE);
    const cause = { kind: 'timer', actor: 'test', requestId: null } as const;
    await shop.app.get(DuePayments).run({ scope: 'expired', limit: 100, cause });
    expect((await service.get(`/orders/${body.id}/`)).body).toMatchObject({ status: 'cancelled' });
    expect((await service.get(`/payments/${paymentId}/`)).body).toMatchObject({ status: 'expired' });
  });

  it('are paid and not cancelled when WeChat Pay says so, and closed there when it does not', async () => {
    const [paid, unpaid] = [await place(order()), await place(order())];
    await shop.sim.faults({ rules: [{ at: 'notice', do: 'lose' }] });
    await shop.pay(paid.body.payment?.id ?? '');
    expect(await service.post(`/orders/${paid.body.id}/cancel/`)).toMatchObject({
      status: 409,
      body: { code: 'order_not_cancellable', detail: 'the order is paid' },
    });
    expect(await service.post(`/orders/${unpaid.body.id}/cancel/`)).toMatchObject({
      status: 200,
      body: { status: 'cancelled' },
    });
    const [transaction] = shop.sim.ledger({ out_trade_no: unpaid.body.payment?.id }).transactions;
    expect(transaction?.trade_state).toBe('CLOSED');
  });
});
