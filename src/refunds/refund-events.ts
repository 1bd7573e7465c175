import { eventsOf, type EventType, type NewEvent } from '../events/event-types.js';
import type { Order } from '../orders/order.entity.js';
import { OrderView } from '../orders/order.view.js';
import type { Payment } from '../payments/payment.entity.js';
import { PaymentView } from '../payments/payment.view.js';
import type { Refund, RefundStatus } from './refund.entity.js';
import { RefundView } from './refund.view.js';

const TYPES: Readonly<Record<RefundStatus, EventType>> = {
  requested: 'refund.requested',
  processing: 'refund.processing',
  succeeded: 'refund.succeeded',
  rejected: 'refund.rejected',
  closed: 'refund.closed',
  abnormal: 'refund.abnormal',
};

interface Rows {
  order: Order;
  payment: Payment;
  refund: Refund;
}

/** What a service is told of a refund that came to its status, or of its order that moved with it. */
export function refundEvents({ order, payment, refund }: Rows, type: EventType = TYPES[refund.status]): NewEvent[] {
  return eventsOf(order, [type], () => ({
    order: OrderView.of(order),
    payment: PaymentView.of(payment),
    refund: RefundView.of(refund),
  }));
}
