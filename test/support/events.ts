import type { EventPage, EventView } from '../../src/events/event.view.js';
import type { OrderView } from '../../src/orders/order.view.js';
import type { PaymentView } from '../../src/payments/payment.view.js';
import type { RefundView } from '../../src/refunds/refund.view.js';
import type { Api } from './app.js';

/** An event with its rows as the API shows them. */
export interface Told extends Omit<EventView, 'data'> {
  data: { order: OrderView; payment?: PaymentView; refund?: RefundView };
}

/** Follows the feed from an event on, or from the beginning, page by page to its end. */
export async function readFeed(
  shop: Api,
  { after = '', limit = 100, types }: { after?: string; limit?: number; types?: string } = {},
): Promise<Told[]> {
  const told: Told[] = [];
  const query = new URLSearchParams({ after, limit: `${limit}`, ...(types === undefined ? {} : { types }) });
  for (;;) {
    const { status, body } = await shop.get<EventPage>(`/events/?${query.toString()}`);
    if (status !== 200) throw new Error(`GET /events/ answered ${status} ${JSON.stringify(body)}`);
    told.push(...(body.items as Told[]));
    if (body.next_cursor === null) return told;
    query.set('after', body.next_cursor);
  }
}

/** What the feed says of one order: types, oldest first. */
export async function toldOf(shop: Api, orderId: string): Promise<string[]> {
  return (await readFeed(shop)).filter(({ data }) => data.order.id === orderId).map(({ type }) => type);
}
