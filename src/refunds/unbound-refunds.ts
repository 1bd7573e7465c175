import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Clock } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { inTransaction } from '../database/in-transaction.js';
import { ENDED_BY_OPERATOR, type EndUnbound } from '../payments/unbound-payments.js';
import type { ChannelRefund } from '../provider/payment-provider.js';
import { isUnbound, ProviderRegistry } from '../provider/provider-registry.js';
import type { RefundChange } from './batch.js';
import type { Refund } from './refund.entity.js';
import { RefundSettlement } from './refund-settlement.js';

/** What became of a refund that may have been carried out, as an operator read it at the channel. */
export const REFUND_OUTCOMES = ['succeeded', 'closed'] as const;
export type RefundOutcome = (typeof REFUND_OUTCOMES)[number];

/** SQL: a refund `r` of a payment `p` is open and its provider is not bound. The parameter is `ProviderRegistry.accounts`. */
export const isUnboundRefund = (parameter: string): string =>
  `r.status IN ('requested', 'processing', 'abnormal') AND ${isUnbound(parameter)}`;

/** Open refunds whose provider is not bound any more: never due, and open until an operator ends them. */
@Injectable()
export class UnboundRefunds {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly registry: ProviderRegistry,
    private readonly settlement: RefundSettlement,
    private readonly clock: Clock,
  ) {}

  async count(): Promise<number> {
    const [row] = await this.db.query<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM refunds r JOIN payments p ON p.id = r.payment_id
       WHERE ${isUnboundRefund('$1')}`,
      [this.registry.accounts],
    );
    return row?.count ?? 0;
  }

  /**
   * Ends a refund, with the note in its history. What was never sent is `rejected`: nobody can have paid it, so its amount
   * is free again. What was sent may have been paid, and Paydesk cannot ask any more. To give its amount back without a
   * word could pay the same money back twice once the provider is bound again; to keep it reserved for ever would hide
   * what became of it. So the operator has to look at the channel and say it: `succeeded`, the payer has the money, or
   * `closed`, nobody was paid and the amount is free again. A later notice that says otherwise opens a case.
   * @throws DomainError `not_found`, `refund_not_open`, `provider_bound`, `refund_outcome_required`
   */
  async end(id: string, { note, cause, outcome, dryRun = false }: EndUnbound & { outcome?: RefundOutcome }) {
    return inTransaction(this.db, 'refund.end', async (tx): Promise<Refund> => {
      const batch = await this.settlement.lock(tx, [id]);
      const locked = batch.get(id);
      if (!locked) throw new DomainError('not_found');
      const { refund, payment } = locked;
      if (refund.settledAt !== null) throw new DomainError('refund_not_open', `the refund is ${refund.status}`);
      if (this.registry.has(payment)) throw new DomainError('provider_bound');
      const to = endOf(refund, outcome);
      const change: RefundChange = { ...locked, cause, at: this.clock.now(), note };
      if (to === 'succeeded') batch.succeed(change, asStated(refund));
      else batch.release(change, to, { code: ENDED_BY_OPERATOR, message: null });
      if (!dryRun) await this.settlement.write(tx, batch);
      return refund;
    });
  }
}

function endOf(refund: Refund, outcome: RefundOutcome | undefined): RefundOutcome | 'rejected' {
  if (refund.sentAt !== null || refund.refundId !== null) {
    if (outcome === undefined) throw new DomainError('refund_outcome_required');
    return outcome;
  }
  if (outcome !== undefined) throw new DomainError('refund_not_open', 'the refund was never sent: it has no outcome');
  return 'rejected';
}

/** An operator's word in the form of the channel's: it names nothing but the number. */
function asStated({ outRefundNo }: Refund): ChannelRefund {
  const unsaid = { outTradeNo: null, refundId: null, amountFen: null, totalFen: null, currency: null };
  const times = { createdAt: null, succeededAt: null };
  return { outRefundNo, state: 'succeeded', ...unsaid, ...times, transactionId: null, mchid: null };
}
