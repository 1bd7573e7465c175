import { PAYMENT_WAYS } from '../../prove/crashes/payment-ways.js';
import { TIMER_WAYS } from '../../prove/crashes/timer-ways.js';
import { casesOf } from '../../prove/crashes/ways.js';
import { killAndCompare } from '../support/crash-cases.js';

/** Where an order or a payer's money can be half way; every other point and way is the proof's. */
const CHOSEN: Record<string, string[]> = {
  order: ['order.create.before_commit', 'order.create.after_commit'],
  'place-and-start': ['payment.create.after_commit', 'payment.start.after_call'],
  'order-cancel': ['order.cancel.before_commit'],
  'start-alone': ['payment.start.before_intent', 'payment.start.after_call'],
  start: ['payment.start.before_call', 'payment.start.after_commit'],
  'cancel-paid': ['payment.cancel.before_call', 'payment.settle.before_commit'],
  cancel: ['payment.cancel.after_call', 'payment.settle.after_commit'],
  check: ['payment.check.after_claim', 'payment.check.after_call', 'payment.check.before_commit'],
  expire: ['payment.check_close.after_call', 'payment.check.after_commit'],
};

describe('a service that is killed while a payment is under way', () => {
  killAndCompare(
    casesOf([...PAYMENT_WAYS, ...TIMER_WAYS]).filter(({ way, point }) => CHOSEN[way.name]?.includes(point)),
  );
});
