import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { Clock } from '../common/clock.js';
import { inTransaction } from '../database/in-transaction.js';
import { orderEvents } from '../orders/order-events.js';
import { OrdersService } from '../orders/orders.service.js';
import { PaymentHistory } from './payment-history.js';

/** Pending orders past their time without an open payment: there is no money to wait for, so they are cancelled. */
@Injectable()
export class StaleOrders {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly orders: OrdersService,
    private readonly history: PaymentHistory,
    private readonly clock: Clock,
  ) {}

  /** Answers the ids of the orders that it cancelled, or with `dryRun` would cancel. */
  async cancel(options: { cause: Cause; limit: number; dryRun?: boolean }): Promise<string[]> {
    const found = `
      SELECT o.id FROM orders o WHERE o.status = 'pending' AND o.expires_at <= $1
      AND NOT EXISTS (SELECT FROM payments p WHERE p.order_id = o.id AND p.status IN ('init', 'processing'))
      ORDER BY o.expires_at LIMIT $2`;
    const now = this.clock.now();
    if (options.dryRun) {
      return (await this.db.query<{ id: string }[]>(found, [now, options.limit])).map((row) => row.id);
    }
    return inTransaction(this.db, 'order.expire', async (tx) => {
      const rows = await tx.query<{ id: string }>(`${found} FOR UPDATE OF o SKIP LOCKED`, [now, options.limit]);
      const ids = rows.map((row) => row.id);
      const cancelled = await this.orders.cancelPending(tx, ids);
      await this.history.add(
        tx,
        cancelled.map((order) => ({
          entity: 'order',
          orderId: order.id,
          paymentId: null,
          from: 'pending',
          to: 'cancelled',
          cause: options.cause,
          events: orderEvents(order),
        })),
      );
      return cancelled.map(({ id }) => id);
    });
  }
}
