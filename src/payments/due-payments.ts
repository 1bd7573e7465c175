import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { CallBudget } from '../common/call-budget.js';
import type { Cause } from '../common/cause.js';
import { after, Clock, MINUTE, SECOND } from '../common/clock.js';
import { channelCall, failpoint } from '../common/failpoints.js';
import { inParallel } from '../common/parallel.js';
import { inTransaction } from '../database/in-transaction.js';
import { ChannelCalls } from '../provider/channel-calls.js';
import { type ChannelOrder, type ChannelPayment, ProviderError } from '../provider/payment-provider.js';
import { isBound, ProviderRegistry } from '../provider/provider-registry.js';
import { ChannelOrders, neverSent, stillOpen } from './channel-orders.js';
import { Payment } from './payment.entity.js';
import { type PaymentReport, PaymentSettlement } from './payment-settlement.js';
import { asPayments, PAYMENT_COLUMNS } from './payments.repository.js';

/**
 * Which open payments are asked about: `due`, whose `next_check_at` has come (the timer); `all` that are open (a person
 * asks); `expired`, past their `expires_at`.
 */
export type DueScope = 'due' | 'all' | 'expired';

export interface DueOptions {
  scope: DueScope;
  cause: Cause;
  limit: number;
  dryRun?: boolean;
  /** Told after each batch how many are done. */
  onProgress?: (done: number) => void;
}

export interface DueReport {
  /** Payments that were asked about. */
  checked: number;
  succeeded: number;
  expired: number;
  /** Failed or closed. */
  ended: number;
  /** Still open, to be asked again. */
  open: number;
  /** No answer: asked again later under the same number. */
  unknown: number;
  /** Ids, with `dryRun` what would be asked about. */
  payments: { id: string; status: string }[];
}

/** A claimed payment belongs to its process for so long; a dead one's claim runs out. */
const LEASE = 60 * SECOND;
const BATCH = 100;
/** Batches under way at once, and questions of each. */
const WORKERS = 2;
const IN_FLIGHT = 8;

// Statuses are literals, not parameters: only so does the planner use the partial indexes on what is open.
// Nobody could answer a question about a row whose provider is not bound: it is not due, see `UnboundPayments`.
const OPEN = `status IN ('init', 'processing') AND ${isBound('$4')} AND (lease_until IS NULL OR lease_until <= $1)`;
// `$2` is the last id of this run: what a person asks for goes once through the ids, what is due drops out by itself.
const SCOPES: Record<DueScope, { where: string; order: string }> = {
  due: { where: `next_check_at <= $1 AND $2::text IS NOT NULL`, order: 'next_check_at' },
  all: { where: `id > $2`, order: 'id' },
  expired: { where: `expires_at <= $1 AND id > $2`, order: 'id' },
};

/**
 * The questions about open payments. The work is in the rows: claimed in bounded batches by `FOR UPDATE SKIP LOCKED`
 * and a lease, so that timers, commands and other processes share it and none does it twice. No transaction is open
 * during a call. Past its end of life a payment is closed at the channel and only then expired.
 */
@Injectable()
export class DuePayments {
  private readonly log = new Logger(DuePayments.name);

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly registry: ProviderRegistry,
    private readonly channelOrders: ChannelOrders,
    private readonly settlement: PaymentSettlement,
    private readonly calls: ChannelCalls,
    private readonly budget: CallBudget,
    private readonly clock: Clock,
  ) {}

  async run(options: DueOptions): Promise<DueReport> {
    const report: DueReport = { checked: 0, succeeded: 0, expired: 0, ended: 0, open: 0, unknown: 0, payments: [] };
    if (options.dryRun) return this.preview(options, report);
    let last = '';
    let taken = 0;
    // One claim after another, so that each goes on where the last one ended and nothing is asked about twice.
    let claiming: Promise<Payment[]> = Promise.resolve([]);
    const claimNext = async (): Promise<Payment[]> => {
      const claimed = await this.claim(options.scope, last, Math.min(BATCH, options.limit - taken));
      taken += claimed.length;
      last = claimed.reduce((max, payment) => (payment.id > max ? payment.id : max), last);
      return claimed;
    };
    // While one batch waits for the channel or its commit, the other goes on.
    const worker = async (): Promise<void> => {
      for (;;) {
        claiming = claiming.then(claimNext);
        const claimed = await claiming;
        if (claimed.length === 0) return;
        failpoint('payment.check.after_claim');
        await this.check(claimed, options.cause, report);
        options.onProgress?.(report.checked);
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, worker));
    return report;
  }

  private async preview(options: DueOptions, report: DueReport): Promise<DueReport> {
    const { where, order } = SCOPES[options.scope];
    report.payments = await this.db.query<{ id: string; status: string }[]>(
      `SELECT id, status FROM payments p WHERE ${OPEN} AND ${where} ORDER BY ${order} LIMIT $3`,
      [this.clock.now(), '', options.limit, this.registry.accounts],
    );
    return report;
  }

  /** Takes payments in hand, oldest due first; other processes skip them until the lease runs out. */
  private async claim(scope: DueScope, last: string, limit: number): Promise<Payment[]> {
    const { where, order } = SCOPES[scope];
    const now = this.clock.now();
    const [claimed] = await this.db.query<[Payment[], number]>(
      `UPDATE payments p SET lease_until = $5, checked_at = $1, checks = checks + 1
       WHERE id = ANY (ARRAY(
         SELECT id FROM payments p WHERE ${OPEN} AND ${where} ORDER BY ${order} LIMIT $3 FOR UPDATE SKIP LOCKED))
       RETURNING ${PAYMENT_COLUMNS}`,
      [now, last, limit, this.registry.accounts, after(now, LEASE)],
    );
    return asPayments(claimed);
  }

  private async check(payments: Payment[], cause: Cause, report: DueReport): Promise<void> {
    const orders = await this.channelOrders.ofMany(payments);
    const answers = await inParallel(payments, IN_FLIGHT, (payment, index) => this.ask(payment, orders[index]));
    failpoint('payment.check.after_call');
    const reports: PaymentReport[] = [];
    const unknown: Payment[] = [];
    payments.forEach((payment, index) => {
      const reported = answers[index];
      if (reported) reports.push({ reported, cause });
      else unknown.push(payment);
    });
    const settled = await this.apply(reports);
    for (const payment of settled) tally(payment, report);
    report.unknown += payments.length - settled.length;
    report.checked += payments.length;
    await this.schedule([...settled.filter((payment) => payment.isOpen), ...unknown]);
  }

  /** All in one transaction; if that fails, one by one, so that one bad row holds up no other. */
  private async apply(reports: PaymentReport[]): Promise<Payment[]> {
    if (reports.length === 0) return [];
    try {
      const settled = await inTransaction(this.db, 'payment.check', (tx) => this.settlement.apply(tx, reports));
      return settled.flatMap((one) => one.payment ?? []);
    } catch (error) {
      if (reports.length > 1) return (await Promise.all(reports.map((one) => this.apply([one])))).flat();
      this.log.error(
        { payment_id: reports[0]?.reported.outTradeNo, err: error },
        'the result of a query could not be applied',
      );
      return [];
    }
  }

  /**
   * Within its life a payment is asked about; after it, closed. `time_expire` and our clock are hints,
   * the answer counts. Null where the channel gave none.
   */
  private async ask(payment: Payment, order: ChannelOrder | undefined): Promise<ChannelPayment | null> {
    if (!order) return null;
    const expired = payment.hasExpired(this.clock.now());
    const provider = this.registry.of(payment);
    try {
      if (!order.placed && !provider.rules.knowsUnsentPayments)
        return expired ? neverSent(payment) : stillOpen(payment);
      await this.budget.take();
      const query = () => channelCall('payment.check_query', () => provider.queryPayment(order));
      const reported = await this.calls.paymentQueries.join(payment.id, query);
      if (!expired || (reported.state !== 'open' && reported.state !== 'not_found')) return reported;
      await this.budget.take();
      const close = () => channelCall('payment.check_close', () => provider.closePayment(order));
      return await this.calls.closes.fresh(payment.id, close);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      this.log.warn(
        { payment_id: payment.id, code: error.code, outcome: error.outcome },
        'WeChat Pay could not be queried',
      );
      return null;
    }
  }

  /**
   * Gives the payments back and says when they are asked about again, at the latest at their end of life. One that is
   * being settled just now is left to that settlement: waiting for it could deadlock.
   */
  private async schedule(payments: Payment[]): Promise<void> {
    if (payments.length === 0) return;
    const now = this.clock.now();
    const times = payments.map((payment) => {
      const backoff = this.registry.of(payment).rules.paymentQueryBackoff;
      const regular = after(now, backoff[Math.min(payment.checks, backoff.length - 1)] ?? MINUTE);
      return payment.expiresAt > now && payment.expiresAt < regular ? payment.expiresAt : regular;
    });
    await this.db.query(
      `UPDATE payments p SET next_check_at = v.at, lease_until = NULL
       FROM unnest($1::text[], $2::timestamptz[]) AS v(id, at)
       WHERE p.id = v.id AND p.id = ANY (ARRAY(
         SELECT id FROM payments WHERE id = ANY ($1) AND status IN ('init', 'processing') FOR UPDATE SKIP LOCKED))`,
      [payments.map((payment) => payment.id), times],
    );
    failpoint('payment.check.after_schedule');
  }
}

function tally(payment: Payment, report: DueReport): void {
  report.payments.push({ id: payment.id, status: payment.status });
  if (payment.isOpen) report.open += 1;
  else if (payment.status === 'succeeded') report.succeeded += 1;
  else if (payment.status === 'expired') report.expired += 1;
  else report.ended += 1;
}
