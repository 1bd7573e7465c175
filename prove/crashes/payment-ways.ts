import { must } from '../shop.js';
import type { Bought, CrashLab } from './lab.js';
import { call, commit, EXPIRED, LATE, type Outcome, PAID, UNPAID, type Way, way } from './way.js';

const START = ['payment.start.before_intent', ...call('payment.start'), 'payment.start.after_commit'] as const;

const CANCEL = [...call('payment.cancel'), ...commit('payment.settle')] as const;
const SYNC = [...call('payment.sync'), ...commit('payment.settle')] as const;

/** A payment is prepared, and the service dies over one request of its owner, who does not come back. */
function owner(
  name: string,
  about: string,
  {
    through,
    what,
    ends,
    prepare,
  }: Pick<Way, 'through'> & {
    what: 'start' | 'cancel' | 'sync';
    ends: readonly string[];
    prepare: (lab: CrashLab) => Promise<Bought>;
  },
): Way {
  return way(name, about, through, async (lab, point) => {
    const bought = await prepare(lab);
    await dieOver(lab, point, bought, what);
    return { ends: { [bought.paymentId]: ends } };
  });
}

/** What an owner does with payments while the service dies. */
export const PAYMENT_WAYS: readonly Way[] = [
  way(
    'order',
    "the shop's backend places an order, and again under the same key",
    ['order.create.after_commit'],
    async (lab, point) => {
      const { id } = await lab.customer();
      const order = { user_id: id, description: 'Two cups of tea', amount: 700 };
      const doomed = await lab.startWithFailpoint(point);
      await doomed.dies(doomed.api(lab.as('service')).post('/orders/', order, id));
      return {
        ends: {},
        async again() {
          await must(lab.front(lab.as('service')).post('/orders/', order, id), 201);
          await exactlyOne(lab, 'orders', 'user_id', id);
        },
      };
    },
  ),
  way('create', 'a payment is made, and again under the same key', commit('payment.create'), async (lab, point) => {
    const { token, orderId, amount } = await lab.order();
    const doomed = await lab.startWithFailpoint(point);
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
  }),
  way('start', 'a payment is started, and again by its owner, who pays', START, async (lab, point) => {
    const bought = await lab.buy();
    await dieOver(lab, point, bought, 'start');
    return { ends: { [bought.paymentId]: PAID }, again: () => lab.startsAndPays(bought) };
  }),
  way(
    'start-alone',
    'a payment is started and nobody comes back; what the channel has of it is paid',
    START,
    async (lab, point) => {
      const { paymentId, ...bought } = await lab.buy();
      await dieOver(lab, point, { paymentId, ...bought }, 'start');
      const known = lab.sim.ledger({ out_trade_no: paymentId }).transactions.length > 0;
      if (known) lab.sim.pay(paymentId);
      return { ends: { [paymentId]: known ? PAID : EXPIRED } };
    },
  ),
  way(
    'start-refused',
    'the channel refuses a payment for good: it is closed there, then failed',
    [...call('payment.start_close'), ...commit('payment.settle')],
    async (lab, point) => {
      const bought = await lab.buy();
      const rule = { at: 'order', do: 'error', status: 400, code: 'PARAM_ERROR' } as const;
      await lab.withFault(rule, () => dieOver(lab, point, bought, 'start'));
      return { ends: { [bought.paymentId]: UNPAID } };
    },
  ),
  owner('start-paid', 'a payment whose first start was never answered is paid, and started again', {
    through: [...call('payment.start_query'), ...commit('payment.settle')],
    what: 'start',
    ends: PAID,
    async prepare(lab) {
      const bought = await lab.buy();
      await lab.withFault({ at: 'order', do: 'disconnect', when: 'after' }, async () => {
        await must(lab.helper(bought.token).post(`/payments/${bought.paymentId}/start/`), 503);
      });
      lab.sim.pay(bought.paymentId);
      return bought;
    },
  }),
  way(
    'start-cancelled',
    'a payment is cancelled while its start waits for the channel, whose order is closed again',
    call('payment.cancel'),
    async (lab, point) => {
      const { token, paymentId } = await lab.buy();
      await lab.withFault({ at: 'order', do: 'delay', ms: 1500 }, async () => {
        const doomed = await lab.startWithFailpoint(point);
        const starting = doomed.api(token).post(`/payments/${paymentId}/start/`);
        await until(async () => (await statusOf(lab, paymentId)) === 'processing');
        await must(lab.helper(token).post(`/payments/${paymentId}/cancel/`), 200);
        await doomed.dies(starting);
      });
      return { ends: { [paymentId]: ['closed/cancelled'] } };
    },
  ),
  way('cancel', 'a started payment is cancelled, and again by its owner', CANCEL, async (lab, point) => {
    const bought = await lab.started();
    await dieOver(lab, point, bought, 'cancel');
    const again = (): Promise<unknown> =>
      must(lab.front(bought.token).post(`/payments/${bought.paymentId}/cancel/`), 200);
    return { ends: { [bought.paymentId]: ['closed/cancelled'] }, again };
  }),
  owner('cancel-alone', 'a started payment is cancelled and nobody comes back', {
    through: CANCEL,
    what: 'cancel',
    ends: UNPAID,
    prepare: (lab) => lab.started(),
  }),
  owner('cancel-paid', 'a payment is cancelled that was paid a moment ago', {
    through: CANCEL,
    what: 'cancel',
    ends: PAID,
    prepare: paidUnheard,
  }),
  owner('cancel-unsent', 'a payment is cancelled that the channel never heard of', {
    through: commit('payment.close_unsent'),
    what: 'cancel',
    ends: UNPAID,
    prepare: (lab) => lab.buy(),
  }),
  owner('sync', 'the owner of a paid payment asks about it', {
    through: SYNC,
    what: 'sync',
    ends: PAID,
    prepare: paidUnheard,
  }),
  way('sync-late', 'the owner asks about a closed payment that was paid all the same', SYNC, async (lab, point) => {
    const bought = await closedHere(lab);
    lab.sim.pay(bought.paymentId);
    await dieOver(lab, point, bought, 'sync');
    const again = (): Promise<unknown> =>
      must(lab.front(bought.token).post(`/payments/${bought.paymentId}/sync/`), 200);
    const ends = { [bought.paymentId]: LATE, [refundOfLate(bought)]: ['succeeded'] };
    return { ends, again };
  }),
];

/** The service dies over the owner's request. */
export async function dieOver(
  lab: CrashLab,
  point: Parameters<CrashLab['startWithFailpoint']>[0],
  { token, paymentId }: Bought,
  what: 'start' | 'cancel' | 'sync',
): Promise<void> {
  const doomed = await lab.startWithFailpoint(point);
  await doomed.dies(doomed.api(token).post(`/payments/${paymentId}/${what}/`));
}

/** Paid at the channel, and nobody said so. */
export async function paidUnheard(lab: CrashLab): Promise<Bought> {
  const bought = await lab.started();
  lab.sim.pay(bought.paymentId);
  return bought;
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
