import { MINUTE } from '../../src/common/clock.js';
import { buyAndStart, orderOf, statesOf } from '../support/flows.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

describe('a refund through WeChat Pay', () => {
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated();
  });
  afterAll(() => shop.close());

  it('is asked for by the payer, carried out by an operator and settled by the notice', async () => {
    const bought = await buyAndStart(shop, { amount: 1800 });
    await shop.pay(bought.paymentId);
    expect(await statesOf(bought)).toBe('succeeded/paid');

    const asked = await bought.customer.api.post('/refunds/', { payment_id: bought.paymentId, amount: 700 });
    expect(asked).toMatchObject({ status: 201, body: { status: 'requested', amount: 700 } });
    const operator = await shop.as('operator');
    const sent = await operator.post(`/refunds/${String(asked.body.id)}/succeed/`);
    expect(sent).toMatchObject({ status: 200, body: { status: 'processing', failure: null } });

    await shop.advance(5 * MINUTE);
    const { body } = await bought.customer.api.get(`/refunds/${String(asked.body.id)}/`);
    expect(body).toMatchObject({ status: 'succeeded' });
    expect(await orderOf(bought)).toMatchObject({ status: 'partially_refunded', refunded_amount: 700 });
  });
});
