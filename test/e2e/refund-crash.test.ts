import type { CrashPoint } from '../../src/common/crash-points.js';
import { buy, casesOf } from '../support/flows.js';
import { CrashLab } from '../support/crash-lab.js';
import { askFor, carryOut, channelBooks, ourBooks, paid, type RefundView, stateOf, tick } from '../support/refunds.js';

type RefundPoint = Extract<CrashPoint, `refund.${string}` | `callback.${string}`>;
/** Brings a process to the step at which it dies, and answers the number of the refund that must be paid once. */
type Way = (lab: CrashLab, point: CrashPoint) => Promise<string>;

/** A payer asks; the process dies; the payer asks again under the same key, and an operator carries it out. */
const ask: Way = async (lab, point) => {
  const bought = await paid(lab.shop, { amount: 1800 });
  const service = await lab.startService({ PAYDESK_CRASH_AT: point });
  const body = { payment_id: bought.paymentId, amount: 700 };
  const key = { 'idempotency-key': point };
  await service.dies(service.api(bought.customer.token).post('/refunds/', body, key));
  await lab.shop.db.query(`UPDATE idempotency_keys SET locked_until = '-infinity'`);
  const again = await bought.customer.api.post<RefundView>('/refunds/', body, key);
  expect(again.status).toBe(201);
  const list = await bought.customer.api.get<{ items: RefundView[] }>(`/refunds/?payment_id=${bought.paymentId}`);
  expect(list.body.items.map((refund) => refund.id)).toEqual([again.body.id]);
  await carryOut(lab.shop, again.body.id);
  return again.body.id;
};

/** An operator carries it out; the process dies; the operator tries again, and the timer goes on. */
const carry: Way = async (lab, point) => {
  const id = await askFor(await paid(lab.shop, { amount: 1800 }), 700);
  const service = await lab.startService({ PAYDESK_CRASH_AT: point });
  await service.dies(service.api(await lab.operatorToken()).post(`/refunds/${id}/succeed/`));
  await carryOut(lab.shop, id);
  return id;
};

/** Nobody knows whether it was sent; the timer of a process asks, and the process dies. */
const check: Way = async (lab, point) => {
  const id = await askFor(await paid(lab.shop, { amount: 1800 }), 700);
  await lab.shop.sim.faults({ rules: [{ at: 'refund', do: 'disconnect', when: 'after' }] });
  await carryOut(lab.shop, id);
  await lab.shop.sim.faults({ rules: [] });
  expect(await stateOf(lab.shop, id)).toBe('processing');
  await lab.makeOld();
  await (await lab.startService({ PAYDESK_CRASH_AT: point, JOBS_ENABLED: 'true' })).dies();
  return id;
};

/** It was never sent, or so it seems; the timer sends it under the same number, and the process dies. */
const sendAgain: Way = async (lab, point) => {
  const id = await askFor(await paid(lab.shop, { amount: 1800 }), 700);
  await lab.shop.sim.faults({ rules: [{ at: 'refund', do: 'disconnect' }] });
  await carryOut(lab.shop, id);
  await lab.shop.sim.faults({ rules: [] });
  await lab.makeOld();
  await (await lab.startService({ PAYDESK_CRASH_AT: point, JOBS_ENABLED: 'true' })).dies();
  return id;
};

/** The refund was paid, and the process dies over the notice. */
const refundNotice: Way = async (lab, point) => {
  const id = await askFor(await paid(lab.shop, { amount: 1800 }), 700);
  const service = await lab.startService({ PAYDESK_CRASH_AT: point });
  const sent = await service.api(await lab.operatorToken()).post(`/refunds/${id}/succeed/`);
  expect(sent.body).toMatchObject({ status: 'processing' });
  lab.shop.sim.settleRefund(id, 'SUCCESS');
  await service.dies();
  return id;
};

/** Money comes when its payment is closed; the process dies over the notice, and one that is started again hears it. */
const lateMoney: Way = async (lab, point) => {
  const { shop } = lab;
  const service = await lab.startService({ PAYDESK_CRASH_AT: point });
  const bought = await buy(shop, { amount: 700 });
  expect((await service.api(bought.customer.token).post(`${bought.path}start/`)).status).toBe(200);
  await shop.db.query(`UPDATE payments SET status = 'closed', settled_at = now() WHERE id = $1`, [bought.paymentId]);
  shop.sim.pay(bought.paymentId);
  await service.dies();
  const restarted = await lab.startService({}, service.port);
  shop.sim.resend(shop.sim.notices({ out_trade_no: bought.paymentId })[0]?.id ?? '');
  await shop.sim.settled();
  await restarted.kill();
  expect(await casesOf(shop, bought.paymentId)).toEqual([]);
  return bought.paymentId.replace('pay_', 'ref_');
};

/** It is abnormal; an operator sends it elsewhere, and the process dies. */
const elsewhere: Way = async (lab, point) => {
  const id = await askFor(await paid(lab.shop, { amount: 1800 }), 700);
  await carryOut(lab.shop, id);
  lab.shop.sim.settleRefund(id, 'ABNORMAL');
  await lab.shop.sim.settled();
  expect(await stateOf(lab.shop, id)).toBe('abnormal ABNORMAL');
  const service = await lab.startService({ PAYDESK_CRASH_AT: point });
  const target = { to: 'merchant_card' };
  await service.dies(service.api(await lab.operatorToken()).post(`/refunds/${id}/retry-abnormal/`, target));
  await lab.makeOld();
  await tick(lab.shop);
  expect(await stateOf(lab.shop, id)).toBe('abnormal ABNORMAL');
  const again = await (await lab.shop.as('operator')).post(`/refunds/${id}/retry-abnormal/`, target);
  // Where the first call got through, the channel says that it is under way.
  expect(again.status).toBe(point === 'refund.abnormal.after_call' ? 503 : 200);
  return id;
};

const WAYS: Record<RefundPoint, Record<string, Way>> = {
  'refund.request.before_commit': { ask },
  'refund.request.after_commit': { ask },
  'refund.intent.before_commit': { carry },
  'refund.send.before_call': { carry, sendAgain },
  'refund.send.after_call': { carry, sendAgain },
  'refund.query.before_call': { check },
  'refund.query.after_call': { check },
  'refund.check.after_claim': { check },
  'refund.outcome.before_commit': { carry, check },
  'refund.outcome.after_commit': { carry },
  'refund.abnormal.before_call': { elsewhere },
  'refund.abnormal.after_call': { elsewhere },
  'callback.before_commit': { refundNotice, lateMoney },
  'callback.after_commit': { refundNotice, lateMoney },
};

const CASES = Object.entries(WAYS).flatMap(([point, ways]) =>
  Object.entries(ways).map(([name, way]): [string, string, Way] => [point, name, way]),
);

describe('a process that is killed between a request and its settlement', () => {
  let lab: CrashLab;
  const asked: string[] = [];

  beforeAll(async () => {
    lab = await CrashLab.open();
  });
  afterAll(() => lab.close());

  it.each(CASES)('at %s (%s): the refund is paid, once', async (point, _name, way) => {
    const id = await way(lab, point as CrashPoint);
    asked.push(id);
    await lab.makeOld();
    await tick(lab.shop);
    const [entry] = lab.shop.sim.ledger().refunds.filter((refund) => refund.out_refund_no === id);
    expect(entry).toMatchObject({ refund: 700 });
    if (entry?.status !== 'SUCCESS') lab.shop.sim.settleRefund(id, 'SUCCESS');
    await lab.shop.sim.settled();
    await lab.makeOld();
    await tick(lab.shop);
    expect(await stateOf(lab.shop, id)).toBe('succeeded');
  });

  it('leaves books that agree to the fen: as many refunds as were asked for, none twice', async () => {
    const ledger = channelBooks(lab.shop);
    expect(ledger.refunds).toEqual(asked.map((id) => `${id} 700 SUCCESS`).sort());
    expect(await ourBooks(lab.shop)).toEqual(ledger);
    const [rows] = await lab.shop.db.query<{ succeeded: number }[]>(
      `SELECT count(*)::integer AS succeeded FROM payment_events WHERE noun = 'refund' AND to_status = 'succeeded'`,
    );
    expect(rows?.succeeded).toBe(asked.length);
    expect(lab.shop.sim.ledger().totals.refunded).toBe(asked.length * 700);
  });
});
