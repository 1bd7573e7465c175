import {
  type Books,
  channelOf,
  channelRefundOf,
  type EventRow,
  isOpen,
  type PaymentRow,
  refundByNumber,
} from '../books.js';
import { Counts } from '../report.js';
import { lateRefundOf, type Model, MOVES } from './model.js';
import { toldWrongly } from './told.js';

/** A law answers every breach of it, in words that name what broke it. */
type Law = (books: Books, model: Model) => string[];

const sum = (numbers: number[]): number => numbers.reduce((all, one) => all + one, 0);

/** Promised and paid back are what the refunds add up to, and never more than was paid. */
const refundsFit = ({ payments, refunds, orders, channel }: Books): string[] =>
  [...payments.values()].flatMap((payment) => {
    const own = [...refunds.values()].filter((refund) => refund.payment_id === payment.id);
    const amounts = (counts: (status: string) => boolean): number =>
      sum(own.filter((refund) => counts(refund.status)).map((refund) => refund.amount));
    const promised = amounts((status) => status !== 'rejected' && status !== 'closed');
    const paid = amounts((status) => status === 'succeeded');
    const there = sum(
      channel.refunds
        .filter((refund) => refund.out_trade_no === payment.id && refund.status !== 'CLOSED')
        .map((refund) => refund.refund),
    );
    const order = orders.get(payment.order_id);
    const wrong: string[] = [];
    if (promised !== payment.reserved)
      wrong.push(`refunds of ${payment.id} promise ${promised}, its row ${payment.reserved}`);
    if (paid !== payment.refunded)
      wrong.push(`refunds of ${payment.id} paid ${paid}, its row says ${payment.refunded}`);
    if (promised > payment.amount) wrong.push(`${payment.id} promises ${promised} back of ${payment.amount}`);
    if (there > payment.amount)
      wrong.push(`the channel pays ${there} back of ${payment.id}, ${payment.amount} was paid`);
    if (order?.paid_by === payment.id && order.refunded !== paid)
      wrong.push(`${order.id} does not know of ${paid} paid back`);
    return wrong;
  });

/** The two sides never contradict each other about a refund: what is given up here is not under way there. */
const refundsAgree: Law = (books, model) => [
  ...books.channel.refunds.flatMap((there) => {
    const { out_refund_no: id } = there;
    const here = refundByNumber(books, id);
    const made = model.console.get(id);
    // Its notice may be on its way, or lost until a person or a bill asks.
    if (!here) return made ? [] : [`the channel has refund ${id}, unknown here`];
    const wrong: string[] = [];
    if (here.amount !== there.refund) wrong.push(`refund ${id} is ${here.amount} here and ${there.refund} there`);
    if (here.payment_id !== there.out_trade_no) wrong.push(`refund ${id} is of another payment there`);
    const late = id === lateRefundOf(here.payment_id);
    if (!made && !late && !model.approved.has(id)) wrong.push(`refund ${id} was sent without approval`);
    const allowed: Record<string, string[]> = {
      requested: [],
      rejected: [],
      closed: ['CLOSED'],
      succeeded: ['SUCCESS'],
      abnormal: ['ABNORMAL', 'SUCCESS'],
    };
    if (allowed[here.status]?.includes(there.status) === false) {
      wrong.push(`refund ${id} is ${here.status} here and ${there.status} there`);
    }
    return wrong;
  }),
  ...[...books.refunds.values()].flatMap((refund) => {
    const isConsole = refund.origin === 'console';
    const asked = isConsole ? model.console.get(refund.out_refund_no) : model.asked.get(refund.id);
    if (asked && (asked.paymentId !== refund.payment_id || asked.fen !== refund.amount)) {
      return [`refund ${refund.id} is not what was asked for`];
    }
    const settled = refund.status === 'succeeded' || refund.status === 'closed' || refund.status === 'abnormal';
    if (settled && !channelRefundOf(books, refund.out_refund_no))
      return [`refund ${refund.id} is ${refund.status}, unknown there`];
    if (asked) return [];
    const payment = books.payments.get(refund.payment_id);
    return payment?.late && refund.id === lateRefundOf(payment.id) ? [] : [`refund ${refund.id} was not asked for`];
  }),
];

/** Succeeded is what the channel took, to the fen; ended is what it cannot take any more. */
const paymentsAgree: Law = (books, model) =>
  [...books.payments.values()].flatMap((payment) => {
    const there = channelOf(books, payment.id);
    if (payment.status === 'succeeded') {
      if (model.lied.has(payment.id)) return [`${payment.id} succeeded with an amount that is not its own`];
      if (!there?.paid_at) return [`${payment.id} succeeded, and was not paid`];
      if (there.total !== payment.amount) return [`${payment.id} is ${payment.amount}, and ${there.total} was paid`];
      return there.transaction_id === payment.transaction_id ? [] : [`${payment.id} has another transaction there`];
    }
    const ended = payment.status !== 'init' && payment.status !== 'processing';
    if (ended && there?.trade_state === 'NOTPAY' && !model.deaf.has(payment.id)) {
      return [`${payment.id} is ${payment.status} here and open at the channel`];
    }
    return [];
  });

/** Whether the money came too late, told by the events alone. */
function cameLate(payment: PaymentRow, books: Books): boolean {
  const success = books.events.find((event) => event.subject === payment.id && event.to_status === 'succeeded');
  if (!success) return false;
  const wasOpen = success.from_status === 'init' || success.from_status === 'processing';
  const ended = books.events.some(
    (event) =>
      event.subject === payment.order_id && event.id < success.id && ['paid', 'cancelled'].includes(event.to_status),
  );
  return !wasOpen || ended;
}

/** Goods are released once at most, for a payment that came in time; money that came late is going back, or is a case. */
const releasedOnce: Law = (books, model) => [
  ...[...books.orders.values()].flatMap((order) => {
    const releases = books.events.filter((event) => event.subject === order.id && event.to_status === 'paid').length;
    const payer = order.paid_by === null ? null : books.payments.get(order.paid_by);
    const isPaid = ['paid', 'partially_refunded', 'refunded'].includes(order.status);
    const wrong: string[] = [];
    const open = [...books.payments.values()].some((payment) => payment.order_id === order.id && isOpen(payment));
    if (open && order.status === 'cancelled') wrong.push(`${order.id} is cancelled while it is being paid`);
    if (releases > 1) wrong.push(`${order.id} was released ${releases} times`);
    if (isPaid !== (releases === 1)) wrong.push(`${order.id} is ${order.status} after ${releases} releases`);
    if (isPaid && (payer?.status !== 'succeeded' || payer.late || payer.amount !== order.amount)) {
      wrong.push(`${order.id} was released for ${JSON.stringify(payer)}`);
    }
    return wrong;
  }),
  ...[...books.payments.values()].flatMap((payment) => {
    if (payment.status !== 'succeeded') return [];
    const late = cameLate(payment, books);
    const wrong: string[] = [];
    if (payment.late !== late)
      wrong.push(`${payment.id} ${late ? 'came late, and is not called so' : 'is called late'}`);
    if (late === (books.orders.get(payment.order_id)?.paid_by === payment.id)) {
      wrong.push(`${payment.id} came ${late ? 'late, and paid its order' : 'in time, and did not pay its order'}`);
    }
    if (!late) return wrong;
    if (model.policy === 'refund' && !books.refunds.has(lateRefundOf(payment.id))) {
      wrong.push(`the late money of ${payment.id} is not going back`);
    }
    const isCase = books.cases.some((one) => one.type === 'late_payment' && one.payment_id === payment.id);
    // Given up, by the channel's word: then it is a person's.
    const givenUp = model.policy === 'refund' && payment.reserved < payment.amount && !isCase;
    if (givenUp) wrong.push(`the late money of ${payment.id} is not going back any more, and there is no case`);
    if (model.policy === 'hold' && !isCase) wrong.push(`the late money of ${payment.id} has no case`);
    return wrong;
  }),
];

/** No state without the events that lead to it, each a move that there is, none before its time. */
const eventsLead = ({ orders, payments, refunds, events }: Books): string[] => {
  const chains = new Map<string, EventRow[]>();
  for (const event of events) chains.set(event.subject, [...(chains.get(event.subject) ?? []), event]);
  const follow = (entity: keyof typeof MOVES, id: string, status: string): string[] => {
    // An order begins without an event.
    let at: string | null = entity === 'order' ? 'pending' : null;
    const wrong: string[] = [];
    for (const event of chains.get(id) ?? []) {
      if (event.from_status !== at) wrong.push(`${id} moves from ${event.from_status}, but it was ${at}`);
      if (!MOVES[entity][String(at)]?.includes(event.to_status))
        wrong.push(`${id} moves from ${at} to ${event.to_status}`);
      at = event.to_status;
    }
    if (at !== status) wrong.push(`${id} is ${status}, its events lead to ${at}`);
    return wrong;
  };
  const early = events.filter(
    (event) =>
      event.entity === 'payment' &&
      event.to_status === 'expired' &&
      event.at < (payments.get(event.subject)?.expires_at ?? 0),
  );
  return [
    ...[...orders.values()].flatMap(({ id, status }) => follow('order', id, status)),
    ...[...payments.values()].flatMap(({ id, status }) => follow('payment', id, status)),
    ...[...refunds.values()].flatMap(({ id, status, origin }) =>
      follow(origin === 'console' ? 'console refund' : 'refund', id, status),
    ),
    ...early.map((event) => `${event.subject} expired before its time`),
  ];
};

/** What happened is announced once, and what did not happen is not. */
const announcedOnce = ({ payments, refunds, events, announced, cases }: Books): string[] => {
  const found = Counts.of(announced.map(({ type, subject_id: subject }) => `${type} ${subject}`));
  const due = new Set<string>();
  for (const { entity, subject, to_status: to } of events) {
    if (entity === 'payment' && to !== 'init' && to !== 'processing') due.add(`payment.${to} ${subject}`);
    if (entity === 'refund' && to !== 'requested' && to !== 'processing') due.add(`refund.${to} ${subject}`);
    if (entity === 'refund' && to === 'abnormal') due.add(`refund.abnormal ${subject}:operators`);
  }
  for (const payment of payments.values()) {
    if (payment.late) due.add(`payment.late ${payment.id}`).add(`payment.late ${payment.id}:operators`);
  }
  for (const refund of refunds.values()) {
    // Nobody asked for these.
    if (refund.origin === 'console' || refund.id === lateRefundOf(refund.payment_id)) continue;
    due.add(`refund.requested ${refund.id}`).add(`refund.requested ${refund.id}:operators`);
  }
  for (const one of cases) due.add(`discrepancy.opened ${one.id}`);
  return [
    ...[...due].filter((one) => found.of(one) !== 1).map((one) => `${one} was announced ${found.of(one)} times`),
    ...[...found.keys()].filter((one) => !due.has(one)).map((one) => `${one} was announced, and is not so`),
  ];
};

const LAWS: Law[] = [refundsFit, refundsAgree, paymentsAgree, releasedOnce, eventsLead, announcedOnce, toldWrongly];

/** Breaches that the service's rows show by themselves, without a model of what was done. */
export function brokenRows(books: Books): string[] {
  return [...refundsFit(books), ...eventsLead(books), ...announcedOnce(books), ...toldWrongly(books)];
}

/** What holds at every moment. */
export function brokenLaws(books: Books, model: Model): string[] {
  return LAWS.flatMap((law) => law(books, model));
}

/** What was written stays as it is: events, announcements and cases only ever come in addition. */
export function forgotten(before: Books, after: Books): string[] {
  const texts = (books: Books): string[] => [
    ...books.events.map((event) => JSON.stringify(event)),
    ...books.announced.map((row) => JSON.stringify(row)),
    ...books.told.map((row) => JSON.stringify(row)),
    ...books.cases.map(({ id, type, case_key: key }) => `${id} ${type} ${key.split(':').slice(0, 2).join(':')}`),
    ...[...books.refunds.keys(), ...books.payments.keys(), ...books.orders.keys()],
  ];
  const there = new Set(texts(after));
  return texts(before)
    .filter((text) => !there.has(text))
    .map((text) => `gone or changed: ${text}`);
}
