import type { Failpoint } from '../../src/common/failpoints.js';
import type { CrashLab } from './lab.js';
import { askFor, operate } from './refund-ways.js';
import { call, commit, type Outcome, PAID, type Way, way } from './way.js';

const DAY_AND_A_HALF = 36 * 3600;

/** A day is compared with the channel's bill while the process dies. They move the channel's clock: in a lab of their own. */
export const BILL_WAYS: readonly Way[] = [
  way(
    'bill',
    'an operator compares a day of whose payment there was no notice, and again',
    [
      'bill.run.after_begin',
      ...call('bill.trade'),
      ...call('bill.funds'),
      ...call('payment.recheck'),
      ...commit('payment.settle'),
      'bill.run.after_matches',
      'bill.run.after_finish',
    ],
    async (lab, point) => {
      const { paymentId } = await lab.started();
      lab.sim.pay(paymentId);
      return compared(lab, point, { [paymentId]: PAID });
    },
  ),
  way(
    'bill-refund',
    'an operator compares a day of whose refund there was no notice that it was paid, and again',
    [...call('refund.query'), ...commit('refund.outcome')],
    async (lab, point) => {
      const bought = await lab.paid();
      const { paymentId } = bought;
      const id = await askFor(lab, bought);
      await operate(lab, id, 'succeed', { by: 'helper' });
      lab.sim.settleRefund(id, 'SUCCESS');
      return compared(lab, point, { [paymentId]: ['succeeded/partially_refunded'], [id]: ['succeeded'] });
    },
  ),
  way(
    'bill-case',
    'an operator compares a day whose bill has a payment that we never saw, and again',
    commit('case.open'),
    async (lab, point) => {
      const { paymentId } = await lab.paid();
      return compared(lab, point, { [paymentId]: PAID }, 1);
    },
  ),
];

/** The command dies; it is given again when the service runs. */
async function compared(lab: CrashLab, point: Failpoint, ends: Outcome['ends'], extra = 0): Promise<Outcome> {
  const day = lab.sim.now().slice(0, 10);
  await lab.sim.advance(DAY_AND_A_HALF);
  if (extra > 0) lab.sim.billDifferences(day, { count: { extra } });
  const words = ['reconcile_bill', '--date', day];
  await lab.crashCommand(point, ...words);
  return {
    ends,
    async again() {
      const how = await lab.command(words);
      if (how !== '0' && how !== '1') throw new Error(`${words.join(' ')} ended by ${how}`);
    },
  };
}
