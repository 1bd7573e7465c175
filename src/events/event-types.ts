/**
 * Everything that a service is told, a closed list: what each means stands in `docs/events.md`. A type is added when there
 * is something new to tell, and never changes its meaning.
 */
export const EVENT_TYPES = [
  'order.created',
  'order.paid',
  'order.partially_refunded',
  'order.refunded',
  'order.cancelled',
  'payment.created',
  'payment.processing',
  'payment.succeeded',
  // The money came when the order could not take it any more, in place of `payment.succeeded`; and an operator's word that
  // it pays its order all the same.
  'payment.late',
  'payment.accepted',
  'payment.failed',
  'payment.expired',
  'payment.closed',
  'refund.requested',
  'refund.processing',
  'refund.succeeded',
  'refund.rejected',
  'refund.closed',
  'refund.abnormal',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** The rows that an event is about, as the API shows them, at the moment of the event. */
export interface EventData {
  order: { id: string };
  payment?: { id: string };
  refund?: { id: string };
}

/** What a service is to be told. */
export interface NewEvent {
  service: string;
  type: EventType;
  data: EventData;
}

/**
 * What the service that placed an order is told of it: nothing where its user placed it. `data` is read at once, so that the
 * event shows the rows as they are now: to be called when everything is changed that changes together.
 */
export function eventsOf(
  order: { service: string | null },
  types: readonly EventType[],
  data: () => EventData,
): NewEvent[] {
  const { service } = order;
  if (service === null || types.length === 0) return [];
  const now = data();
  return types.map((type) => ({ service, type, data: now }));
}
