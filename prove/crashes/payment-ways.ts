import { must } from './api.js';
import type { Bought, CrashLab } from './lab.js';
import { call, commit, EXPIRED, LATE, type Outcome, PAID, UNPAID, type Way } from './way.js';

const START = ['payment.start.before_intent', ...call('payment.start'), 'payment.start.after_commit'] as const;

/** What an owner does with payments while the service dies. */
export const PAYMENT_WAYS: readonly Way[] = [
  {
    name: 'order',
    about: "the shop's backend places an order, and again under the same key",
    through: ['order.create.after_commit'],
    async walk(lab, point) {
      const { id } = await lab.customer();
      const order = { user_id: id, description: 'Two cups of tea', amount: 700 };
      const doomed = await lab.doom(point);
      await doomed.dies(doomed.api(lab.as('service')).post('/orders/', order, id));
      return {
        ends: {},
        async again() {
          await must(lab.front(lab.as('service')).post('/orders/', order, id), 201);
          await exactlyOne(lab, 'orders', 'user_id', id);
        },
      };
    },
  },
  {
    name: 'create',
    about: 'a payment is made, and again under the same key',
    through: commit('payment.create'),
    async walk(lab, point) {
      const { token, orderId, amount } = await lab.order();
      const doomed = await lab.doom(point);
      const body = { order_id: orderId };
      await doomed.dies(doomed.api(token).post('/payments/', body, orderId));
      const outcome: Outcome = {
        ends: {},
        async again() {
          const { id } = await must(lab.front(token).post<{ id: string }>('/payments/', body, orderId), 201);
          await exactlyOne(lab, 'payments', 'order_id', orderId);
          outcome.ends = { [id]: PAID };
          await lab.startsAndPays({ token, orderId, amount, paymentId: id });
        },
      };
      return outcome;
    },
  },
  {
    name: 'start',
    about: 'a payment is started, and again by its owner, who pays',
    through: START,
    async walk(lab, point) {
      const bought = await lab.buy();
      await dieOver(lab, point, bought, 'start');
      return { ends: { [bought.paymentId]: PAID }, again: () => lab.startsAndPays(bought) };
    },
  },
  {
    name: 'start-alone',
    about: 'a payment is started and nobody comes back; what the channel has of it is paid',
    through: START,
    async walk(lab, point) {
      const { paymentId, ...bought } = await lab.buy();
      await dieOver(lab, point, { paymentId, ...bought }, 'start');
      const known = lab.sim.ledger({ out_trade_no: paymentId }).transactions.length > 0;
      if (known) lab.sim.pay(paymentId);
      return { ends: { [paymentId]: known ? PAID : EXPIRED } };
    },
  },
  {
    name: 'start-refused',
    about: 'the channel refuses a payment for good: it is closed there, then failed',
    through: [...call('payment.start_close'), ...commit('payment.settle')],
    async walk(lab, point) {
      const bought = await lab.buy();
      const rule = { at: 'order', do: 'error', status: 400, code: 'PARAM_ERROR' } as const;
      await lab.withFault(rule, () => dieOver(lab, point, bought, 'start'));
      return { ends: { [bought.paymentId]: UNPAID } };
    },
  },
  {
    name: 'start-paid',
    about: 'a payment whose first start was never answered is paid, and started again',
    through: [...call('payment.start_query'), ...commit('payment.settle')],
    async walk(lab, point) {
      const bought = await lab.buy();
      await lab.withFault({ at: 'order', do: 'disconnect', when: 'after' }, async () => {
        await must(lab.helper(bought.token).post(`/payments/${bought.paymentId}/start/`), 503);
      });
      lab.sim.pay(bought.paymentId);
      await dieOver(lab, point, bought, 'start');
      return { ends: { [bought.paymentId]: PAID } };
    },
  },
  {
    name: 'start-cancelled',
    about: 'a payment is cancelled while its start waits for the channel, whose order is closed again',
    through: call('payment.cancel'),
    async walk(lab, point) {
      const { token, paymentId } = await lab.buy();
      await lab.withFault({ at: 'order', do: 'delay', ms: 1500 }, async () => {
        const doomed = await lab.doom(point);
        const starting = doomed.api(token).post(`/payments/${paymentId}/start/`);
        await until(async () => (await statusOf(lab, paymentId)) === 'processing');
        await must(lab.helper(token).post(`/payments/${paymentId}/cancel/`), 200);
        await doomed.dies(starting);
      });
      return { ends: { [paymentId]: ['closed/cancelled'] } };
    },
  },
  {
    name: 'cancel',
    about: 'a started payment is cancelled, and again by its owner',
    through: [...call('payment.cancel'), ...commit('payment.settle')],
    async walk(lab, point) {
      const bought = await lab.started();
      await dieOver(lab, point, bought, 'cancel');
      const again = (): Promise<unknown> =>
        must(lab.front(bought.token).post(`/payments/${bought.paymentId}/cancel/`), 200);
      return { ends: { [bought.paymentId]: ['closed/cancelled'] }, again: async () => void (await again()) };
    },
  },
  {
    name: 'cancel-alone',
    about: 'a started payment is cancelled and nobody comes back',
    through: [...call('payment.cancel'), ...commit('payment.settle')],
    async walk(lab, point) {
      const bought = await lab.started();
      await dieOver(lab, point, bought, 'cancel');
      return { ends: { [bought.paymentId]: UNPAID } };
    },
  },
  {
    name: 'cancel-paid',
    about: 'a payment is cancelled that was paid a moment ago',
    through: [...call('payment.cancel'), ...commit('payment.settle')],
    async walk(lab, point) {
      const bought = await lab.started();
      lab.sim.pay(bought.paymentId);
      await dieOver(lab, point, bought, 'cancel');
      return { ends: { [bought.paymentId]: PAID } };
    },
  },
  {
    name: 'cancel-unsent',
    about: 'a payment is cancelled that the channel never heard of',
    through: commit('payment.close_unsent'),
    async walk(lab, point) {
      const bought = await lab.buy();
      await dieOver(lab, point, bought, 'cancel');
      return { ends: { [bought.paymentId]: UNPAID } };
    },
  },
  {
    name: 'sync',
    about: 'the owner of a paid payment asks about it',
    through: [...call('payment.sync'), ...commit('payment.settle')],
    async walk(lab, point) {
      const bought = await lab.started();
      lab.sim.pay(bought.paymentId);
      await dieOver(lab, point, bought, 'sync');
      return { ends: { [bought.paymentId]: PAID } };
    },
  },
  {
    name: 'sync-late',
    about: 'the owner asks about a closed payment that was paid all the same',
    through: [...call('payment.sync'), ...commit('payment.settle')],
    async walk(lab, point) {
      const bought = await closedHere(lab);
      lab.sim.pay(bought.paymentId);
      await dieOver(lab, point, bought, 'sync');
      const again = (): Promise<unknown> =>
        must(lab.front(bought.token).post(`/payments/${bought.paymentId}/sync/`), 200);
      const ends = { [bought.paymentId]: LATE, [refundOfLate(bought)]: ['succeeded'] };
      return { ends, again: async () => void (await again()) };
    },
  },
];

/** The service dies over the owner's request. */
export async function dieOver(
  lab: CrashLab,
  point: Parameters<CrashLab['doom']>[0],
  { token, paymentId }: Bought,
  what: 'start' | 'cancel' | 'sync',
): Promise<void> {
  const doomed = await lab.doom(point);
  await doomed.dies(doomed.api(token).post(`/payments/${paymentId}/${what}/`));
}

/** A payment that Paydesk believes to be closed and the channel keeps open. */
export async function closedHere(lab: CrashLab): Promise<Bought> {
  const bought = await lab.started();
  const { token, paymentId } = bought;
  await lab.withFault({ at: 'close', do: 'error', status: 404, code: 'ORDER_NOT_EXIST' }, async () => {
    await must(lab.helper(token).post(`/payments/${paymentId}/cancel/`), 200);
  });
  return bought;
}

/** The number of the refund of late money is that of its payment. */
export function refundOfLate({ paymentId }: Bought): string {
  return paymentId.replace('pay_', 'ref_');
}

export async function statusOf({ db }: CrashLab, paymentId: string): Promise<string | undefined> {
  const { rows } = await db.query<{ status: string }>('SELECT status FROM payments WHERE id = $1', [paymentId]);
  return rows[0]?.status;
}

/** Polls until it is so. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const giveUp = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > giveUp) throw new Error('it does not come to be so');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function exactlyOne({ db }: CrashLab, table: string, column: string, value: string): Promise<void> {
  const { rows } = await db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM ${table} WHERE ${column} = $1`,
    [value],
  );
  if (rows[0]?.count !== 1) throw new Error(`${rows[0]?.count} rows of ${table} instead of one`);
}
