import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { after, Clock, MINUTE } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { inTransaction } from '../database/in-transaction.js';
import { type Transaction, transaction } from '../database/transaction.js';
import type { Payment } from '../payments/payment.entity.js';
import { PaymentHistory } from '../payments/payment-history.js';
import {
  type AbnormalRefundTarget,
  type ChannelRefund,
  type ChannelRefundOrder,
  ProviderError,
} from '../provider/payment-provider.js';
import { ProviderRegistry } from '../provider/provider-registry.js';
import type { ProviderRules } from '../provider/provider-rules.js';
import type { LockedRefund, RefundBatch, RefundChange, RefundFailure } from './batch.js';
import { Refund, REFUND_STEPS, type RefundTrigger } from './refund.entity.js';
import { heldRefundCaseKey } from './refund-cases.js';
import { type RefundCall, RefundChannel } from './refund-channel.js';
import { RefundSettlement } from './refund-settlement.js';
import { isTooOld, LEASE, nextCheck } from './schedule.js';

/** The call that is to be made now, if any. */
type Planned = ({ call: 'send' | 'query'; id: string } & RefundCall) | { call: null; refund: Refund };

/**
 * Executes refunds: intent and number committed, then the call, then the outcome. Only a verified answer settles
 * anything; what is unknown stays `processing` and is asked again under the same number.
 */
@Injectable()
export class RefundExecutor {
  private readonly log = new Logger(RefundExecutor.name);

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly registry: ProviderRegistry,
    private readonly channel: RefundChannel,
    private readonly settlement: RefundSettlement,
    private readonly history: PaymentHistory,
    private readonly clock: Clock,
  ) {}

  /**
   * An operator or a service approves: sends the refund, or again one that is held. A repeat has no second effect.
   * @throws DomainError `refund_not_open`, `other_provider`, `provider_disabled`
   */
  async approve(id: string, cause: Cause): Promise<Refund> {
    return this.execute(await this.intend(id, cause, 'approve'), cause);
  }

  /** For the timer, with a refund that it has claimed: sends it, or asks about it. */
  async processDue(id: string, cause: Cause): Promise<Refund> {
    return this.execute(await this.intend(id, cause, 'timer'), cause);
  }

  /** Asks about a refund under way when it is read. One that is held waits for an operator or the timer. */
  async sync(id: string, cause: Cause): Promise<Refund> {
    return this.execute(await this.intend(id, cause, 'sync'), cause);
  }

  /** Asks the channel whatever we think we know, and takes over what it says: for a difference found in a bill. */
  async recheck(id: string, cause: Cause): Promise<{ status: string; channel: string }> {
    const call = await transaction(this.db, async (tx) => {
      const locked = (await this.settlement.lock(tx, [id])).get(id);
      if (!locked) throw new DomainError('not_found');
      return this.callOf(locked);
    });
    try {
      const reported = await this.channel.ask(call);
      const { status } = await this.settle(call, reported, cause);
      return { status, channel: reported.state };
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      throw new DomainError('channel_unavailable', error.code);
    }
  }

  /** Decides under the lock what is to be done, and commits the intent before anything is called. */
  private intend(id: string, cause: Cause, trigger: RefundTrigger): Promise<Planned> {
    return inTransaction(this.db, 'refund.intent', async (tx) => {
      const batch = await this.settlement.lock(tx, [id]);
      const locked = batch.get(id);
      if (!locked) throw new DomainError('not_found');
      const { refund } = locked;
      const now = this.clock.now();
      const step = isInHand(refund, trigger, now) ? 'none' : REFUND_STEPS[refund.phase][trigger];
      if (step === 'refuse') throw new DomainError('refund_not_open', `the refund is ${refund.status}`);
      if (step === 'none') return { call: null, refund };

      const call = this.callOf(locked);
      const change = { ...locked, cause, at: now };
      if (refund.phase === 'requested') markApproved(batch, change);
      const goesOut = step === 'query' || (await this.maySend(tx, batch, change, call.provider.rules));
      if (goesOut) refund.leaseUntil = after(now, LEASE);
      batch.touch(refund);
      await this.settlement.write(tx, batch);
      return goesOut ? { call: step, id, ...call } : { call: null, refund };
    });
  }

  /** @throws DomainError `other_provider`, `provider_disabled` */
  private callOf({ refund, payment, order }: LockedRefund): RefundCall {
    return { provider: this.registry.of(payment), order: toChannelOrder(refund, payment, order.metadata) };
  }

  /** Notes that it is sent now; or that it is sent later, or never because the payment is too old. */
  private async maySend(
    tx: Transaction,
    batch: RefundBatch,
    change: RefundChange,
    rules: ProviderRules,
  ): Promise<boolean> {
    const { refund, payment, at } = change;
    const free = await this.freeAt(tx, change, rules);
    if (free > at) {
      refund.nextCheckAt = free;
      refund.leaseUntil = null;
      return false;
    }
    if (refund.sentAt === null && isTooOld(payment, at, rules)) {
      batch.release(change, 'rejected', { code: 'refund_too_old', message: null });
      return false;
    }
    refund.sentAt ??= at;
    refund.lastSentAt = at;
    return true;
  }

  /** When this refund of the payment may be sent: queued, not refused, behind older ones that wait too. */
  private async freeAt(
    tx: Transaction,
    { refund, payment, at: now }: RefundChange,
    { minRefundInterval: interval }: ProviderRules,
  ): Promise<Date> {
    if (interval === 0) return now;
    const [row] = await tx.query<{ last: Date | null; before: number }>(
      `SELECT max(last_sent_at) AS last,
              count(*) FILTER (WHERE status = 'processing' AND sent_at IS NULL AND id < $2)::integer AS before
       FROM refunds WHERE payment_id = $1 AND id <> $2`,
      [payment.id, refund.id],
    );
    const free = row?.last ? after(row.last, interval) : now;
    return free > now ? after(free, (row?.before ?? 0) * interval) : now;
  }

  /**
   * The network is outside of any transaction; whatever it says, or does not, is written afterwards. What the channel
   * never got is sent under the same number.
   */
  private async execute(planned: Planned, cause: Cause): Promise<Refund> {
    if (planned.call === null) return planned.refund;
    const { id, order } = planned;
    try {
      const reported = planned.call === 'send' ? await this.channel.send(planned) : await this.channel.ask(planned);
      const resend = planned.call === 'query' && reported.state === 'not_found' && order.refundId === null;
      if (resend) return await this.execute(await this.intend(id, cause, 'resend'), cause);
      return await this.settle(planned, reported, cause);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      return this.afterFailure(id, planned, error, cause);
    }
  }

  private async settle({ provider }: RefundCall, reported: ChannelRefund, cause: Cause): Promise<Refund> {
    return inTransaction(this.db, 'refund.outcome', async (tx) => {
      const [settled] = await this.settlement.apply(tx, [{ reported, cause }]);
      if (!settled?.refund) throw new DomainError('not_found');
      return this.reschedule(tx, settled.refund, null, provider.rules);
    });
  }

  private async afterFailure(
    id: string,
    { provider: { rules } }: RefundCall,
    error: ProviderError,
    cause: Cause,
  ): Promise<Refund> {
    const { code, outcome } = error;
    this.log.warn({ request_id: cause.requestId, refund_id: id, code, outcome }, 'the refund was not confirmed');
    return inTransaction(this.db, 'refund.outcome', async (tx) => {
      const batch = await this.settlement.lock(tx, [id]);
      const locked = batch.get(id);
      if (!locked) throw new DomainError('not_found');
      // Settled in the meantime: what the channel said of it counts more than that it did not answer this call.
      if (locked.refund.status !== 'processing') return this.reschedule(tx, locked.refund, null, rules);
      const held = error.then === 'fixable';
      const failure = { code: error.code, message: error.words };
      if (held) openCase(batch, locked, error.code);
      // The channel surely did not take it and never will: the promise is taken back, its code and words shown.
      else if (error.outcome === 'rejected')
        batch.release({ ...locked, cause, at: this.clock.now() }, 'rejected', failure);
      await this.settlement.write(tx, batch);
      return this.reschedule(tx, locked.refund, held ? failure : null, rules);
    });
  }

  /** Gives a refund that is still under way back, and says when it is asked about again. */
  private async reschedule(
    tx: Transaction,
    refund: Refund,
    heldBecause: RefundFailure | null,
    rules: ProviderRules,
  ): Promise<Refund> {
    if (refund.status !== 'processing' && refund.status !== 'abnormal') return refund;
    if (refund.status === 'processing') {
      refund.failureCode = heldBecause?.code ?? null;
      refund.failureMessage = heldBecause?.message ?? null;
    }
    refund.nextCheckAt = nextCheck(refund, this.clock.now(), rules);
    refund.leaseUntil = null;
    await tx.query(
      `UPDATE refunds SET next_check_at = $2, lease_until = NULL, failure_code = $3, failure_message = $4
       WHERE id = $1 AND status IN ('processing', 'abnormal')`,
      [refund.id, refund.nextCheckAt, refund.failureCode, refund.failureMessage],
    );
    return refund;
  }

  /**
   * Sends the money of an abnormal refund elsewhere. Card data goes to the channel encrypted and is kept nowhere.
   * @throws DomainError `refund_not_open`, `other_provider`, `provider_disabled`, `channel_rejected`, `channel_unavailable`
   */
  async retryAbnormal(id: string, target: AbnormalRefundTarget, cause: Cause): Promise<Refund> {
    const call = await inTransaction(this.db, 'refund.abnormal', async (tx) => {
      const batch = await this.settlement.lock(tx, [id]);
      const locked = batch.get(id);
      if (!locked) throw new DomainError('not_found');
      const { refund } = locked;
      if (refund.status !== 'abnormal') throw new DomainError('refund_not_open', `the refund is ${refund.status}`);
      const sent = this.callOf(locked);
      // Who sent money where must be known afterwards, though nothing moves here yet.
      const { id: refundId, orderId, paymentId } = refund;
      const note = `sent to ${target.to}`;
      await this.history.add(tx, [
        { entity: 'refund', orderId, paymentId, refundId, from: 'abnormal', to: 'abnormal', cause, note, events: [] },
      ]);
      refund.nextCheckAt = after(this.clock.now(), MINUTE);
      batch.touch(refund);
      await this.settlement.write(tx, batch);
      return sent;
    });
    try {
      return await this.settle(call, await this.channel.retryToAnotherAccount(call, target), cause);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      const code = error.outcome === 'unknown' ? 'channel_unavailable' : 'channel_rejected';
      throw new DomainError(code, `WeChat Pay answered ${error.code}`);
    }
  }
}

/** A person who looks at it, or approves it twice, does not work on it beside the process that does. */
function isInHand(refund: Refund, trigger: RefundTrigger, now: Date): boolean {
  const byPerson = trigger === 'approve' || trigger === 'sync';
  return byPerson && refund.leaseUntil !== null && refund.leaseUntil > now;
}

function markApproved(batch: RefundBatch, change: RefundChange): void {
  const { refund, cause, at } = change;
  batch.move(change, 'processing', null);
  refund.approvedBy = cause.actor;
  refund.nextCheckAt = at;
}

/** Kept under its number, tried again by the timer or at an operator's word, and shown as a case. */
function openCase(batch: RefundBatch, { refund, payment }: LockedRefund, code: string): void {
  batch.discrepancies.push({
    type: 'refund_held',
    caseKey: heldRefundCaseKey(refund.id),
    paymentId: payment.id,
    outTradeNo: payment.id,
    refundId: refund.id,
    outRefundNo: refund.outRefundNo,
    detail: { code, amount: refund.amountFen },
    again: true,
  });
}

function toChannelOrder(refund: Refund, payment: Payment, metadata: Record<string, unknown>): ChannelRefundOrder {
  return {
    outRefundNo: refund.outRefundNo,
    outTradeNo: payment.id,
    transactionId: payment.transactionId,
    amountFen: refund.amountFen,
    totalFen: payment.amountFen,
    currency: refund.currency,
    reason: refund.reason,
    refundId: refund.refundId,
    metadata,
  };
}
