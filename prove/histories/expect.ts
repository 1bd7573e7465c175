import { type Books, channelOf, channelRefundOf, isOpen, type PaymentRow, refundByNumber } from '../books.js';
import { agrees, type Model, truthOf } from './model.js';
import { type Done, partOf } from './perform.js';

/** So near to a limit in time, a step may fall on either side of it. */
const NEAR_MS = 5000;

/** The answers that are right for a step that happened alone: `201`, or `409 order_expired`. Null: not asked. */
function rightAnswers({ step, subject }: Done, before: Books): string[] | null {
  const payment = before.payments.get(subject ?? '');
  const refund = before.refunds.get(subject ?? '');
  const is = (...statuses: string[]): boolean => refund !== undefined && statuses.includes(refund.status);
  switch (step.do) {
    case 'order':
      return ['201'];
    case 'open':
      return rightOpening(subject ?? '', before);
    case 'start':
      return payment ? rightStart(payment, before) : [];
    case 'cancel':
      return !payment || isOpen(payment) || payment.status === 'closed' ? ['200'] : [notOpen(payment)];
    case 'sync':
      return ['200'];
    case 'ask': {
      if (payment?.status !== 'succeeded') return ['409 payment_not_refundable'];
      const left = payment.amount - payment.reserved;
      const asked = partOf(left, step.part);
      return asked < 1 || asked > left ? ['409 refund_exceeds_payment'] : ['201'];
    }
    case 'carry':
      return is('rejected', 'closed') ? ['409 refund_not_open'] : ['200'];
    case 'reject':
      return is('requested', 'rejected') ? ['200'] : ['409 refund_not_open'];
    case 'sync_refund':
      return ['200'];
    case 'retry_abnormal':
      // What we call abnormal may have arrived there meanwhile, or be on its way already.
      return is('abnormal') ? ['200', '502 channel_rejected', '503 channel_unavailable'] : ['409 refund_not_open'];
    case 'take_over':
      return rightTakeOver(subject ?? '', before);
    case 'forge':
      return ['401 FAIL'];
    default:
      return null;
  }
}

function rightOpening(orderId: string, before: Books): string[] {
  const order = before.orders.get(orderId);
  const open = [...before.payments.values()].some((payment) => payment.order_id === orderId && isOpen(payment));
  if (open) return ['200'];
  // Its end of life is its last payment's, or thirty minutes: near enough to tell it from outside is too much to know.
  return order?.status === 'pending' ? ['201', '409 order_expired'] : ['409 order_not_payable'];
}

/** A refund that the channel has, asked for by its number. */
function rightTakeOver(number: string, before: Books): string[] {
  const there = channelRefundOf(before, number);
  const payment = before.payments.get(there?.out_trade_no ?? '');
  if (payment?.status !== 'succeeded') return ['409 payment_not_refundable'];
  const rivals = [...before.refunds.values()].some((one) => one.payment_id === payment.id && one.origin === 'api');
  return rivals && !refundByNumber(before, number) ? ['200', '409 refund_exceeds_payment'] : ['200'];
}

function notOpen({ status }: PaymentRow): string {
  return status === 'expired' ? '409 payment_expired' : '409 payment_not_open';
}

function rightStart(payment: PaymentRow, before: Books): string[] {
  if (!isOpen(payment)) return [notOpen(payment)];
  const left = payment.expires_at - before.now;
  if (left < -NEAR_MS) return ['409 payment_expired'];
  if (left < NEAR_MS) return ['200', '409 payment_expired'];
  const there = channelOf(before, payment.id);
  if (!there || there.trade_state === 'NOTPAY') return ['200'];
  // Settled there, and not known here yet: the old prepay id is handed out, or the truth is found.
  return ['200', '409 payment_not_open', '502 channel_rejected', '503 channel_unavailable'];
}

/** Answers that a channel in trouble, or a crowd, may bring about. Anything else of 500 and above never is right. */
const TROUBLED = ['502 channel_rejected', '503 channel_unavailable', '409 refund_mismatch'];
const CROWDED = [...TROUBLED, '503 service_unavailable'];

/** What is wrong with an answer. `calm`: no fault struck a call; `alone`: nothing else happened at the same time. */
export function brokenAnswer(done: Done, before: Books, at: { calm: boolean; alone: boolean }): string[] {
  const { step, answer } = done;
  if (!answer) return [];
  const code = typeof answer.body.code === 'string' ? answer.body.code : '';
  const text = `${answer.status} ${code}`.trim();
  const said = `${step.do} of ${done.subject} was answered ${text}`;
  if (!at.alone) return answer.status < 500 || CROWDED.includes(text) ? [] : [said];
  const right = rightAnswers(done, before);
  if (right === null || right.includes(text)) return [];
  if (!at.calm && (TROUBLED.includes(text) || (step.do === 'start' && text === '409 payment_not_open'))) return [];
  return [`${said}, not ${right.join(' or ')}`];
}

/** What must be true after a step that happened alone, while the channel answered and told the truth. */
export function brokenPromise(done: Done, before: Books, after: Books, model: Model): string[] {
  const { step, subject } = done;
  const now = (id: string): string => after.payments.get(id)?.status ?? 'gone';
  const truly = (payment: PaymentRow): string[] =>
    agrees(now(payment.id), truthOf(before, payment, model))
      ? []
      : [
          `${step.do}: ${payment.id} is ${now(payment.id)}, the channel says ${channelOf(before, payment.id)?.trade_state}`,
        ];
  const free = ({ lease_until: lease }: { lease_until: number | null }): boolean =>
    lease === null || lease <= before.now;
  const open = [...before.payments.values()].filter((payment) => isOpen(payment) && free(payment));
  const ended = (payment: PaymentRow): string[] =>
    payment.expires_at <= before.now && !model.lied.has(payment.id) && isOpen({ status: now(payment.id) })
      ? [`${step.do}: ${payment.id} is past its time and still ${now(payment.id)}`]
      : [];
  const placed = (payment: PaymentRow): boolean => payment.status === 'processing';
  switch (step.do) {
    case 'sync':
    case 'cancel': {
      const payment = before.payments.get(subject ?? '');
      if (!payment || (!isOpen(payment) && step.do === 'cancel')) return [];
      const left = step.do === 'cancel' && isOpen({ status: now(payment.id) }) && !model.lied.has(payment.id);
      return [...truly(payment), ...(left ? [`cancel: ${payment.id} is still ${now(payment.id)}`] : [])];
    }
    case 'tick': {
      const due = open.filter((payment) => payment.next_check_at <= before.now);
      return [...due.filter(placed).flatMap(truly), ...due.flatMap(ended), ...refundsTick(before, after, step.do)];
    }
    case 'reconcile':
      return [...open.filter(placed).flatMap(truly), ...open.flatMap(ended)];
    case 'expire':
      return open.flatMap(ended);
    default:
      return [];
  }
}

/** Refunds whose time had come are what the channel says. */
function refundsTick(before: Books, after: Books, what: string): string[] {
  return before.channel.refunds.flatMap(({ out_refund_no: id, status }) => {
    const refund = refundByNumber(before, id);
    const due =
      refund?.status === 'processing' &&
      refund.failure === null &&
      (refund.next_check_at ?? Infinity) <= before.now &&
      (refund.lease_until === null || refund.lease_until <= before.now);
    const here = refundByNumber(after, id)?.status;
    const expected = { SUCCESS: 'succeeded', CLOSED: 'closed', ABNORMAL: 'abnormal' }[status];
    return due && expected !== undefined && here !== expected
      ? [`${what}: refund ${id} is ${here}, there ${status}`]
      : [];
  });
}
