import { waitFor } from '../../dev/wait-for.js';
import { must } from '../api.js';
import { lateRefundOf } from '../histories/model.js';
import type { Bought, CrashLab } from './lab.js';
import { call, commit, EXPIRED, LATE, type Outcome, PAID, UNPAID, type Way, way } from './way.js';

const START = ['payment.start.before_intent', ...call('payment.start'), 'payment.start.after_commit'] as const;
const CANCEL = [...call('payment.cancel'), ...commit('payment.settle')] as const;
const SYNC = [...call('payment.sync'), ...commit('payment.settle')] as const;

type Request = 'start' | 'cancel' | 'sync';

/** A payment is prepared, and the service dies over one request of its owner, who does not come back. */
function owner(
  name: string,
  about: string,
  request: Request,
  through: Way['through'],
  ends: readonly string[],
  prepare: (lab: CrashLab) => Promise<Bought>,
): Way {
  return way(name, about, through, async (lab, point) => {
    const bought = await prepare(lab);
    await crashOver(lab, point, bought, request);
    return { ends: { [bought.paymentId]: ends } };
  });
}

/** What an owner does with payments while the service dies. */
export const PAYMENT_WAYS: readonly Way[] = [
  way(
    'order',
    "the shop's backend places an order, and again under the same key",
    commit('order.create'),
    async (lab, point) => {
      const { id } = await lab.customer();
      const order = { user_id: id, description: 'Two cups of tea', amount: 700 };
      await lab.crashOver(point, lab.as('service'), '/orders/', order, id);
      return {
        ends: {},
        async again() {
          await must(lab.front(lab.as('service')).post('/orders/', order, id), 201);
          await exactlyOne(lab, 'orders', 'user_id', id);
        },
      };
    },
  ),
  way(
    'place-and-start',
    "the shop's backend places an order under its own number and starts it in one call, and again",
    ['order.create.after_commit', ...commit('payment.create'), ...START],
    async (lab, point) => {
      const { id } = await lab.customer();
      const service = lab.as('service');
      const order = {
        ...{ external_id: `${id}:${point}`.slice(-64), user_id: id, description: 'Two cups of tea', amount: 700 },
        start: { scene: 'jsapi' },
      };
      await lab.crashOver(point, service, '/orders/', order);
      const outcome: Outcome = {
        ends: {},
        async again() {
          const { payment } = await must(lab.front(service).post<{ payment: { id: string } }>('/orders/', order), 200);
          await exactlyOne(lab, 'orders', 'user_id', id);
          lab.sim.pay(payment.id);
          outcome.ends = { [payment.id]: PAID };
        },
      };
      return outcome;
    },
  ),
  way(
    'order-cancel',
    'an order that was not paid is cancelled, and again',
    commit('order.cancel'),
    async (lab, point) => {
      const { token, orderId } = await lab.order();
      await lab.crashOver(point, token, `/orders/${orderId}/cancel/`);
      return {
        ends: {},
        async again() {
          const { status } = await must(lab.front(token).post<{ status: string }>(`/orders/${orderId}/cancel/`), 200);
          if (status !== 'cancelled') throw new Error(`the order is ${status}`);
        },
      };
    },
  ),
  way('create', 'a payment is made, and again under the same key', commit('payment.create'), async (lab, point) => {
    const { token, orderId, amount } = await lab.order();
    const body = { order_id: orderId };
    await lab.crashOver(point, token, '/payments/', body, orderId);
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
    await crashOver(lab, point, bought, 'start');
    return { ends: { [bought.paymentId]: PAID }, again: () => lab.startsAndPays(bought) };
  }),
  way(
    'start-alone',
    'a payment is started and its owner does not come back; what the channel has of it is paid',
    START,
    async (lab, point) => {
      const bought = await lab.buy();
      const { paymentId } = bought;
      await crashOver(lab, point, bought, 'start');
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
      await lab.withFault(rule, () => crashOver(lab, point, bought, 'start'));
      return { ends: { [bought.paymentId]: UNPAID } };
    },
  ),
  owner(
    'start-paid',
    'a payment whose first start was never answered is paid, and started again',
    'start',
    [...call('payment.start_query'), ...commit('payment.settle')],
    PAID,
    async (lab) => {
      const bought = await lab.buy();
      await lab.withFault({ at: 'order', do: 'disconnect', when: 'after' }, () =>
        lab.requests(bought, 'start', 'helper', 503),
      );
      lab.sim.pay(bought.paymentId);
      return bought;
    },
  ),
  way(
    'start-cancelled',
    'a payment is cancelled while its start waits for the channel, whose order is closed again',
    call('payment.cancel'),
    async (lab, point) => {
      const bought = await lab.buy();
      const { token, paymentId } = bought;
      await lab.withFault({ at: 'order', do: 'delay', ms: 1500 }, () =>
        lab.crash(point, async () => {
          const starting = lab.front(token).post(`/payments/${paymentId}/start/`);
          await waitFor(() => isProcessing(lab, paymentId), { within: 20_000, every: 20 });
          await lab.requests(bought, 'cancel', 'helper');
          return starting;
        }),
      );
      return { ends: { [paymentId]: ['closed/cancelled'] } };
    },
  ),
  way('cancel', 'a started payment is cancelled, and again by its owner', CANCEL, async (lab, point) => {
    const bought = await lab.started();
    await crashOver(lab, point, bought, 'cancel');
    return { ends: { [bought.paymentId]: ['closed/cancelled'] }, again: () => lab.requests(bought, 'cancel') };
  }),
  owner(
    'cancel-alone',
    'a started payment is cancelled and its owner does not come back',
    'cancel',
    CANCEL,
    UNPAID,
    (lab) => lab.started(),
  ),
  owner('cancel-paid', 'a payment is cancelled that was paid a moment ago', 'cancel', CANCEL, PAID, paidUnheard),
  owner(
    'cancel-unsent',
    'a payment is cancelled that the channel never heard of',
    'cancel',
    commit('payment.close_unsent'),
    UNPAID,
    (lab) => lab.buy(),
  ),
  owner('sync', 'the owner of a paid payment asks about it', 'sync', SYNC, PAID, paidUnheard),
  way('sync-late', 'the owner asks about a closed payment that was paid all the same', SYNC, async (lab, point) => {
    const bought = await closedHere(lab);
    lab.sim.pay(bought.paymentId);
    await crashOver(lab, point, bought, 'sync');
    return { ends: endsOfLate(bought), again: () => lab.requests(bought, 'sync') };
  }),
];

function crashOver(
  lab: CrashLab,
  point: Parameters<Way['walk']>[1],
  { token, paymentId }: Bought,
  request: Request,
): Promise<void> {
  return lab.crashOver(point, token, `/payments/${paymentId}/${request}/`);
}

/** Paid at the channel, and not known here. */
export async function paidUnheard(lab: CrashLab): Promise<Bought> {
  const bought = await lab.started();
  lab.sim.pay(bought.paymentId);
  return bought;
}

/** A payment that Paydesk believes to be closed and the channel keeps open. */
export async function closedHere(lab: CrashLab): Promise<Bought> {
  const bought = await lab.started();
  await lab.withFault({ at: 'close', do: 'error', status: 404, code: 'ORDER_NOT_EXIST' }, () =>
    lab.requests(bought, 'cancel', 'helper'),
  );
  return bought;
}

/** Its money came when its order could no longer take it, and goes back. */
export function endsOfLate({ paymentId }: Bought): Outcome['ends'] {
  return { [paymentId]: LATE, [lateRefundOf(paymentId)]: ['succeeded'] };
}

async function isProcessing({ db }: CrashLab, paymentId: string): Promise<boolean> {
  const { rows } = await db.query('SELECT FROM payments WHERE id = $1 AND status = $2', [paymentId, 'processing']);
  return rows.length > 0;
}

async function exactlyOne({ db }: CrashLab, table: string, column: string, value: string): Promise<void> {
  const { rows } = await db.query(`SELECT FROM ${table} WHERE ${column} = $1`, [value]);
  if (rows.length !== 1) throw new Error(`${rows.length} rows of ${table} instead of one`);
}
