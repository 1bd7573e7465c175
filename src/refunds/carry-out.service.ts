import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, EntityManager } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { after, Clock, MINUTE, SECOND } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import type { Payment } from '../payments/payment.entity.js';
import {
  type AbnormalRefundTarget,
  type ChannelRefund,
  type ChannelRefundOrder,
  PaymentProvider,
  ProviderError,
} from '../provider/payment-provider.js';
import { type LockedRefund, notEnoughCase, type RefundBatch } from './batch.js';
import { Refund } from './refund.entity.js';
import { RefundBudget } from './refund-budget.js';
import { REFUNDABLE_FOR } from './refunds.service.js';
import { RefundSettlement } from './settlement.service.js';

/** How long whoever sends a refund has it in hand; a dead one's claim runs out. */
export const LEASE = 60 * SECOND;
/** WeChat wants at least so long between two partial refunds of one payment (manual, page 4013071036). */
const BETWEEN_PARTS = MINUTE;
const HELD_RETRY = 30 * MINUTE;

/** Refusals that end when somebody mends something here: the refund is kept and tried again under the same number. */
const MENDABLE = new Set([
  'NOT_ENOUGH',
  'SIGN_ERROR',
  'NO_AUTH',
  'REQUEST_BLOCKED',
  'APPID_MCHID_NOT_MATCH',
  'MCH_NOT_EXISTS',
  // The payment was not found, which happens shortly after it was paid, or the address was wrong.
  'RESOURCE_NOT_EXISTS',
  'http_404',
  'http_405',
]);

/** What is to be done with a refund now. */
type Step = { kind: 'send' | 'ask' | 'ask_only'; order: ChannelRefundOrder } | { kind: 'nothing'; refund: Refund };

/**
 * Carries refunds out: intent and number committed, then the call, then the outcome. Only a verified answer settles
 * anything; what is unknown stays `processing` and is asked again under the same number.
 */
@Injectable()
export class RefundCarrier {
  private readonly log = new Logger(RefundCarrier.name);

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly provider: PaymentProvider,
    private readonly settlement: RefundSettlement,
    private readonly budget: RefundBudget,
    private readonly clock: Clock,
  ) {}

  /**
   * An operator's or a service's word: sends a refund, or one that is held again. Again without a second effect.
   * @throws DomainError `refund_not_open`
   */
  async carryOut(id: string, cause: Cause): Promise<Refund> {
    const step = await this.intend(id, cause, true);
    return step.kind === 'nothing' ? step.refund : this.take(step, cause);
  }

  /** What the timer does with a refund whose time has come: sends it, or asks about it. */
  async proceed(id: string, cause: Cause): Promise<Refund> {
    const step = await this.intend(id, cause, false);
    return step.kind === 'nothing' ? step.refund : this.take(step, cause);
  }

  /** Asks the channel whatever we think we know, and takes over what it says: for a difference found in a bill. */
  async recheck(id: string, cause: Cause): Promise<{ status: string; changed: boolean; channel: string }> {
    const { refund: before, order } = await this.db.transaction(async (tx) => {
      const locked = (await this.settlement.lock(tx, [id])).get(id);
      if (!locked) throw new DomainError('not_found');
      return { refund: locked.refund, order: toChannelOrder(locked.refund, locked.payment, locked.order.metadata) };
    });
    try {
      await this.budget.take();
      const seen = await this.provider.queryRefund(order);
      const { status } = await this.settle(seen, cause);
      return { status, changed: status !== before.status, channel: seen.state };
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      throw new DomainError(error.outcome === 'unknown' ? 'channel_unavailable' : 'channel_rejected', error.code);
    }
  }

  /** Decides under the lock what is to be done, and commits the intent before anything is called. */
  private intend(id: string, cause: Cause, ordered: boolean): Promise<Step> {
    return this.db.transaction(async (tx) => {
      const batch = await this.settlement.lock(tx, [id]);
      const locked = batch.get(id);
      if (!locked) throw new DomainError('not_found');
      const { refund } = locked;
      if (refund.status === 'requested' && ordered) this.approve(batch, locked, cause);
      else if (refund.status !== 'processing' && refund.status !== 'abnormal')
        return this.settledAlready(refund, ordered);

      const step = await this.nextStep(tx, locked, ordered);
      if (step.kind === 'send' && refund.sentAt === null && isTooOld(locked.payment, this.clock.now())) {
        batch.release(locked, 'rejected', { code: 'refund_too_old', message: null }, cause, this.clock.now());
        await this.settlement.write(tx, batch);
        return { kind: 'nothing', refund };
      }
      if (step.kind === 'send') {
        const now = this.clock.now();
        refund.sentAt ??= now;
        refund.lastSentAt = now;
      }
      batch.touch(refund);
      await this.settlement.write(tx, batch);
      return step;
    });
  }

  private settledAlready(refund: Refund, ordered: boolean): Step {
    const harmless = refund.status === 'succeeded' || refund.status === 'requested';
    if (ordered && !harmless) throw new DomainError('refund_not_open', `the refund is ${refund.status}`);
    return { kind: 'nothing', refund };
  }

  private approve(batch: RefundBatch, { refund }: LockedRefund, cause: Cause): void {
    const now = this.clock.now();
    batch.move(refund, 'processing', cause, null, now);
    refund.approvedBy = cause.actor;
    refund.nextCheckAt = now;
  }

  private async nextStep(tx: EntityManager, { refund, payment, order }: LockedRefund, ordered: boolean): Promise<Step> {
    const now = this.clock.now();
    const inHand = ordered && refund.leaseUntil !== null && refund.leaseUntil > now;
    const underWay = refund.sentAt !== null && refund.failureCode === null;
    if (inHand || (ordered && underWay)) return { kind: 'nothing', refund };
    const channelOrder = toChannelOrder(refund, payment, order.metadata);
    if (underWay || refund.status === 'abnormal') {
      refund.leaseUntil = after(now, LEASE);
      return { kind: refund.status === 'abnormal' ? 'ask_only' : 'ask', order: channelOrder };
    }
    const free = await this.freeAt(tx, refund, payment, now);
    if (free > now) {
      refund.nextCheckAt = free;
      refund.leaseUntil = null;
      return { kind: 'nothing', refund };
    }
    refund.leaseUntil = after(now, LEASE);
    return { kind: 'send', order: channelOrder };
  }

  /** When the next part of this payment may be sent: queued, not refused. The mock does not mind. */
  private async freeAt(tx: EntityManager, refund: Refund, payment: Payment, now: Date): Promise<Date> {
    if (this.provider.name === 'mock') return now;
    const [row] = await tx.query<{ last: Date | null }[]>(
      'SELECT max(last_sent_at) AS last FROM refunds WHERE payment_id = $1 AND id <> $2',
      [payment.id, refund.id],
    );
    return row?.last ? after(row.last, BETWEEN_PARTS) : now;
  }

  /** The network is outside of any transaction; whatever it says, or does not, is written afterwards. */
  private async take(step: Extract<Step, { order: ChannelRefundOrder }>, cause: Cause): Promise<Refund> {
    const { order } = step;
    try {
      const seen = step.kind === 'send' ? await this.send(order) : await this.ask(order, step.kind === 'ask');
      return await this.settle(seen, cause);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      return this.afterFailure(order, error, cause);
    }
  }

  /** What the channel never got is sent under the same number. A question that is refused tells nothing of the refund. */
  private async ask(order: ChannelRefundOrder, resend: boolean): Promise<ChannelRefund> {
    await this.budget.take();
    const seen = await this.provider.queryRefund(order).catch((error: unknown) => {
      if (!(error instanceof ProviderError)) throw error;
      throw new ProviderError('unknown', error.code, error.message, error.httpStatus);
    });
    return seen.state === 'not_found' && resend ? this.send(order) : seen;
  }

  private async send(order: ChannelRefundOrder): Promise<ChannelRefund> {
    await this.budget.take();
    try {
      return await this.provider.refund(order);
    } catch (error) {
      this.budget.noteFailure();
      throw error;
    }
  }

  private async settle(seen: ChannelRefund, cause: Cause): Promise<Refund> {
    return this.db.transaction(async (tx) => {
      const [settled] = await this.settlement.apply(tx, [{ seen, cause }]);
      if (!settled?.refund) throw new DomainError('not_found');
      return this.reschedule(tx, settled.refund, null);
    });
  }

  private async afterFailure(order: ChannelRefundOrder, error: ProviderError, cause: Cause): Promise<Refund> {
    const { outRefundNo: id } = order;
    this.log.warn({ refund_id: id, code: error.code, outcome: error.outcome }, 'the refund was not confirmed');
    // Another amount stands under our number: money moves, but not what we asked for.
    if (error.code === 'REFUND_FEE_MISMATCH') return this.hold(id, error);
    if (error.outcome === 'unknown') return this.reschedule(this.db.manager, await this.reread(id), null);
    if (MENDABLE.has(error.code)) return this.hold(id, error);
    return this.rejectForGood(id, error, cause);
  }

  /** Kept under its number, tried again by the timer or at an operator's word, and shown as a case. */
  private async hold(id: string, error: ProviderError): Promise<Refund> {
    await this.db.transaction(async (tx) => {
      const batch = await this.settlement.lock(tx, [id]);
      const locked = batch.get(id);
      if (!locked || locked.refund.status !== 'processing') return;
      batch.discrepancies.push({
        type: 'refund_held',
        caseKey: notEnoughCase(id),
        paymentId: locked.payment.id,
        outTradeNo: locked.payment.id,
        refundId: id,
        outRefundNo: id,
        detail: { code: error.code, amount: locked.refund.amountFen },
      });
      await this.settlement.write(tx, batch);
    });
    return this.reschedule(this.db.manager, await this.reread(id), error.code);
  }

  /** The channel surely did not take it and never will: the promise is taken back, its code shown. */
  private rejectForGood(id: string, error: ProviderError, cause: Cause): Promise<Refund> {
    return this.db.transaction(async (tx) => {
      const batch = await this.settlement.lock(tx, [id]);
      const locked = batch.get(id);
      if (!locked) throw new DomainError('not_found');
      if (locked.refund.status === 'processing') {
        batch.release(locked, 'rejected', { code: error.code, message: null }, cause, this.clock.now());
        await this.settlement.write(tx, batch);
      }
      return locked.refund;
    });
  }

  private reread(id: string): Promise<Refund> {
    return this.db.manager.findOneByOrFail(Refund, { id });
  }

  /** Gives a refund that is still under way back, and says when it is asked about again. */
  private async reschedule(tx: EntityManager, refund: Refund, heldBecause: string | null): Promise<Refund> {
    if (refund.status !== 'processing' && refund.status !== 'abnormal') return refund;
    const now = this.clock.now();
    refund.nextCheckAt = after(now, heldBecause === null ? gapOf(refund, now) : HELD_RETRY);
    refund.leaseUntil = null;
    if (refund.status === 'processing') refund.failureCode = heldBecause;
    await tx.query(
      `UPDATE refunds SET next_check_at = $2, lease_until = NULL, failure_code = $3
       WHERE id = $1 AND status IN ('processing', 'abnormal')`,
      [refund.id, refund.nextCheckAt, refund.failureCode],
    );
    return refund;
  }

  /**
   * Sends the money of an abnormal refund elsewhere. Card data goes to the channel encrypted and is kept nowhere.
   * @throws DomainError `refund_not_open`, `channel_rejected`, `channel_unavailable`
   */
  async retryAbnormal(id: string, target: AbnormalRefundTarget, cause: Cause): Promise<Refund> {
    const order = await this.db.transaction(async (tx) => {
      const locked = (await this.settlement.lock(tx, [id])).get(id);
      if (!locked) throw new DomainError('not_found');
      if (locked.refund.status !== 'abnormal')
        throw new DomainError('refund_not_open', `the refund is ${locked.refund.status}`);
      return toChannelOrder(locked.refund, locked.payment, locked.order.metadata);
    });
    try {
      return await this.settle(await this.provider.retryAbnormalRefund(order, target), cause);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      const code = error.outcome === 'unknown' ? 'channel_unavailable' : 'channel_rejected';
      throw new DomainError(code, `the channel answered ${error.code}`);
    }
  }
}

/** Every minute, and after five minutes every 5, 10, 20, 30 (manual, page 4013071041). An abnormal one is in no hurry. */
function gapOf(refund: Refund, now: Date): number {
  if (refund.status === 'abnormal') return 30 * MINUTE;
  const age = now.getTime() - (refund.sentAt ?? refund.createdAt).getTime();
  if (age < 5 * MINUTE) return MINUTE;
  if (age < 10 * MINUTE) return 5 * MINUTE;
  if (age < 20 * MINUTE) return 10 * MINUTE;
  return age < 40 * MINUTE ? 20 * MINUTE : 30 * MINUTE;
}

function toChannelOrder(refund: Refund, payment: Payment, metadata: Record<string, unknown>): ChannelRefundOrder {
  return {
    outRefundNo: refund.id,
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

/** Whether WeChat would still take a refund of this payment. */
function isTooOld(payment: Payment, now: Date): boolean {
  return payment.paidAt !== null && now > after(payment.paidAt, REFUNDABLE_FOR);
}
