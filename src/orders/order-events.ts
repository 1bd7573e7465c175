import { eventsOf, type EventType, type NewEvent } from '../events/event-types.js';
import type { Order, OrderStatus } from './order.entity.js';
import { OrderView } from './order.view.js';

const TYPES: Readonly<Record<OrderStatus, EventType>> = {
  pending: 'order.created',
  paid: 'order.paid',
  partially_refunded: 'order.partially_refunded',
  refunded: 'order.refunded',
  cancelled: 'order.cancelled',
};

/** What it is called that an order came to its status. */
export function orderEventType({ status }: Order): EventType {
  return TYPES[status];
}

/** What a service is told of an order that came to its status without a payment. */
export function orderEvents(order: Order): NewEvent[] {
  return eventsOf(order, [orderEventType(order)], () => ({ order: OrderView.of(order) }));
}
