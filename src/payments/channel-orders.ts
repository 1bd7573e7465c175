import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../database/transaction.js';
import type { ChannelOrder, ChannelPayment } from '../provider/payment-provider.js';
import type { Payment } from './payment.entity.js';

/** What a provider needs to know of a payment beyond its own row. */
export interface OrderFacts {
  id: string;
  description: string;
  metadata: Record<string, unknown>;
  openid: string | null;
}

const FACTS = `
  SELECT p.id, o.description, o.metadata, u.openid
  FROM payments p JOIN orders o ON o.id = p.order_id LEFT JOIN users u ON u.id = o.user_id AND u.appid = p.appid
  WHERE p.id = ANY ($1::text[])`;

/** Puts together what a provider needs to know of a payment: the row, its order, and the payer's openid. */
@Injectable()
export class ChannelOrders {
  constructor(@InjectDataSource() private readonly db: DataSource) {}

  async of(payment: Payment): Promise<ChannelOrder> {
    const [order] = await this.ofMany([payment]);
    if (!order) throw new Error(`payment ${payment.id} has no order`);
    return order;
  }

  /** One for each payment, in their order. */
  async ofMany(payments: Payment[]): Promise<ChannelOrder[]> {
    const rows = await this.db.query<OrderFacts[]>(FACTS, [payments.map((payment) => payment.id)]);
    const byId = new Map(rows.map((row) => [row.id, row]));
    return payments.flatMap((payment) => {
      const facts = byId.get(payment.id);
      return facts ? [channelOrder(payment, facts)] : [];
    });
  }

  /** What does not stand in the payments' own rows, inside the caller's transaction. */
  async facts(tx: Transaction, paymentIds: string[]): Promise<Map<string, OrderFacts>> {
    const rows = await tx.prepared<OrderFacts>('payments_order_facts', FACTS, [paymentIds]);
    return new Map(rows.map((row) => [row.id, row]));
  }
}

/** The same payment always gives the same values. */
export function channelOrder(payment: Payment, { description, metadata, openid }: OrderFacts): ChannelOrder {
  const { id: outTradeNo, amountFen, currency, expiresAt } = payment;
  const placed = payment.status !== 'init';
  return { outTradeNo, placed, amountFen, currency, description, openid, expiresAt, metadata };
}

/** What is true of a payment that the channel never heard of and that we give up. */
export function neverSent(payment: Payment): ChannelPayment {
  return unpaid(payment, 'closed');
}

/** What is true of a payment that the channel never heard of and that still may be started. */
export function stillOpen(payment: Payment): ChannelPayment {
  return unpaid(payment, 'open');
}

function unpaid(payment: Payment, state: 'closed' | 'open'): ChannelPayment {
  return {
    outTradeNo: payment.id,
    state,
    transactionId: null,
    amountFen: null,
    currency: null,
    paidAt: null,
    account: null,
  };
}
