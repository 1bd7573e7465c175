import { type Books, channelOf, isOpen } from '../books.js';
import type { StepAbout } from './steps.js';

/** The one so many back from the newest. */
export function pick(ids: string[], of: number): string | undefined {
  return ids.length === 0 ? undefined : ids[ids.length - 1 - (of % ids.length)];
}

/** Everything that a step can be about, narrowed to what it can happen to unless it is to be tried in vain. */
export function candidates(step: StepAbout, books: Books): string[] {
  const orders = [...books.orders.values()];
  const payments = [...books.payments.values()];
  const refunds = [...books.refunds.values()];
  const choose = <T extends { id: string }>(all: T[], fits: (one: T) => boolean): string[] => {
    const fitting = all.filter(fits);
    const wild = 'any' in step && step.any;
    return (wild || fitting.length === 0 ? all : fitting).map((one) => one.id);
  };
  const strictly = <T extends { id: string }>(all: T[], fits: (one: T) => boolean): string[] =>
    all.filter(fits).map((one) => one.id);
  switch (step.do) {
    case 'open':
      return choose(orders, ({ id, status }) => {
        return status === 'pending' && !payments.some((payment) => payment.order_id === id && isOpen(payment));
      });
    case 'start':
    case 'cancel':
      return choose(payments, isOpen);
    case 'sync':
      return choose(payments, ({ status }) => status !== 'succeeded');
    case 'pay':
    case 'pay_fails':
      return choose(payments, ({ id }) => channelOf(books, id)?.trade_state === 'NOTPAY');
    case 'console':
      return strictly(payments, ({ id }) => Boolean(channelOf(books, id)?.paid_at));
    case 'take_over':
      return books.channel.refunds.map((one) => one.out_refund_no);
    case 'ask':
      return choose(payments, ({ status, amount, reserved }) => status === 'succeeded' && reserved < amount);
    case 'carry':
    case 'reject':
      return choose(refunds, ({ status }) => status === 'requested');
    case 'sync_refund':
      return choose(refunds, ({ status }) => status === 'processing' || status === 'abnormal');
    case 'retry_abnormal':
      return choose(refunds, ({ status }) => status === 'abnormal');
    case 'refund_ends':
      return strictly(
        books.channel.refunds.map((one) => ({ id: one.out_refund_no, status: one.status })),
        ({ status }) => status === 'PROCESSING' || (status === 'ABNORMAL' && step.as === 'SUCCESS'),
      );
    case 'resend':
      return books.notices.map((notice) => notice.id);
    case 'lie':
      return strictly(payments, ({ id, status }) => isOpen({ status }) && !channelOf(books, id)?.paid_at);
    case 'deaf':
      return strictly(payments, isOpen);
  }
}
