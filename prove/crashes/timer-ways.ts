import { must } from '../shop.js';
import { closedHere, paidUnheard, refundOfLate } from './payment-ways.js';
import { call, commit, EXPIRED, LATE, PAID, type Way, way } from './way.js';

const CHECK = [
  'payment.check.after_claim',
  ...call('payment.check_query'),
  'payment.check.after_call',
  ...commit('payment.check'),
] as const;
const CLOSE = [...call('payment.check_close'), ...commit('payment.check')] as const;

/** What timers, commands and the channel's notices do with payments while the service dies. */
export const TIMER_WAYS: readonly Way[] = [
  way('check', 'a timer asks about a payment that was paid', CHECK, async (lab, point) => {
    const { paymentId } = await paidUnheard(lab);
    await lab.wait(10);
    await (await lab.startWithFailpoint(point, { jobs: true })).dies();
    return { ends: { [paymentId]: PAID } };
  }),
  way(
    'check-open',
    'a timer asks about a payment that is paid later',
    ['payment.check.after_claim', 'payment.check.after_schedule'],
    async (lab, point) => {
      const bought = await lab.started();
      await lab.wait(10);
      await (await lab.startWithFailpoint(point, { jobs: true })).dies();
      return { ends: { [bought.paymentId]: PAID }, again: () => lab.startsAndPays(bought) };
    },
  ),
  way('check-command', 'an operator lets all payments be asked about', CHECK, async (lab, point) => {
    const { paymentId } = await paidUnheard(lab);
    await lab.runWithFailpoint(point, 'reconcile_payments');
    return { ends: { [paymentId]: PAID } };
  }),
  way('expire', 'a timer closes a payment whose time is over', CLOSE, async (lab, point) => {
    const bought = await lab.started();
    await lab.endLife(bought.orderId);
    await (await lab.startWithFailpoint(point, { jobs: true })).dies();
    return { ends: { [bought.paymentId]: EXPIRED } };
  }),
  way('expire-command', 'an operator closes the payments whose time is over', CLOSE, async (lab, point) => {
    const bought = await lab.started();
    await lab.endLife(bought.orderId);
    await lab.runWithFailpoint(point, 'expire_payments');
    return { ends: { [bought.paymentId]: EXPIRED } };
  }),
  way(
    'expire-paid',
    'a payment is paid when its time is over and the service died before it closed it',
    ['payment.check.after_claim', 'payment.check_close.before_call'],
    async (lab, point) => {
      const bought = await lab.started();
      await lab.endLife(bought.orderId);
      await (await lab.startWithFailpoint(point, { jobs: true })).dies();
      lab.sim.pay(bought.paymentId);
      return { ends: { [bought.paymentId]: PAID } };
    },
  ),
  way(
    'expire-order',
    'an order that nobody pays is cancelled when its time is over',
    commit('order.expire'),
    async (lab, point) => {
      const { orderId } = await lab.order();
      await lab.endLife(orderId);
      await lab.runWithFailpoint(point, 'expire_payments');
      return { ends: {} };
    },
  ),
  way('notice', 'the channel announces that a payment was paid', commit('callback'), async (lab, point) => {
    const { paymentId } = await lab.started();
    const doomed = await lab.startWithFailpoint(point);
    await lab.withFaults([], async () => {
      lab.sim.pay(paymentId);
      await doomed.dies();
    });
    return { ends: { [paymentId]: PAID } };
  }),
  way(
    'notice-late',
    'the channel announces that a closed payment was paid all the same',
    commit('callback'),
    async (lab, point) => {
      const bought = await closedHere(lab);
      const doomed = await lab.startWithFailpoint(point);
      await lab.withFaults([], async () => {
        lab.sim.pay(bought.paymentId);
        await doomed.dies();
      });
      // A closed payment is asked about by nobody: the notice comes again, as it does until it is answered.
      const again = async (): Promise<void> => {
        lab.sim.resend(lab.sim.notices({ out_trade_no: bought.paymentId })[0]?.id ?? '');
        await lab.sim.settled();
      };
      return { ends: { [bought.paymentId]: LATE, [refundOfLate(bought)]: ['succeeded'] }, again };
    },
  ),
  way('notice-refused', 'a stranger calls back', commit('callback.refused'), async (lab, point) => {
    const { paymentId } = await lab.started();
    const doomed = await lab.startWithFailpoint(point);
    await doomed.dies(doomed.api().post('/payments/callback/wechat/', { out_trade_no: paymentId }));
    return { ends: { [paymentId]: EXPIRED } };
  }),
  way(
    'case-resolved',
    'an operator resolves a case of an amount that did not fit',
    commit('case.resolve'),
    async (lab, point) => {
      const { token, paymentId } = await paidUnheard(lab);
      await lab.withFault({ at: 'query', do: 'wrong_amount' }, async () => {
        await must(lab.helper(token).post(`/payments/${paymentId}/sync/`), 200);
      });
      const { rows } = await lab.db.query<{ id: string }>('SELECT id FROM discrepancies WHERE payment_id = $1', [
        paymentId,
      ]);
      const path = `/admin/reconciliation/discrepancies/${rows[0]?.id ?? 'none'}/resolve/`;
      const resolve = { note: 'the channel said something else since' };
      const doomed = await lab.startWithFailpoint(point);
      await doomed.dies(doomed.api(lab.as('operator')).post(path, resolve));
      const again = (): Promise<unknown> => must(lab.front(lab.as('operator')).post(path, resolve), 200, 201, 409);
      return { ends: { [paymentId]: PAID }, again };
    },
  ),
];
