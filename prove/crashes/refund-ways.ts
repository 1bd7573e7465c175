import type { FaultRule } from '../../simulator/index.js';
import { type Answer, must } from '../api.js';
import type { Bought, CrashLab } from './lab.js';
import { closedHere, endsOfLate } from './payment-ways.js';
import { crashOverEnd } from './timer-ways.js';
import { call, commit, type Outcome, PAID, type Trigger, type Way, way } from './way.js';

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
/** It is not known whether the call arrived: it did not, and it did. */
const NEVER_SENT: FaultRule = { at: 'refund', do: 'disconnect' };
const SENT_UNHEARD: FaultRule = { ...NEVER_SENT, when: 'after' };

/** A refund of a part was asked for; then the service dies over it. */
function refund(
  name: string,
  about: string,
  through: Way['through'],
  walk: (
    lab: CrashLab,
    point: Parameters<Way['walk']>[1],
    asked: { bought: Bought; id: string },
  ) => Promise<Pick<Outcome, 'again'> | void>,
): Way {
  return way(name, about, through, async (lab, point) => {
    const bought = await lab.paid();
    const id = await askFor(lab, bought);
    const more = await walk(lab, point, { bought, id });
    return { ends: endsOf(bought, id), ...more };
  });
}

/** It was approved under this fault, and is not known to be sent. */
const unknown = (name: string, about: string, through: Way['through'], fault: FaultRule, trigger: Trigger): Way =>
  refund(name, about, through, async (lab, point, { id }) => {
    await lab.withFault(fault, () => operate(lab, id, 'succeed', { by: 'helper' }));
    await lab.time.pass(10);
    await trigger(lab, point);
  });

const crashOver = (lab: CrashLab, point: Parameters<Way['walk']>[1], id: string): Promise<void> =>
  lab.crashOver(point, lab.as('operator'), `/refunds/${id}/succeed/`);

/** Money goes back while the service dies. */
export const REFUND_WAYS: readonly Way[] = [
  way(
    'refund-ask',
    'a payer asks for money back, and again under the same key',
    commit('refund.request'),
    async (lab, point) => {
      const bought = await lab.paid();
      const body = { payment_id: bought.paymentId, amount: PART };
      await lab.crashOver(point, bought.token, '/refunds/', body, bought.orderId);
      const outcome: Outcome = {
        ends: {},
        async again() {
          const payer = lab.front(bought.token);
          const { id } = await must(payer.post<{ id: string }>('/refunds/', body, bought.orderId), 201);
          const { items } = await must(payer.get<{ items: unknown[] }>(`/refunds/?payment_id=${body.payment_id}`), 200);
          if (items.length !== 1) throw new Error(`${items.length} refunds instead of one`);
          outcome.ends = endsOf(bought, id);
          await operate(lab, id, 'succeed');
        },
      };
      return outcome;
    },
  ),
  way('refund-reject', 'an operator says no to a refund', commit('refund.reject'), async (lab, point) => {
    const bought = await lab.paid();
    const id = await askFor(lab, bought);
    const body = { reason: 'not in this shop' };
    await lab.crashOver(point, lab.as('operator'), `/refunds/${id}/reject/`, body);
    const ends = { [bought.paymentId]: PAID, [id]: ['rejected'] };
    return { ends, again: () => operate(lab, id, 'reject', { body }) };
  }),
  way(
    'refund-end-unbound',
    'an operator ends a refund of another merchant number',
    commit('refund.end'),
    async (lab, point) => {
      const bought = await lab.paid();
      const id = await askFor(lab, bought);
      await lab.giveToAnotherMerchant(bought.paymentId);
      const again = await crashOverEnd(lab, point, `/admin/refunds/${id}/end/`);
      return { ends: { [bought.paymentId]: PAID, [id]: ['rejected'] }, again };
    },
  ),
  refund('refund-carry', 'an operator carries a refund out, and again', SENT, async (lab, point, { id }) => {
    await crashOver(lab, point, id);
    return { again: () => operate(lab, id, 'succeed') };
  }),
  refund(
    'refund-carry-alone',
    'an operator carries a refund out, and does not come back',
    ['refund.intent.after_commit', ...call('refund.send'), ...commit('refund.outcome')],
    (lab, point, { id }) => crashOver(lab, point, id),
  ),
  refund(
    'refund-held',
    'an operator carries a refund out for which there is not enough money, and again when there is',
    commit('refund.outcome'),
    async (lab, point, { id }) => {
      const rule: FaultRule = { at: 'refund', do: 'error', status: 403, code: 'NOT_ENOUGH' };
      await lab.withFault(rule, () => crashOver(lab, point, id));
      return { again: () => operate(lab, id, 'succeed') };
    },
  ),
  unknown(
    'refund-check',
    'a timer asks about a refund that was sent, or so it may be',
    ASKED,
    SENT_UNHEARD,
    (lab, point) => lab.crashInTimer(point),
  ),
  unknown('refund-command', 'an operator lets all refunds be asked about', ASKED, SENT_UNHEARD, (lab, point) =>
    lab.crashCommand(point, 'sync_refunds'),
  ),
  unknown(
    'refund-send-again',
    'a timer sends a refund that the channel never got, under the same number',
    SENT,
    NEVER_SENT,
    (lab, point) => lab.crashInTimer(point),
  ),
  refund(
    'refund-notice',
    'the channel announces that a refund was paid',
    commit('callback'),
    async (lab, point, { id }) => {
      await operate(lab, id, 'succeed', { by: 'helper' });
      await lab.crashByNotice(point, () => lab.sim.settleRefund(id, 'SUCCESS'));
    },
  ),
  way(
    'refund-late',
    'a timer sends the refund of late money',
    ['refund.check.after_claim', ...SENT],
    async (lab, point) => {
      const bought = await closedHere(lab);
      lab.sim.pay(bought.paymentId);
      await lab.requests(bought, 'sync', 'helper');
      await lab.time.pass(10);
      await lab.crashInTimer(point);
      return { ends: endsOfLate(bought) };
    },
  ),
  refund(
    'refund-elsewhere',
    'an operator sends the money of an abnormal refund elsewhere, and again',
    [...commit('refund.abnormal'), ...call('refund.abnormal'), ...commit('refund.outcome')],
    async (lab, point, { bought, id }) => {
      await operate(lab, id, 'succeed', { by: 'helper' });
      await lab.withFaults([], async () => {
        lab.sim.settleRefund(id, 'ABNORMAL');
        await lab.sim.settled();
      });
      await must(lab.helper(bought.token).get(`/refunds/${id}/`), 200);
      await lab.time.pass(60);
      await lab.command(['sync_refunds']);
      const body = { to: 'merchant_card' };
      await lab.crashOver(point, lab.as('operator'), `/refunds/${id}/retry-abnormal/`, body);
      // 503: where the first call got through, the channel says that it is under way. 409: it has arrived.
      return { again: () => operate(lab, id, 'retry-abnormal', { body, statuses: [200, 409, 503] }) };
    },
  ),
];

function endsOf({ paymentId }: Bought, refundId: string): Outcome['ends'] {
  return { [paymentId]: PARTLY, [refundId]: ['succeeded'] };
}

/** The payer asks for a part back. Answers the refund's number. */
export async function askFor(lab: CrashLab, { token, paymentId }: Bought): Promise<string> {
  const body = { payment_id: paymentId, amount: PART };
  return (await must(lab.helper(token).post<{ id: string }>('/refunds/', body), 201)).id;
}

/** An operator decides on a refund: at the service that was killed, or at the helper. */
export async function operate(
  lab: CrashLab,
  id: string,
  what: 'succeed' | 'reject' | 'retry-abnormal',
  {
    by = 'front',
    body,
    statuses = [200],
  }: { by?: 'front' | 'helper'; body?: object; statuses?: Answer['status'][] } = {},
): Promise<void> {
  await must(lab[by](lab.as('operator')).post(`/refunds/${id}/${what}/`, body), ...statuses);
}
