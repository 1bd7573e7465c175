import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, EntityManager } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { after, Clock, MINUTE, SECOND } from '../common/clock.js';
import { crashPoint } from '../common/crash-points.js';
import { DomainError } from '../common/errors.js';
import { Settings } from '../config/settings.js';
import { Order } from '../orders/order.entity.js';
import { OrdersService } from '../orders/orders.service.js';
import {
  type ChannelOrder,
  type ChannelPayment,
  PaymentProvider,
  type PayParams,
  type Prepay,
  ProviderError,
} from '../provider/payment-provider.js';
import { ChannelOrders, neverSent } from './channel-orders.js';
import { PaymentHistory } from './history.service.js';
import { Payment } from './payment.entity.js';
import { PaymentSettlement } from './settlement.service.js';

/** A prepay id with less life than this left is not handed out again. */
const PREPAY_MARGIN = 5 * MINUTE;
/** The first question after a start; the schedule of due checks goes on from there. */
export const FIRST_CHECK = 5 * SECOND;

/** Codes with which the channel says that the order is there already: the truth is asked, not guessed. */
const ASK_INSTEAD = new Set(['ORDERPAID', 'OUT_TRADE_NO_USED', 'ORDER_CLOSED']);

export interface Started {
  payment: Payment;
  payParams: PayParams;
}

/** What an owner does with payments: create, start, cancel, ask. Network outside, transactions short. */
@Injectable()
export class PaymentsService {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly provider: PaymentProvider,
    private readonly orders: OrdersService,
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

  /**
   * The open payment of an order, made if there is none. One open payment per order: by the order's lock, and by a
   * partial unique index as second net.
   * @throws DomainError `order_not_payable`, `order_expired`
   */
  async create(orderId: string, id: string, cause: Cause): Promise<{ payment: Payment; created: boolean }> {
    return this.db.transaction(async (tx) => {
      const order = await this.orders.lock(tx, orderId);
      // A repeat of a request whose answer got lost: what it made, whatever became of it since.
      const made = await tx.findOneBy(Payment, { id });
      if (made) return { payment: made, created: true };
      const open = await tx.findOne(Payment, {
        where: [
          { orderId, status: 'init' },
          { orderId, status: 'processing' },
        ],
      });
      if (open) return { payment: open, created: false };

      const now = this.clock.now();
      if (order.status !== 'pending') throw new DomainError('order_not_payable', `the order is ${order.status}`);
      if (order.hasExpired(now)) throw new DomainError('order_expired');
      const payment = this.newPayment(order, id, now);
      await tx.insert(Payment, payment);
      order.expiresAt = payment.expiresAt;
      await this.orders.save(tx, [order]);
      await this.history.add(tx, [{ noun: 'payment', orderId, paymentId: payment.id, from: null, to: 'init', cause }]);
      return { payment, created: true };
    });
  }

  private newPayment(order: Order, id: string, now: Date): Payment {
    return Object.assign(new Payment(), {
      id,
      orderId: order.id,
      provider: this.provider.name,
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
      expiresAt: after(now, this.settings.paymentTtlSeconds * SECOND),
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
   * Hands out what `wx.requestPayment` needs. The intent is committed before the call; an unknown answer leaves the
   * payment startable again under the same number with identical parameters.
   * @throws DomainError `payment_expired`, `payment_not_open`, `payer_unknown`, `channel_rejected`, `channel_unavailable`
   */
  async start(id: string, cause: Cause): Promise<Started> {
    const payment = await this.intend(id, cause);
    const alive =
      payment.prepayId && payment.prepayExpiresAt && payment.prepayExpiresAt > after(this.clock.now(), PREPAY_MARGIN);
    if (payment.prepayId && alive) return { payment, payParams: await this.provider.payParams(payment.prepayId) };

    const order = await this.channelOrders.of(payment);
    let prepay: Prepay;
    try {
      crashPoint('payment.start.before_call');
      prepay = await this.provider.prepay(order);
      crashPoint('payment.start.after_call');
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      return this.afterFailedPrepay(order, error, cause);
    }
    return this.keepPrepay(payment, order, prepay, cause);
  }

  /** Commits the intent to call. @throws DomainError `payment_expired`, `payment_not_open` */
  private async intend(id: string, cause: Cause): Promise<Payment> {
    return this.db.transaction(async (tx) => {
      const payment = await this.lockPayment(tx, id);
      const now = this.clock.now();
      if (!payment.isOpen) throw notOpen(payment);
      if (payment.hasExpired(now)) throw new DomainError('payment_expired');
      if (payment.status === 'init') {
        payment.moveTo('processing', now);
        const nextCheckAt = after(now, FIRST_CHECK);
        Object.assign(payment, { startedAt: now, nextCheckAt });
        await tx.update(Payment, id, { status: payment.status, startedAt: now, nextCheckAt });
        await this.history.add(tx, [
          { noun: 'payment', orderId: payment.orderId, paymentId: id, from: 'init', to: 'processing', cause },
        ]);
        crashPoint('payment.start.before_intent');
      }
      return payment;
    });
  }

  /** The first live prepay id that is saved wins, so that starts that race hand out one and the same. */
  private async keepPrepay(payment: Payment, order: ChannelOrder, prepay: Prepay, cause: Cause): Promise<Started> {
    const kept = await this.db.transaction(async (tx) => {
      const current = await this.lockPayment(tx, payment.id);
      if (!current.isOpen || (current.prepayId && current.prepayId !== payment.prepayId)) return current;
      current.prepayId = prepay.prepayId;
      current.prepayExpiresAt = prepay.expiresAt;
      await tx.update(Payment, payment.id, { prepayId: prepay.prepayId, prepayExpiresAt: prepay.expiresAt });
      return current;
    });
    crashPoint('payment.start.after_commit');
    if (kept.isOpen && kept.prepayId) return { payment: kept, payParams: await this.provider.payParams(kept.prepayId) };
    // Settled while the call was on its way: what it opened at the channel is closed again, or found paid. If that
    // fails, nobody holds the prepay id, and money that comes all the same is late money.
    await this.close(order, cause).catch((error: unknown) => {
      if (!(error instanceof ProviderError)) throw error;
    });
    throw notOpen(await this.get(payment.id));
  }

  private async afterFailedPrepay(order: ChannelOrder, error: ProviderError, cause: Cause): Promise<never> {
    if (error.outcome === 'unknown') throw channelError(error);
    if (ASK_INSTEAD.has(error.code)) {
      const settled = await this.settle(await this.provider.queryPayment(order), cause);
      if (!settled.isOpen) throw notOpen(settled);
      throw channelError(error);
    }
    // A sure refusal of this call. An earlier one, whose answer never came, may have got through: closed before the
    // payment is called failed. If that cannot be confirmed either, the payment stays open and can be started again.
    const seen = await this.provider.closePayment(order).catch((closeError: unknown) => {
      if (closeError instanceof ProviderError) throw channelError(error);
      throw closeError;
    });
    await this.settle(seen.state === 'closed' ? { ...seen, state: 'failed', failureCode: error.code } : seen, cause);
    throw channelError(error);
  }

  /**
   * Closes an open payment, at the channel too; when the channel says it was paid, it becomes `succeeded` instead.
   * A closed one is answered as it is.
   * @throws DomainError `payment_not_open`, `channel_unavailable`, `channel_rejected`
   */
  async cancel(id: string, cause: Cause): Promise<Payment> {
    const untouched = await this.closeUnsent(id, cause);
    if (untouched) return untouched;
    const payment = await this.get(id);
    if (payment.status === 'closed') return payment;
    if (!payment.isOpen) throw notOpen(payment);
    try {
      return await this.close(await this.channelOrders.of(payment), cause);
    } catch (error) {
      if (error instanceof ProviderError) throw channelError(error);
      throw error;
    }
  }

  /** A payment that was never sent is closed here alone: the channel does not know it. */
  private closeUnsent(id: string, cause: Cause): Promise<Payment | null> {
    return this.db.transaction(async (tx) => {
      const payment = await this.lockPayment(tx, id);
      if (payment.status !== 'init') return null;
      const [settled] = await this.settlement.apply(tx, [{ seen: neverSent(payment), cause, closedAs: 'closed' }]);
      return settled?.payment ?? null;
    });
  }

  private async close(order: ChannelOrder, cause: Cause): Promise<Payment> {
    crashPoint('payment.cancel.before_call');
    const seen = await this.provider.closePayment(order);
    crashPoint('payment.cancel.after_call');
    return this.settle(seen, cause, 'closed');
  }

  /** Asks the channel now, unless it is known that the money came. @throws DomainError `channel_unavailable`, … */
  async sync(id: string, cause: Cause): Promise<Payment> {
    const payment = await this.get(id);
    if (payment.status === 'succeeded') return payment;
    try {
      return await this.settle(await this.provider.queryPayment(await this.channelOrders.of(payment)), cause);
    } catch (error) {
      if (error instanceof ProviderError) throw channelError(error);
      throw error;
    }
  }

  /** Asks the channel whatever we think we know, and takes over what it says: for a difference found in a bill. */
  async recheck(id: string, cause: Cause): Promise<{ status: string; changed: boolean; channel: string }> {
    const before = await this.get(id);
    try {
      const seen = await this.provider.queryPayment(await this.channelOrders.of(before));
      const { status } = await this.settle(seen, cause);
      return { status, changed: status !== before.status, channel: seen.state };
    } catch (error) {
      if (error instanceof ProviderError) throw channelError(error);
      throw error;
    }
  }

  /**
   * The pretend payment of the mock provider. Again without a second effect.
   * @throws DomainError `not_found` under a real provider, `payment_expired`, `payment_not_open`
   */
  async pretendToPay(id: string, cause: Cause): Promise<Payment> {
    const payment = await this.get(id);
    let seen: ChannelPayment;
    try {
      seen = await this.provider.pretendToPay(await this.channelOrders.of(payment));
    } catch (error) {
      if (error instanceof ProviderError) throw channelError(error);
      throw error;
    }
    return this.db.transaction(async (tx) => {
      const current = await this.lockPayment(tx, id);
      if (current.status === 'succeeded') return current;
      if (!current.isOpen) throw notOpen(current);
      if (current.hasExpired(this.clock.now())) throw new DomainError('payment_expired');
      const [settled] = await this.settlement.apply(tx, [{ seen, cause }]);
      return settled?.payment ?? current;
    });
  }

  private async settle(seen: ChannelPayment, cause: Cause, closedAs?: 'closed'): Promise<Payment> {
    const payment = await this.db.transaction(async (tx) => {
      const [settled] = await this.settlement.apply(tx, [{ seen, cause, closedAs }]);
      if (!settled?.payment) throw new DomainError('not_found');
      crashPoint('payment.settle.before_commit');
      return settled.payment;
    });
    crashPoint('payment.settle.after_commit');
    return payment;
  }

  /** Locks the order, then reads the payment: what is read under the lock is what it is. */
  private async lockPayment(tx: EntityManager, id: string): Promise<Payment> {
    await this.orders.lockByPayments(tx, [id]);
    const payment = await tx.findOneBy(Payment, { id });
    if (!payment) throw new DomainError('not_found');
    return payment;
  }
}

function notOpen(payment: Payment): DomainError {
  return payment.status === 'expired'
    ? new DomainError('payment_expired')
    : new DomainError('payment_not_open', `the payment is ${payment.status}`);
}

function channelError(error: ProviderError): DomainError {
  return error.outcome === 'unknown'
    ? new DomainError('channel_unavailable', `the channel did not answer (${error.code}); try again`)
    : new DomainError('channel_rejected', `the channel refused (${error.code})`);
}
