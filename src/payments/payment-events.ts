import { eventsOf, type EventType, type NewEvent } from '../events/event-types.js';
import type { Order } from '../orders/order.entity.js';
import { OrderView } from '../orders/order.view.js';
import type { Payment, PaymentStatus } from './payment.entity.js';
import { PaymentView } from './payment.view.js';

const TYPES: Readonly<Record<PaymentStatus, EventType>> = {
  init: 'payment.created',
  processing: 'payment.processing',
  succeeded: 'payment.succeeded',
  failed: 'payment.failed',
  expired: 'payment.expired',
  closed: 'payment.closed',
};

/** What it is called that a payment came to its status. Who delivers on `payment.succeeded` must not be told so of late money. */
export function paymentEventType({ status, late }: Payment): EventType {
  return status === 'succeeded' && late ? 'payment.late' : TYPES[status];
}

/** What a service is told of a payment that moved, or of its order that moved with it. */
export function paymentEvents(
  order: Order,
  payment: Payment,
  types: readonly EventType[] = [paymentEventType(payment)],
): NewEvent[] {
  return eventsOf(order, types, () => ({ order: OrderView.of(order), payment: PaymentView.of(payment) }));
}
