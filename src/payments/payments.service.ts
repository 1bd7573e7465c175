import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { after, Clock, SECOND } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { channelCall } from '../common/failpoints.js';
import { Settings } from '../config/settings.js';
import { inTransaction } from '../database/in-transaction.js';
import { type Page, pageById, type PageQuery } from '../database/page.js';
import { type Transaction, transaction } from '../database/transaction.js';
import { Order } from '../orders/order.entity.js';
import { OrdersService } from '../orders/orders.service.js';
import { ChannelCalls } from '../provider/channel-calls.js';
import {
  type ChannelOrder,
  type ChannelPayment,
  PaymentProvider,
  ProviderError,
} from '../provider/payment-provider.js';
import { ProviderRegistry } from '../provider/provider-registry.js';
import { ChannelOrders, neverSent } from './channel-orders.js';
import { Payment } from './payment.entity.js';
import { paymentEvents } from './payment-events.js';
import { PaymentHistory } from './payment-history.js';
import { PaymentSettlement } from './payment-settlement.js';
import { PaymentsRepository } from './payments.repository.js';
import { channelError, notOpen } from './refusals.js';

/** The first question after a start; the schedule of due checks goes on from there. */
export const FIRST_CHECK = 5 * SECOND;

/** What an owner does with payments: create, cancel, ask. Network outside, transactions short. */
@Injectable()
export class PaymentsService {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly provider: PaymentProvider,
    private readonly registry: ProviderRegistry,
    private readonly calls: ChannelCalls,
    private readonly orders: OrdersService,
    private readonly rows: PaymentsRepository,
    private readonly channelOrders: ChannelOrders,
    private readonly settlement: PaymentSettlement,
    private readonly history: PaymentHistory,
    private readonly settings: Settings,
    private readonly clock: Clock,
  ) {}

  /** @throws DomainError `not_found` */
  async get(id: string): Promise<Payment> {
    const payment = await this.db.manager.findOneBy(Payment, { id });
    if (!payment) throw new DomainError('not_found');
    return payment;
  }

  /** The payments of an order, oldest first. */
  async listOfOrder(orderId: string, query: PageQuery): Promise<Page<Payment>> {
    const found = this.db.manager.createQueryBuilder(Payment, 'p').where('p.orderId = :orderId', { orderId });
    return pageById(found, 'ASC', query);
  }

  /** The payment of an order that was made last; null where there is none. */
  latestOf(orderId: string): Promise<Payment | null> {
    return this.db.manager.findOne(Payment, { where: { orderId }, order: { id: 'DESC' } });
  }

  async exists(id: string): Promise<boolean> {
    return this.db.manager.existsBy(Payment, { id });
  }

  /**
   * The open payment of an order, made if there is none. One open payment per order: by the order's lock, and by a
   * partial unique index as second net.
   * @throws DomainError `order_not_payable`, `order_expired`, `provider_disabled`
   */
  async create(orderId: string, id: string, cause: Cause): Promise<{ payment: Payment; created: boolean }> {
    return inTransaction(this.db, 'payment.create', async (tx) => {
      const order = await this.orders.lock(tx, orderId);
      // A repeat of a request whose answer got lost: what it made, whatever became of it since.
      const [made] = await this.rows.read(tx, [id]);
      if (made) return { payment: made, created: true };
      const open = await this.rows.readOpen(tx, orderId);
      if (open) return { payment: open, created: false };

      const now = this.clock.now();
      if (order.status !== 'pending') throw new DomainError('order_not_payable', `the order is ${order.status}`);
      if (order.hasExpired(now)) throw new DomainError('order_expired');
      const payment = this.newPayment(order, id, now);
      await this.rows.insert(tx, payment);
      order.expiresAt = payment.expiresAt;
      await this.orders.save(tx, [order]);
      const events = paymentEvents(order, payment);
      await this.history.add(tx, [
        { entity: 'payment', orderId, paymentId: payment.id, from: null, to: 'init', cause, events },
      ]);
      return { payment, created: true };
    });
  }

  private newPayment(order: Order, id: string, now: Date): Payment {
    const { name } = this.provider;
    if (name === 'disabled') throw new DomainError('provider_disabled');
    return Object.assign(new Payment(), {
      id,
      orderId: order.id,
      provider: name,
      ...this.provider.account,
      status: 'init' as const,
      amountFen: order.amountFen,
      currency: order.currency,
      reservedFen: 0,
      refundedFen: 0,
      transactionId: null,
      late: false,
      prepayId: null,
      prepayExpiresAt: null,
      failureCode: null,
      createdAt: now,
      // Where the service said how long the order may be paid, that holds for each of its payments.
      expiresAt: order.expiresIn === null ? after(now, this.settings.paymentTtlSeconds * SECOND) : order.expiresAt,
      startedAt: null,
      paidAt: null,
      settledAt: null,
      nextCheckAt: after(now, FIRST_CHECK),
      checks: 0,
      checkedAt: null,
      leaseUntil: null,
    });
  }

  /**
   * Closes an open payment, at the channel too; when the channel says it was paid, it becomes `succeeded` instead.
   * A closed one is answered as it is.
   * @throws DomainError `payment_not_open`, `other_provider`, `channel_unavailable`, `channel_rejected`
   */
  async cancel(id: string, cause: Cause): Promise<Payment> {
    const untouched = await this.closeUnsent(id, cause);
    if (untouched) return untouched;
    const payment = await this.get(id);
    if (payment.status === 'closed') return payment;
    if (!payment.isOpen) throw notOpen(payment);
    try {
      const provider = this.registry.of(payment);
      const order = await this.channelOrders.of(payment);
      return await this.settle(await this.calls.closes.join(id, () => callClose(provider, order)), cause, 'closed');
    } catch (error) {
      if (error instanceof ProviderError) throw channelError(error);
      throw error;
    }
  }

  /** A payment that was never sent is closed here alone: the channel does not know it. */
  private closeUnsent(id: string, cause: Cause): Promise<Payment | null> {
    return inTransaction(this.db, 'payment.close_unsent', async (tx) => {
      const payment = await this.lock(tx, id);
      if (payment.status !== 'init') return null;
      const [settled] = await this.settlement.apply(tx, [{ reported: neverSent(payment), cause, closedAs: 'closed' }]);
      return settled?.payment ?? null;
    });
  }

  /**
   * Closes what was placed at the channel just now, and takes over what the payment then is: by a call of its own, as one
   * that is under way may have come there before the order did.
   * @throws ProviderError
   */
  async closeAgain(
    { provider, order }: { provider: PaymentProvider; order: ChannelOrder },
    cause: Cause,
  ): Promise<Payment> {
    const reported = await this.calls.closes.fresh(order.outTradeNo, () => callClose(provider, order));
    return this.settle(reported, cause, 'closed');
  }

  /**
   * Asks the channel about a payment, unless its money came; one that ended without may still find late money. Who asks while the channel is being
   * asked gets that answer; who asks again at once waits for the next question ({@link ChannelCalls}).
   * @throws DomainError `other_provider`, `channel_unavailable`, `channel_rejected`
   */
  async sync(id: string, cause: Cause): Promise<Payment> {
    const payment = await this.get(id);
    if (payment.status === 'succeeded') return payment;
    try {
      const provider = this.registry.of(payment);
      const order = await this.channelOrders.of(payment);
      const ask = () => channelCall('payment.sync', () => provider.queryPayment(order));
      return await this.settle(await this.calls.paymentQueries.join(id, ask), cause);
    } catch (error) {
      if (error instanceof ProviderError) throw channelError(error);
      throw error;
    }
  }

  /** Asks the channel whatever we think we know, and takes over what it says: for a difference found in a bill. */
  async recheck(id: string, cause: Cause): Promise<{ status: string; channel: string }> {
    const payment = await this.get(id);
    try {
      const provider = this.registry.of(payment);
      const order = await this.channelOrders.of(payment);
      const ask = () => channelCall('payment.recheck', () => provider.queryPayment(order));
      const reported = await this.calls.paymentQueries.fresh(id, ask);
      const { status } = await this.settle(reported, cause);
      return { status, channel: reported.state };
    } catch (error) {
      if (error instanceof ProviderError) throw channelError(error);
      throw error;
    }
  }

  /**
   * The simulated payment of the mock provider. Again without a second effect.
   * @throws DomainError `not_found` unless the mock provider is bound, `payment_expired`, `payment_not_open`
   */
  async simulatePayment(id: string, cause: Cause): Promise<Payment> {
    // A payment that the mock once made is no more to be paid here than any other.
    if (!this.settings.mockEnabled) throw new DomainError('not_found');
    const payment = await this.get(id);
    let reported: ChannelPayment;
    try {
      reported = await this.registry.of(payment).simulatePayment(await this.channelOrders.of(payment));
    } catch (error) {
      if (error instanceof ProviderError) throw channelError(error);
      throw error;
    }
    return transaction(this.db, async (tx) => {
      const current = await this.lock(tx, id);
      if (current.status === 'succeeded') return current;
      if (!current.isOpen) throw notOpen(current);
      if (current.hasExpired(this.clock.now())) throw new DomainError('payment_expired');
      const [settled] = await this.settlement.apply(tx, [{ reported, cause }]);
      return settled?.payment ?? current;
    });
  }

  /** One fact through the one door, in a transaction of its own. */
  async settle(reported: ChannelPayment, cause: Cause, closedAs?: 'closed'): Promise<Payment> {
    return inTransaction(this.db, 'payment.settle', async (tx) => {
      const [settled] = await this.settlement.apply(tx, [{ reported, cause, closedAs }]);
      if (!settled?.payment) throw new DomainError('not_found');
      return settled.payment;
    });
  }

  /** Locks the order, then reads the payment: what is read under the lock is what it is. */
  async lock(tx: Transaction, id: string): Promise<Payment> {
    // Issued together, they run in this order: what is read is read under the lock.
    const [, [payment]] = await Promise.all([this.orders.lockByPayments(tx, [id]), this.rows.read(tx, [id])]);
    if (!payment) throw new DomainError('not_found');
    return payment;
  }
}

function callClose(provider: PaymentProvider, order: ChannelOrder): Promise<ChannelPayment> {
  return channelCall('payment.cancel', () => provider.closePayment(order));
}
