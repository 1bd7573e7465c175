import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { DomainError } from '../common/errors.js';
import { inTransaction } from '../database/in-transaction.js';
import type { Order } from '../orders/order.entity.js';
import { orderEvents } from '../orders/order-events.js';
import { OrdersService } from '../orders/orders.service.js';
import type { Payment } from '../payments/payment.entity.js';
import { PaymentHistory } from '../payments/payment-history.js';
import { PaymentsRepository } from '../payments/payments.repository.js';
import { PaymentsService } from '../payments/payments.service.js';

/** A payer may begin to pay again while the payment of before is being closed: so often it is closed too. */
const MAX_PAYMENTS_CLOSED = 3;

/** Orders that are not wanted any more, before they are paid. */
@Injectable()
export class OrderCancellation {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly orders: OrdersService,
    private readonly rows: PaymentsRepository,
    private readonly payments: PaymentsService,
    private readonly history: PaymentHistory,
  ) {}

  /**
   * Cancels a pending order; its open payment is closed before, at the channel too. A cancelled one is answered as it is.
   * @throws DomainError `order_not_cancellable` where it is paid, also where the channel says so only now,
   *   `order_has_open_payment`, `other_provider`, `channel_unavailable`, `channel_rejected`
   */
  async cancel(id: string, cause: Cause): Promise<Order> {
    for (let closed = 0; ; closed += 1) {
      const { order, open } = await this.cancelUnlessOpen(id, cause);
      if (!open) return order;
      if (closed === MAX_PAYMENTS_CLOSED) throw new DomainError('order_has_open_payment');
      await this.close(open, cause);
    }
  }

  /** Under the order's lock no payment can be made for it. */
  private cancelUnlessOpen(id: string, cause: Cause): Promise<{ order: Order; open?: Payment }> {
    return inTransaction(this.db, 'order.cancel', async (tx) => {
      const order = await this.orders.lock(tx, id);
      if (order.status === 'cancelled') return { order };
      if (order.status !== 'pending') throw new DomainError('order_not_cancellable', `the order is ${order.status}`);
      const open = await this.rows.readOpen(tx, id);
      if (open) return { order, open };
      order.moveTo('cancelled');
      await this.orders.save(tx, [order]);
      const events = orderEvents(order);
      await this.history.add(tx, [
        { entity: 'order', orderId: id, paymentId: null, from: 'pending', to: 'cancelled', cause, events },
      ]);
      return { order };
    });
  }

  private async close({ id }: Payment, cause: Cause): Promise<void> {
    try {
      await this.payments.cancel(id, cause);
    } catch (error) {
      // It was settled meanwhile: what became of the order is seen under its lock.
      if (!(error instanceof DomainError && error.code === 'payment_not_open')) throw error;
    }
  }
}
