import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type SelectQueryBuilder } from 'typeorm';
import { after, Clock, SECOND } from '../common/clock.js';
import { DomainError, invalidField } from '../common/errors.js';
import { failpoint } from '../common/failpoints.js';
import { isId } from '../common/ids.js';
import { CURRENCY, isAmountFen } from '../common/money.js';
import { Settings } from '../config/settings.js';
import { inTransaction } from '../database/in-transaction.js';
import { Page, pageById, pageOf, PageQuery } from '../database/page.js';
import type { Transaction } from '../database/transaction.js';
import { EventOutbox } from '../events/event-outbox.js';
import { PaymentProvider } from '../provider/payment-provider.js';
import { assertSameOrder, type NewOrder } from './new-order.js';
import { Order, type OrderStatus } from './order.entity.js';
import { orderEvents } from './order-events.js';
import { Product } from './product.entity.js';

/** What is looked for among orders. Created from a moment on, and before another one. */
export interface OrderFilter {
  status?: OrderStatus;
  userId?: string;
  externalId?: string;
  createdFrom?: Date;
  createdTo?: Date;
}

const COLUMNS = `o.id, o.user_id AS "userId", o.status, o.amount_fen AS "amountFen", o.currency,
  o.refunded_fen AS "refundedFen", o.description, o.metadata, o.product_id AS "productId", o.quantity,
  o.paid_payment_id AS "paidPaymentId", o.created_by AS "createdBy", o.service, o.external_id AS "externalId",
  o.expires_in AS "expiresIn", o.created_at AS "createdAt", o.expires_at AS "expiresAt", o.paid_at AS "paidAt"`;

const INSERT = `
  INSERT INTO orders AS o (id, user_id, status, amount_fen, currency, description, metadata, product_id, quantity,
                           created_by, created_at, expires_at, service, external_id, expires_in)
  VALUES ($1, $2, 'pending', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING
  RETURNING ${COLUMNS}`;

/** Sole writer of `orders`. */
@Injectable()
export class OrdersService {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly provider: PaymentProvider,
    private readonly outbox: EventOutbox,
    private readonly settings: Settings,
    private readonly clock: Clock,
  ) {}

  /** An order for a product of the catalogue: the price is ours, never the client's. */
  async createForProduct(id: string, userId: string, productId: string, quantity: number): Promise<Order> {
    const product = await this.db.manager.findOneBy(Product, { id: productId, active: true });
    if (!product) throw invalidField('product_id', 'is not a known product');
    const amountFen = product.priceFen * quantity;
    if (!isAmountFen(amountFen))
      throw invalidField('quantity', 'is too large: the total exceeds the maximum order amount');
    const description = quantity === 1 ? product.name : `${product.name} ×${quantity}`;
    const { order } = await this.create({
      id,
      userId,
      createdBy: userId,
      service: null,
      externalId: null,
      expiresIn: null,
      description,
      amountFen,
      metadata: {},
      productId,
      quantity,
    });
    return order;
  }

  /**
   * Saves an order. The same id again answers the order that is there: a repeated request makes no second one. So does the
   * same number of the same service, which is not `created` then.
   * @throws DomainError `invalid_metadata`, `external_id_conflict` where that order is another one
   */
  async create(order: NewOrder): Promise<{ order: Order; created: boolean }> {
    this.provider.checkMetadata(order.metadata);
    const placed = await (order.service === null ? this.insert(order) : this.insertAndTell(order));
    if (placed) return { order: placed, created: true };
    const made = await this.db.manager.findOneBy(Order, { id: order.id });
    if (made) return { order: made, created: true };
    const { service, externalId } = order;
    const known = await this.db.manager.findOneByOrFail(Order, {
      service: service ?? '',
      externalId: externalId ?? '',
    });
    assertSameOrder(order, known);
    return { order: known, created: false };
  }

  /** Nobody is told of a user's own order, so one statement does. */
  private async insert(order: NewOrder): Promise<Order | undefined> {
    const rows = await this.db.query<Order[]>(INSERT, this.newRow(order));
    failpoint('order.create.after_commit');
    return asOrders(rows).get(order.id);
  }

  private insertAndTell(order: NewOrder): Promise<Order | undefined> {
    return inTransaction(this.db, 'order.create', async (tx) => {
      const placed = asOrders(await tx.query<Order>(INSERT, this.newRow(order))).get(order.id);
      if (placed) await this.outbox.add(tx, orderEvents(placed));
      return placed;
    });
  }

  /** The values of {@link INSERT}. */
  private newRow(order: NewOrder): unknown[] {
    const now = this.clock.now();
    return [
      order.id,
      order.userId,
      order.amountFen,
      CURRENCY,
      order.description,
      JSON.stringify(order.metadata),
      order.productId,
      order.quantity,
      order.createdBy,
      now,
      after(now, (order.expiresIn ?? this.settings.paymentTtlSeconds) * SECOND),
      order.service,
      order.externalId,
      order.expiresIn,
    ];
  }

  /** @throws DomainError `not_found` */
  async get(id: string): Promise<Order> {
    const order = await this.db.manager.findOneBy(Order, { id });
    if (!order) throw new DomainError('not_found');
    return order;
  }

  /** A user's own orders, newest first. */
  async listOfUser(userId: string, filter: OrderFilter, query: PageQuery): Promise<Page<Order>> {
    return pageById(this.find(filter).andWhere('o.userId = :owner', { owner: userId }), 'DESC', query);
  }

  /** The orders that a service placed, newest first. @throws DomainError `invalid_cursor` */
  async listOfService(service: string, filter: OrderFilter, query: PageQuery): Promise<Page<Order>> {
    const found = this.find(filter)
      .andWhere('o.service = :service', { service })
      .orderBy('o.createdAt', 'DESC')
      .addOrderBy('o.id', 'DESC')
      .limit(query.limit + 1);
    if (query.after !== null) {
      const [time = '', id = ''] = query.after.split(' ');
      if (!/^\d{13}$/.test(time) || !isId('ord', id)) throw new DomainError('invalid_cursor');
      found.andWhere('(o.createdAt, o.id) < (:time, :id)', { time: new Date(Number(time)), id });
    }
    return pageOf(await found.getMany(), query, (order) => `${order.createdAt.getTime()} ${order.id}`);
  }

  private find(filter: OrderFilter): SelectQueryBuilder<Order> {
    const { status, userId, externalId, createdFrom, createdTo } = filter;
    const found = this.db.manager.createQueryBuilder(Order, 'o');
    if (status) found.andWhere('o.status = :status', { status });
    if (userId !== undefined) found.andWhere('o.userId = :userId', { userId });
    if (externalId !== undefined) found.andWhere('o.externalId = :externalId', { externalId });
    if (createdFrom) found.andWhere('o.createdAt >= :createdFrom', { createdFrom });
    if (createdTo) found.andWhere('o.createdAt < :createdTo', { createdTo });
    return found;
  }

  /** Locks one order until the transaction ends. @throws DomainError `not_found` */
  async lock(tx: Transaction, id: string): Promise<Order> {
    const [row] = await tx.query<Order>(`SELECT ${COLUMNS} FROM orders o WHERE o.id = $1 FOR UPDATE`, [id]);
    if (!row) throw new DomainError('not_found');
    return Object.assign(new Order(), row);
  }

  /**
   * Locks the orders of these payments, in id order so that no two transactions wait for each other. One lock guards an
   * order, its payments and their refunds: read those rows only after it.
   */
  lockByPayments(tx: Transaction, paymentIds: string[]): Promise<Map<string, Order>> {
    return this.lockOf(tx, 'payments', paymentIds);
  }

  /** The same for the orders of these refunds. */
  lockByRefunds(tx: Transaction, refundIds: string[]): Promise<Map<string, Order>> {
    return this.lockOf(tx, 'refunds', refundIds);
  }

  /** The same for the orders of the refunds that have these numbers at the channel, and of these payments: for reports. */
  async lockByReports(tx: Transaction, outRefundNos: string[], paymentIds: string[]): Promise<Map<string, Order>> {
    const rows = await tx.prepared<Order>(
      'orders_lock_by_reports',
      `SELECT ${COLUMNS} FROM orders o
       WHERE o.id = ANY (ARRAY(
         SELECT r.order_id FROM refunds r WHERE r.id = ANY ($1::text[])
         UNION ALL
         SELECT r.order_id FROM refunds r WHERE r.console_refund_no = ANY ($1::text[]) AND r.console_refund_no IS NOT NULL
         UNION ALL
         SELECT p.order_id FROM payments p WHERE p.id = ANY ($2::text[])))
       ORDER BY o.id FOR UPDATE`,
      [outRefundNos, paymentIds],
    );
    return asOrders(rows);
  }

  private async lockOf(tx: Transaction, table: 'payments' | 'refunds', ids: string[]): Promise<Map<string, Order>> {
    const rows = await tx.prepared<Order>(
      `orders_lock_by_${table}`,
      `SELECT ${COLUMNS} FROM orders o
       WHERE o.id = ANY (ARRAY(SELECT t.order_id FROM ${table} t WHERE t.id = ANY ($1::text[])))
       ORDER BY o.id FOR UPDATE`,
      [ids],
    );
    return asOrders(rows);
  }

  /** Writes what a settlement changes of orders that the caller has locked. */
  async save(tx: Transaction, orders: Order[]): Promise<void> {
    if (orders.length === 0) return;
    await tx.prepared(
      'orders_save',
      `UPDATE orders o SET status = v.status, refunded_fen = v.refunded_fen, paid_payment_id = v.paid_payment_id,
                           paid_at = v.paid_at, expires_at = v.expires_at
       FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::timestamptz[], $6::timestamptz[])
            AS v(id, status, refunded_fen, paid_payment_id, paid_at, expires_at)
       WHERE o.id = v.id`,
      [
        orders.map((order) => order.id),
        orders.map((order) => order.status),
        orders.map((order) => order.refundedFen),
        orders.map((order) => order.paidPaymentId),
        orders.map((order) => order.paidAt),
        orders.map((order) => order.expiresAt),
      ],
    );
  }

  /** Cancels orders that are pending and have no open payment; the caller has locked them. Answers those, as they are now. */
  async cancelPending(tx: Transaction, ids: string[]): Promise<Order[]> {
    const rows = await tx.query<Order>(
      `UPDATE orders o SET status = 'cancelled' WHERE o.id = ANY ($1::text[]) AND o.status = 'pending'
       AND NOT EXISTS (SELECT FROM payments p WHERE p.order_id = o.id AND p.status IN ('init', 'processing'))
       RETURNING ${COLUMNS}`,
      [ids],
    );
    return [...asOrders(rows).values()];
  }
}

function asOrders(rows: Order[]): Map<string, Order> {
  return new Map(rows.map((row) => [row.id, Object.assign(new Order(), row)]));
}
