import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { DomainError } from '../common/errors.js';
import { inTransaction } from '../database/in-transaction.js';
import { isUnbound, ProviderRegistry } from '../provider/provider-registry.js';
import { neverSent } from './channel-orders.js';
import { Payment } from './payment.entity.js';
import { PaymentSettlement } from './payment-settlement.js';
import { PaymentsService } from './payments.service.js';
import { notOpen } from './refusals.js';

/** The failure code of what an operator ended in place of its provider. */
export const ENDED_BY_OPERATOR = 'ended_by_operator';

/** SQL: a payment `p` is open and its provider is not bound. The parameter is `ProviderRegistry.accounts`. */
export const isUnboundPayment = (parameter: string): string =>
  `p.status IN ('init', 'processing') AND ${isUnbound(parameter)}`;

/** An operator's end of a row whose provider is not bound. */
export interface EndUnbound {
  /** Why, for its history. */
  note: string;
  cause: Cause;
  /** Only answers what would become of it. */
  dryRun?: boolean;
}

/**
 * Open payments whose provider is not bound any more, as after a change from the mock to a real account, or to another
 * merchant number. Nobody can be asked about them, so they are never due; they stay as they are until an operator ends them.
 */
@Injectable()
export class UnboundPayments {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly registry: ProviderRegistry,
    private readonly payments: PaymentsService,
    private readonly settlement: PaymentSettlement,
  ) {}

  async count(): Promise<number> {
    const [row] = await this.db.query<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM payments p WHERE ${isUnboundPayment('$1')}`,
      [this.registry.accounts],
    );
    return row?.count ?? 0;
  }

  /**
   * Ends a payment as `closed`, with the note in its history, and cancels its order as at an expiry. It does not say that no
   * money comes: what its provider proves once it is bound again is late money, as for any closed payment.
   * @throws DomainError `not_found`, `payment_expired`, `payment_not_open`, `provider_bound`
   */
  async end(id: string, { note, cause, dryRun = false }: EndUnbound): Promise<Payment> {
    return inTransaction(this.db, 'payment.end', async (tx) => {
      const payment = await this.payments.lock(tx, id);
      if (!payment.isOpen) throw notOpen(payment);
      if (this.registry.has(payment)) throw new DomainError('provider_bound');
      if (dryRun) return Object.assign(payment, { status: 'closed' as const });
      const reported = { ...neverSent(payment), failureCode: ENDED_BY_OPERATOR };
      const [settled] = await this.settlement.apply(tx, [{ reported, cause, closedAs: 'closed', endedBecause: note }]);
      return settled?.payment ?? payment;
    });
  }
}
