import type { FaultRule } from '../../simulator/index.js';
import { HOUR, MINUTE, SECOND } from '../../src/common/clock.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { type Bought, buy, buyAndStart, casesOf, type StartedView, statesOf } from '../support/flows.js';
import { type Simulated, startSimulated } from '../support/simulated.js';

type Fault = Omit<FaultRule, 'at' | 'match'>;

/** What can happen to an answer. `told`: the caller is answered as if nothing had been. */
const ANSWERS: [name: string, fault: Fault, told: boolean][] = [
  ['hangs before the work', { do: 'hang' }, false],
  ['hangs after the work', { do: 'hang', when: 'after' }, false],
  ['the connection is lost before', { do: 'disconnect' }, false],
  ['the connection is lost after', { do: 'disconnect', when: 'after' }, false],
  ['500 before', { do: 'error', status: 500, code: 'SYSTEM_ERROR' }, false],
  ['500 after', { do: 'error', status: 500, code: 'SYSTEM_ERROR', when: 'after' }, false],
  ['502', { do: 'error', status: 502, code: 'SERVICE_UNAVAILABLE' }, false],
  ['429 before', { do: 'error', status: 429, code: 'FREQUENCY_LIMITED' }, false],
  ['429 after', { do: 'error', status: 429, code: 'RATELIMIT_EXCEEDED', when: 'after' }, false],
  ['a wrong signature', { do: 'wrong_signature' }, false],
  ['a signature probe', { do: 'signtest' }, false],
  ['an unknown serial', { do: 'unknown_serial' }, false],
  ['an old timestamp', { do: 'stale_timestamp' }, false],
  ['no signature', { do: 'unsigned' }, false],
  ['one failure, then none', { do: 'disconnect', times: 1 }, true],
  ['a slow answer', { do: 'delay', ms: 50 }, true],
];
/** These need a body, which the answer to a close has not. */
const BODIES: typeof ANSWERS = [
  ['half a body', { do: 'cut_body' }, false],
  ['a flipped bit', { do: 'flip_body' }, false],
  ['a body in two halves', { do: 'slow_body', ms: 50 }, true],
];
const CONTENTS: [name: string, fault: Fault][] = [
  ['another amount', { do: 'wrong_amount' }],
  ['another merchant', { do: 'wrong_mchid' }],
  ['another mini-program', { do: 'wrong_appid' }],
  ['another currency', { do: 'wrong_currency' }],
];
const NOTICES: [name: string, fault: Fault][] = [
  ...CONTENTS,
  ...(
    [
      'wrong_signature',
      'signtest',
      'unknown_serial',
      'stale_timestamp',
      'unsigned',
      'other_mode',
      'drop',
      'double',
      'flip_ciphertext',
      'wrong_key',
      'no_associated_data',
      'unknown_event',
      'new_id',
      'lose',
      'hold_back',
      'reorder',
    ] as const
  ).map((kind): [string, Fault] => [kind, { do: kind }]),
];

describe('every fault of the channel against every operation', () => {
  let shop: Simulated;

  beforeAll(async () => {
    shop = await startSimulated({ env: { PAYMENT_TTL_SECONDS: '360000', WECHAT_PAY_TIMEOUT_MS: '300' } });
  });
  beforeEach(() => shop.sim.faults({ rules: [] }));
  afterAll(() => shop.close());

  const strike = (at: FaultRule['at'], bought: Bought, fault: Fault) =>
    shop.sim.faults({ rules: [{ at, match: bought.paymentId, ...fault }] });
  /** The next call about the same number would wait a second after the last one: by the clock it is over. */
  async function mend(): Promise<void> {
    await shop.sim.faults({ rules: [] });
    await shop.advance(2 * SECOND);
  }
  const post = <T = Record<string, unknown>>({ customer, path }: Bought, verb: string) =>
    customer.api.post<T>(`${path}${verb}/`);
  const atChannel = ({ paymentId }: Bought) => shop.sim.ledger({ out_trade_no: paymentId }).transactions[0];

  /** A payment whose payer has paid, and whose notice was lost. */
  async function paidInSecret(): Promise<Bought> {
    const bought = await buyAndStart(shop, { amount: 1990 });
    await shop.sim.faults({ rules: [{ at: 'payment_notice', do: 'lose', match: bought.paymentId }] });
    await shop.pay(bought.paymentId);
    await mend();
    return bought;
  }

  it.each([...ANSWERS, ...BODIES])('order: %s', async (_name, fault, told) => {
    const bought = await buy(shop, { amount: 1990 });
    await strike('order', bought, fault);
    expect((await post(bought, 'start')).status).toBe(told ? 200 : 503);
    expect(await statesOf(bought)).toBe('processing/pending');
    await mend();
    const { body } = await post<StartedView>(bought, 'start');
    expect(shop.sim.requestPayment(body.pay_params).out_trade_no).toBe(bought.paymentId);
    await shop.pay(bought.paymentId);
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it.each([...ANSWERS, ...BODIES])('query: %s', async (_name, fault, told) => {
    const bought = await paidInSecret();
    await strike('query', bought, fault);
    expect((await post(bought, 'sync')).status).toBe(told ? 200 : 503);
    expect(await statesOf(bought)).toBe(told ? 'succeeded/paid' : 'processing/pending');
    await mend();
    expect(await post(bought, 'sync')).toMatchObject({ status: 200, body: { status: 'succeeded' } });
  });

  it.each(CONTENTS)('query: a genuine answer with %s moves nothing and opens a case', async (_name, fault) => {
    const bought = await paidInSecret();
    await strike('query', bought, fault);
    await post(bought, 'sync');
    expect(await statesOf(bought)).toBe('processing/pending');
    expect(await casesOf(shop, bought.paymentId)).toEqual(['mismatch']);
    await mend();
    expect(await post(bought, 'sync')).toMatchObject({ status: 200, body: { status: 'succeeded' } });
  });

  it.each(ANSWERS)('close: %s', async (_name, fault, told) => {
    const bought = await buyAndStart(shop, { amount: 1990 });
    await strike('close', bought, fault);
    expect((await post(bought, 'cancel')).status).toBe(told ? 200 : 503);
    expect(await statesOf(bought)).toBe(told ? 'closed/pending' : 'processing/pending');
    await mend();
    expect(await post(bought, 'cancel')).toMatchObject({ status: 200, body: { status: 'closed' } });
    expect(atChannel(bought)?.trade_state).toBe('CLOSED');
  });

  it.each(ANSWERS)('close of a payment that was paid: %s', async (_name, fault, told) => {
    const bought = await paidInSecret();
    await strike('call', bought, fault);
    expect((await post(bought, 'cancel')).status).toBe(told ? 200 : 503);
    expect(await statesOf(bought)).toBe(told ? 'succeeded/paid' : 'processing/pending');
    await mend();
    expect(await post(bought, told ? 'sync' : 'cancel')).toMatchObject({ body: { status: 'succeeded' } });
  });

  it.each(NOTICES)('callback: %s, once', async (_name, fault) => {
    const bought = await buyAndStart(shop, { amount: 1990 });
    await strike('payment_notice', bought, { times: 1, ...fault });
    await shop.pay(bought.paymentId);
    expect(['processing/pending', 'succeeded/paid']).toContain(await statesOf(bought));
    await shop.advance(2 * MINUTE);
    await shop.app
      .get(DuePayments)
      .run({ scope: 'due', limit: 500, cause: { kind: 'timer', actor: 'test', requestId: null } });
    expect(await statesOf(bought)).toBe('succeeded/paid');
  });

  it('in the end our books are those of the channel, to the fen', async () => {
    await shop.advance(25 * HOUR);
    const { totals, transactions } = shop.sim.ledger();
    const ours = await shop.db.query<{ id: string; transaction_id: string; amount_fen: number }[]>(
      `SELECT p.id, p.transaction_id, p.amount_fen FROM payments p JOIN orders o ON o.id = p.order_id
       WHERE p.status = 'succeeded' AND o.status = 'paid' AND o.paid_payment_id = p.id ORDER BY p.id`,
    );
    const theirs = transactions
      .filter((one) => one.paid_at !== null)
      .map((one) => ({ id: one.out_trade_no, transaction_id: one.transaction_id, amount_fen: one.total }));
    expect(ours).toEqual(theirs.sort((a, b) => (a.id < b.id ? -1 : 1)));
    expect(ours.reduce((sum, { amount_fen }) => sum + amount_fen, 0)).toBe(totals.taken);
  });
});
