import type { Books, OrderRow, ToldRow } from '../books.js';

/** What an event is called in the history, where it has another name there. */
const IN_HISTORY: Record<string, string> = {
  'payment.created': 'payment.init',
  'payment.late': 'payment.succeeded',
};

/**
 * A service is told of every move of the orders that it placed, of each once and in their order, and of nothing else; what
 * it is told last is how the rows are.
 */
export function toldWrongly(books: Books): string[] {
  const byOrder = new Map<string, ToldRow[]>();
  for (const row of books.told) byOrder.set(row.order_id, [...(byOrder.get(row.order_id) ?? []), row]);
  const known = [...byOrder.keys()].filter((id) => !books.orders.has(id));
  return [
    ...known.map((id) => `a service was told of ${id}, which there is not`),
    ...[...books.orders.values()].flatMap((order) => {
      const told = byOrder.get(order.id) ?? [];
      if (order.service === null) return told.map(({ type }) => `${order.id} is its user's, and ${type} was told`);
      return [...otherThanMoved(books, order, told), ...otherThanRows(books, told), ...lateWrongly(books, order, told)];
    }),
  ];
}

function otherThanMoved({ events }: Books, { id, service }: OrderRow, told: ToldRow[]): string[] {
  const moved = [
    `order.created ${id}`,
    ...events
      // What is sent elsewhere once more moves nothing.
      .filter((event) => event.order_id === id && event.from_status !== event.to_status)
      .map(({ entity, to_status: to, subject }) => `${entity}.${to} ${subject}`),
  ];
  const said = told
    // Accepting late money moves its order alone.
    .filter(({ type }) => type !== 'payment.accepted')
    .map(({ type, subject }) => `${IN_HISTORY[type] ?? type} ${subject}`);
  const wrong = told.filter((row) => row.service !== service).map((row) => `${row.id} was told to ${row.service}`);
  if (said.join() !== moved.join()) wrong.push(`of ${id} was told ${said.join()}; it moved ${moved.join()}`);
  return wrong;
}

/** The last event about a row shows it as it is. */
function otherThanRows({ orders, payments, refunds }: Books, told: ToldRow[]): string[] {
  const shown = new Map<string, string | null>();
  for (const row of told) {
    shown.set(row.order_id, row.order);
    if (row.payment_id !== null) shown.set(row.payment_id, row.payment);
    if (row.refund_id !== null) shown.set(row.refund_id, row.refund);
  }
  return [...shown].flatMap(([id, said]) => {
    const money = orders.get(id) ?? payments.get(id);
    const is = money ? `${money.status} ${money.refunded}` : refunds.get(id)?.status;
    return said === is ? [] : [`${id} is ${is}, its last event says ${said}`];
  });
}

/** Late money is never called `payment.succeeded`; accepted is what pays its order all the same. */
function lateWrongly({ payments }: Books, { paid_by: paidBy }: OrderRow, told: ToldRow[]): string[] {
  const of = (type: string): Set<string> => new Set(told.filter((row) => row.type === type).map((row) => row.subject));
  const [late, accepted] = [of('payment.late'), of('payment.accepted')];
  return [...new Set(told.map((row) => row.payment_id))].flatMap((id) => {
    const payment = id === null ? undefined : payments.get(id);
    if (!payment) return [];
    const isAccepted = late.has(payment.id) && paidBy === payment.id;
    const wrong: string[] = [];
    if (accepted.has(payment.id) !== isAccepted) wrong.push(`${payment.id} was told of as accepted, or is and was not`);
    if (late.has(payment.id) !== (payment.late || isAccepted))
      wrong.push(`${payment.id} was told of as late, or is and was not`);
    return wrong;
  });
}
