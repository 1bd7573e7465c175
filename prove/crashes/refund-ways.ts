import type { FaultRule } from '../../simulator/index.js';
import type { Failpoint } from '../../src/common/failpoints.js';
import { must } from '../shop.js';
import type { Bought, CrashLab } from './lab.js';
import { closedHere, refundOfLate } from './payment-ways.js';
import { call, commit, LATE, type Outcome, PAID, type Way, way } from './way.js';

/** Fen that go back of a payment; the rest is delivered. */
const PART = 300;
const PARTLY = ['succeeded/partially_refunded'];
const SENT = [...commit('refund.intent'), ...call('refund.send'), ...commit('refund.outcome')] as const;
const ASKED = [
  'refund.check.after_claim',
  ...commit('refund.intent'),
  ...call('refund.query'),
  ...commit('refund.outcome'),
] as const;
/** Nobody knows whether the call arrived: it did not, and it did. */
const NEVER_SENT: FaultRule = { at: 'refund', do: 'disconnect' };
const SENT_UNHEARD: FaultRule = { ...NEVER_SENT, when: 'after' };

/** Money goes back while the service dies. */
export const REFUND_WAYS: readonly Way[] = [
  way(
    'refund-ask',
    'a payer asks for money back, and again under the same key',
    commit('refund.request'),
    async (lab, point) => {
      const bought = await lab.paid();
      const body = { payment_id: bought.paymentId, amount: PART };
      const doomed = await lab.startWithFailpoint(point);
      await doomed.dies(doomed.api(bought.token).post('/refunds/', body, bought.orderId));
      const outcome: Outcome = {
        ends: {},
        async again() {
          const asked = lab.front(bought.token).post<{ id: string }>('/refunds/', body, bought.orderId);
          const { id } = await must(asked, 201);
          const list = lab.front(bought.token).get<{ items: unknown[] }>(`/refunds/?payment_id=${bought.paymentId}`);
          const { items } = await must(list, 200);
          if (items.length !== 1) throw new Error(`${items.length} refunds instead of one`);
          outcome.ends = endsOf(bought, id);
          await approveRefund(lab, id);
        },
      };
      return outcome;
    },
  ),
  way('refund-reject', 'an operator says no to a refund', commit('refund.reject'), async (lab, point) => {
    const { bought, id } = await askedFor(lab);
    const no = { reason: 'not in this shop' };
    const doomed = await lab.startWithFailpoint(point);
    await doomed.dies(doomed.api(lab.as('operator')).post(`/refunds/${id}/reject/`, no));
    const again = (): Promise<unknown> => must(lab.front(lab.as('operator')).post(`/refunds/${id}/reject/`, no), 200);
    return { ends: { [bought.paymentId]: PAID, [id]: ['rejected'] }, again };
  }),
  way('refund-carry', 'an operator carries a refund out, and again', SENT, async (lab, point) => {
    const { bought, id } = await askedFor(lab);
    await dieOverCarrying(lab, point, id);
    return { ends: endsOf(bought, id), again: () => approveRefund(lab, id) };
  }),
  way(
    'refund-carry-alone',
    'an operator carries a refund out, and nobody comes back',
    ['refund.intent.after_commit', ...call('refund.send'), ...commit('refund.outcome')],
    async (lab, point) => {
      const { bought, id } = await askedFor(lab);
      await dieOverCarrying(lab, point, id);
      return { ends: endsOf(bought, id) };
    },
  ),
  way(
    'refund-held',
    'an operator carries a refund out for which there is not enough money, and again when there is',
    commit('refund.outcome'),
    async (lab, point) => {
      const { bought, id } = await askedFor(lab);
      const rule: FaultRule = { at: 'refund', do: 'error', status: 403, code: 'NOT_ENOUGH' };
      await lab.withFault(rule, () => dieOverCarrying(lab, point, id));
      return { ends: endsOf(bought, id), again: () => approveRefund(lab, id) };
    },
  ),
  way('refund-check', 'a timer asks about a refund that was sent, or so it may be', ASKED, async (lab, point) => {
    const { bought, id } = await askedFor(lab);
    await lab.withFault(SENT_UNHEARD, () => carryOutByHelper(lab, id));
    await lab.wait(10);
    await (await lab.startWithFailpoint(point, { jobs: true })).dies();
    return { ends: endsOf(bought, id) };
  }),
  way('refund-command', 'an operator lets all refunds be asked about', ASKED, async (lab, point) => {
    const { bought, id } = await askedFor(lab);
    await lab.withFault(SENT_UNHEARD, () => carryOutByHelper(lab, id));
    await lab.wait(10);
    await lab.runWithFailpoint(point, 'sync_refunds');
    return { ends: endsOf(bought, id) };
  }),
  way(
    'refund-send-again',
    'a timer sends a refund that the channel never got, under the same number',
    [...commit('refund.intent'), ...call('refund.send'), ...commit('refund.outcome')],
    async (lab, point) => {
      const { bought, id } = await askedFor(lab);
      await lab.withFault(NEVER_SENT, () => carryOutByHelper(lab, id));
      await lab.wait(10);
      await (await lab.startWithFailpoint(point, { jobs: true })).dies();
      return { ends: endsOf(bought, id) };
    },
  ),
  way('refund-notice', 'the channel announces that a refund was paid', commit('callback'), async (lab, point) => {
    const { bought, id } = await askedFor(lab);
    await carryOutByHelper(lab, id);
    const doomed = await lab.startWithFailpoint(point);
    await lab.withFaults([], async () => {
      lab.sim.settleRefund(id, 'SUCCESS');
      await doomed.dies();
    });
    return { ends: endsOf(bought, id) };
  }),
  way(
    'refund-late',
    'a timer sends the refund of late money',
    ['refund.check.after_claim', ...SENT],
    async (lab, point) => {
      const bought = await closedHere(lab);
      lab.sim.pay(bought.paymentId);
      await must(lab.helper(bought.token).post(`/payments/${bought.paymentId}/sync/`), 200);
      await lab.wait(10);
      await (await lab.startWithFailpoint(point, { jobs: true })).dies();
      return { ends: { [bought.paymentId]: LATE, [refundOfLate(bought)]: ['succeeded'] } };
    },
  ),
  way(
    'refund-elsewhere',
    'an operator sends the money of an abnormal refund elsewhere, and again',
    [...commit('refund.abnormal'), ...call('refund.abnormal'), ...commit('refund.outcome')],
    async (lab, point) => {
      const { bought, id } = await askedFor(lab);
      await carryOutByHelper(lab, id);
      await lab.withFaults([], async () => {
        lab.sim.settleRefund(id, 'ABNORMAL');
        await lab.sim.settled();
      });
      await must(lab.helper(bought.token).get(`/refunds/${id}/`), 200);
      await lab.wait(60);
      await lab.command(['sync_refunds']);
      const target = { to: 'merchant_card' };
      const doomed = await lab.startWithFailpoint(point);
      await doomed.dies(doomed.api(lab.as('operator')).post(`/refunds/${id}/retry-abnormal/`, target));
      const again = async (): Promise<void> => {
        // 503: where the first call got through, the channel says that it is under way. 409: it has arrived.
        await must(lab.front(lab.as('operator')).post(`/refunds/${id}/retry-abnormal/`, target), 200, 409, 503);
      };
      return { ends: endsOf(bought, id), again };
    },
  ),
];

function endsOf({ paymentId }: Bought, refundId: string): Outcome['ends'] {
  return { [paymentId]: PARTLY, [refundId]: ['succeeded'] };
}

/** A paid payment of which a part was asked back. */
async function askedFor(lab: CrashLab): Promise<{ bought: Bought; id: string }> {
  const bought = await lab.paid();
  const body = { payment_id: bought.paymentId, amount: PART };
  return { bought, id: (await must(lab.helper(bought.token).post<{ id: string }>('/refunds/', body), 201)).id };
}

async function approveRefund(lab: CrashLab, id: string): Promise<void> {
  await must(lab.front(lab.as('operator')).post(`/refunds/${id}/succeed/`), 200);
}

async function carryOutByHelper(lab: CrashLab, id: string): Promise<void> {
  await must(lab.helper(lab.as('operator')).post(`/refunds/${id}/succeed/`), 200);
}

async function dieOverCarrying(lab: CrashLab, point: Failpoint, id: string): Promise<void> {
  const doomed = await lab.startWithFailpoint(point);
  await doomed.dies(doomed.api(lab.as('operator')).post(`/refunds/${id}/succeed/`));
}
