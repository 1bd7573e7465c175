import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { after, Clock } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { failpoint } from '../common/failpoints.js';
import { GroupCommitQueue, LOCK_WAIT } from '../common/group-commit-queue.js';
import { type Transaction, transaction } from '../database/transaction.js';
import type { Order } from '../orders/order.entity.js';
import { OrdersService } from '../orders/orders.service.js';
import type { ChannelOrder, PaymentProvider } from '../provider/payment-provider.js';
import { keepPrepay, type Prepay } from '../provider/prepay.js';
import { ProviderRegistry } from '../provider/provider-registry.js';
import { channelOrder, ChannelOrders, type OrderFacts } from './channel-orders.js';
import { Payment } from './payment.entity.js';
import { paymentEvents } from './payment-events.js';
import { type Move, PaymentHistory } from './payment-history.js';
import { PaymentsRepository } from './payments.repository.js';
import { FIRST_CHECK } from './payments.service.js';
import { notOpen } from './refusals.js';

/** A payment that may be placed now, where, and what the channel is told of it. */
export interface Intended {
  payment: Payment;
  provider: PaymentProvider;
  order: ChannelOrder;
}

interface Intent {
  id: string;
  cause: Cause;
}

interface Keeping {
  payment: Payment;
  prepay: Prepay;
}

const LIMITS = { maxBatch: 100, maxWaiting: 1000 };

/**
 * The two writes of a start, before and after its call. Starts that arrive together share them, see
 * {@link GroupCommitQueue}.
 */
@Injectable()
export class StartQueues {
  private readonly intents: GroupCommitQueue<Intent, Intended | DomainError>;
  private readonly keepings: GroupCommitQueue<Keeping, Payment>;

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly orders: OrdersService,
    private readonly rows: PaymentsRepository,
    private readonly channelOrders: ChannelOrders,
    private readonly history: PaymentHistory,
    private readonly registry: ProviderRegistry,
    private readonly clock: Clock,
  ) {
    this.intents = new GroupCommitQueue((batch, waitForLocks) => this.intendAll(batch, waitForLocks), {
      ...LIMITS,
      keyOf: ({ id }) => id,
    });
    this.keepings = new GroupCommitQueue((batch, waitForLocks) => this.keepAll(batch, waitForLocks), {
      ...LIMITS,
      keyOf: ({ payment }) => payment.id,
    });
  }

  /**
   * Commits the intent to call.
   * @throws DomainError `payment_expired`, `payment_not_open`, `payer_unknown`, `other_provider`, `provider_disabled`
   */
  async intend(id: string, cause: Cause): Promise<Intended> {
    const intended = await this.intents.submit({ id, cause });
    if (intended instanceof DomainError) throw intended;
    return intended;
  }

  /** Saves a prepay, unless the payment has a newer one or is settled; answers the payment as it then is. */
  keep(payment: Payment, prepay: Prepay): Promise<Payment> {
    return this.keepings.submit({ payment, prepay });
  }

  private intendAll(batch: Intent[], waitForLocks: boolean): Promise<(Intended | DomainError)[]> {
    return transaction(this.db, async (tx, commit) => {
      const ids = batch.map(({ id }) => id);
      const [{ orders, payments }, facts] = await Promise.all([
        this.lock(tx, ids, waitForLocks),
        this.channelOrders.facts(tx, ids),
      ]);
      const started: Payment[] = [];
      const moves: Move[] = [];
      const answers = batch.map(({ id, cause }) => {
        const payment = payments.get(id);
        const known = facts.get(id);
        const order = payment && orders.get(payment.orderId);
        if (!payment || !order || !known) return new DomainError('not_found');
        const provider = this.startableAt(payment, known);
        if (provider instanceof DomainError) return provider;
        if (payment.status === 'init') moves.push(this.begin(order, payment, started, cause));
        return { payment, provider, order: channelOrder(payment, known) };
      });
      const writes = [this.rows.saveStarts(tx, started), this.history.add(tx, moves)];
      failpoint('payment.start.before_intent');
      await Promise.all([...writes, commit()]);
      return answers;
    });
  }

  /** Where a payment can be started, or why it cannot; asked before the intent is written, so that nothing is begun for nothing. */
  private startableAt(payment: Payment, { openid }: OrderFacts): PaymentProvider | DomainError {
    if (!payment.isOpen) return notOpen(payment);
    if (payment.hasExpired(this.clock.now())) return new DomainError('payment_expired');
    const provider = this.registry.find(payment);
    if (provider instanceof DomainError) return provider;
    return provider.rules.needsOpenid && openid === null ? new DomainError('payer_unknown') : provider;
  }

  private begin(order: Order, payment: Payment, started: Payment[], cause: Cause): Move {
    const now = this.clock.now();
    payment.moveTo('processing', now);
    payment.startedAt = now;
    payment.nextCheckAt = after(now, FIRST_CHECK);
    started.push(payment);
    const { orderId, id: paymentId } = payment;
    const events = paymentEvents(order, payment);
    return { entity: 'payment', orderId, paymentId, from: 'init', to: 'processing', cause, events };
  }

  /** The first live prepay id that is saved wins, so that starts that race hand out one and the same. */
  private keepAll(batch: Keeping[], waitForLocks: boolean): Promise<Payment[]> {
    return transaction(this.db, async (tx, commit) => {
      const ids = batch.map(({ payment }) => payment.id);
      const [, { payments }] = await Promise.all([
        // Should the database lose it in a crash, the next start asks for another one: the disk is not waited for here.
        tx.query('SET LOCAL synchronous_commit = off'),
        this.lock(tx, ids, waitForLocks),
      ]);
      const changed = new Set<Payment>();
      const kept = batch.map(({ payment, prepay }) => {
        const current = payments.get(payment.id) ?? payment;
        if (!current.isOpen || (current.prepayId && current.prepayId !== payment.prepayId)) return current;
        keepPrepay(current, prepay);
        changed.add(current);
        return current;
      });
      await Promise.all([this.rows.savePrepays(tx, [...changed]), commit()]);
      return kept;
    });
  }

  /** Locks the orders, then reads the payments: issued together, they run in this order. */
  private async lock(
    tx: Transaction,
    ids: string[],
    waitForLocks: boolean,
  ): Promise<{ orders: Map<string, Order>; payments: Map<string, Payment> }> {
    const [, orders, payments] = await Promise.all([
      tx.query(`SET LOCAL lock_timeout = ${waitForLocks ? LOCK_WAIT.isolated : LOCK_WAIT.inBatch}`),
      this.orders.lockByPayments(tx, ids),
      this.rows.read(tx, ids),
    ]);
    return { orders, payments: new Map(payments.map((payment) => [payment.id, payment])) };
  }
}
