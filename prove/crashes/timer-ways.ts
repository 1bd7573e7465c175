import type { Failpoint } from '../../src/common/failpoints.js';
import { must } from '../api.js';
import type { CrashLab } from './lab.js';
import { closedHere, endsOfLate, paidUnheard } from './payment-ways.js';
import { call, commit, EXPIRED, PAID, type Trigger, type Way, way } from './way.js';

const CHECK = [
  'payment.check.after_claim',
  ...call('payment.check_query'),
  'payment.check.after_call',
  ...commit('payment.check'),
] as const;
const CLOSE = [...call('payment.check_close'), ...commit('payment.check')] as const;

function check(name: string, about: string, trigger: Trigger): Way {
  return way(name, about, CHECK, async (lab, point) => {
    const { paymentId } = await paidUnheard(lab);
    await lab.time.pass(10);
    await trigger(lab, point);
    return { ends: { [paymentId]: PAID } };
  });
}

function expire(name: string, about: string, trigger: Trigger): Way {
  return way(name, about, CLOSE, async (lab, point) => {
    const bought = await lab.started();
    await lab.time.endLife(bought.orderId);
    await trigger(lab, point);
    return { ends: { [bought.paymentId]: EXPIRED } };
  });
}

/** What timers, commands and the channel's notices do with payments while the service dies. */
export const TIMER_WAYS: readonly Way[] = [
  check('check', 'a timer asks about a payment that was paid', (lab, point) => lab.crashInTimer(point)),
  check('check-command', 'an operator lets all payments be asked about', (lab, point) =>
    lab.crashCommand(point, 'reconcile_payments'),
  ),
  way(
    'check-open',
    'a timer asks about a payment that is paid later',
    ['payment.check.after_claim', 'payment.check.after_schedule'],
    async (lab, point) => {
      const bought = await lab.started();
      await lab.time.pass(10);
      await lab.crashInTimer(point);
      return { ends: { [bought.paymentId]: PAID }, again: () => lab.startsAndPays(bought) };
    },
  ),
  expire('expire', 'a timer closes a payment whose time is over', (lab, point) => lab.crashInTimer(point)),
  expire('expire-command', 'an operator closes the payments whose time is over', (lab, point) =>
    lab.crashCommand(point, 'expire_payments'),
  ),
  way(
    'expire-paid',
    'a payment is paid when its time is over and the service died before it closed it',
    ['payment.check.after_claim', 'payment.check_close.before_call'],
    async (lab, point) => {
      const { orderId, paymentId } = await lab.started();
      await lab.time.endLife(orderId);
      await lab.crashInTimer(point);
      lab.sim.pay(paymentId);
      return { ends: { [paymentId]: PAID } };
    },
  ),
  way(
    'expire-order',
    'an order that is not being paid is cancelled when its time is over',
    commit('order.expire'),
    async (lab, point) => {
      const { orderId } = await lab.order();
      await lab.time.endLife(orderId);
      await lab.crashCommand(point, 'expire_payments');
      return { ends: {} };
    },
  ),
  way(
    'end-unbound',
    'an operator ends a payment of another merchant number',
    commit('payment.end'),
    async (lab, point) => {
      const { paymentId } = await lab.buy();
      await lab.giveToAnotherMerchant(paymentId);
      const again = await crashOverEnd(lab, point, `/admin/payments/${paymentId}/end/`);
      return { ends: { [paymentId]: ['closed/cancelled'] }, again };
    },
  ),
  way('notice', 'the channel announces that a payment was paid', commit('callback'), async (lab, point) => {
    const { paymentId } = await lab.started();
    await lab.crashByNotice(point, () => lab.sim.pay(paymentId));
    return { ends: { [paymentId]: PAID } };
  }),
  way(
    'notice-late',
    'the channel announces that a closed payment was paid all the same',
    commit('callback'),
    async (lab, point) => {
      const bought = await closedHere(lab);
      const { paymentId } = bought;
      await lab.crashByNotice(point, () => lab.sim.pay(paymentId));
      // A closed payment is not asked about any more: the notice comes again, as it does until it is answered.
      const again = async (): Promise<void> => {
        lab.sim.resend(lab.sim.notices({ out_trade_no: paymentId })[0]?.id ?? '');
        await lab.sim.settled();
      };
      return { ends: endsOfLate(bought), again };
    },
  ),
  way('notice-refused', 'a stranger calls back', commit('callback.refused'), async (lab, point) => {
    const { paymentId } = await lab.started();
    await lab.crashOver(point, undefined, '/payments/callback/wechat/', { out_trade_no: paymentId });
    return { ends: { [paymentId]: EXPIRED } };
  }),
  way(
    'case-resolved',
    'an operator resolves a case of an amount that did not fit',
    commit('case.resolve'),
    async (lab, point) => {
      const bought = await paidUnheard(lab);
      const { paymentId } = bought;
      await lab.withFault({ at: 'query', do: 'wrong_amount' }, () => lab.requests(bought, 'sync', 'helper'));
      const text = 'SELECT id FROM discrepancies WHERE payment_id = $1';
      const { rows } = await lab.db.query<{ id: string }>(text, [paymentId]);
      const path = `/admin/reconciliation/discrepancies/${rows[0]?.id ?? 'none'}/resolve/`;
      const resolve = { note: 'the channel said something else since' };
      await lab.crashOver(point, lab.as('operator'), path, resolve);
      const again = (): Promise<unknown> => must(lab.front(lab.as('operator')).post(path, resolve), 200, 201, 409);
      return { ends: { [paymentId]: PAID }, again };
    },
  ),
];

/** An operator ends a row whose provider is not bound; answers what they do when the service runs again. */
export async function crashOverEnd(lab: CrashLab, point: Failpoint, path: string): Promise<() => Promise<unknown>> {
  const end = { note: 'the merchant number has changed' };
  await lab.crashOver(point, lab.as('operator'), path, end);
  return () => must(lab.front(lab.as('operator')).post(path, end), 200, 409);
}
