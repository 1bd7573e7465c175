import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { after, Clock } from '../common/clock.js';
import { failpoint } from '../common/failpoints.js';
import { inParallel } from '../common/parallel.js';
import { isBound, ProviderRegistry } from '../provider/provider-registry.js';
import type { RefundStatus } from './refund.entity.js';
import { RefundExecutor } from './refund-executor.js';
import { LEASE } from './schedule.js';

export interface DueRefundsOptions {
  /** `due`: whose time has come (the timer); `all`: every refund that is under way (a person asks). */
  scope: 'due' | 'all';
  cause: Cause;
  limit: number;
  dryRun?: boolean;
  onProgress?: (done: number) => void;
}

export interface DueRefundsReport {
  checked: number;
  refunds: { id: string; status: RefundStatus }[];
  /** Refunds that could not be worked on; their lease runs out. */
  failed: number;
}

const BATCH = 100;
/** Few, because those that were sent side by side may all fail, and WeChat takes few failures a second. */
const IN_FLIGHT = 4;

// Statuses are literals, not parameters: only so does the planner use the partial index on what is open.
const OPEN = `status IN ('processing', 'abnormal') AND (lease_until IS NULL OR lease_until <= $1)
  AND EXISTS (SELECT FROM payments p WHERE p.id = payment_id AND ${isBound('$4')})`;
const SCOPES = {
  due: { where: 'next_check_at <= $1 AND $2::text IS NOT NULL', order: 'next_check_at' },
  all: { where: 'id > $2', order: 'id' },
};

/**
 * The questions about refunds under way, claimed row by row (`FOR UPDATE SKIP LOCKED` and a lease), so that timers,
 * commands and other processes share them and none is worked on twice.
 */
@Injectable()
export class DueRefunds {
  private readonly log = new Logger(DueRefunds.name);

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly registry: ProviderRegistry,
    private readonly executor: RefundExecutor,
    private readonly clock: Clock,
  ) {}

  async run(options: DueRefundsOptions): Promise<DueRefundsReport> {
    const report: DueRefundsReport = { checked: 0, refunds: [], failed: 0 };
    if (options.dryRun) {
      const { where, order } = SCOPES[options.scope];
      report.refunds = await this.db.query<{ id: string; status: RefundStatus }[]>(
        `SELECT id, status FROM refunds WHERE ${OPEN} AND ${where} ORDER BY ${order} LIMIT $3`,
        [this.clock.now(), '', options.limit, this.registry.accounts],
      );
      return report;
    }
    let last = '';
    while (report.checked < options.limit) {
      const ids = await this.claim(options.scope, last, Math.min(BATCH, options.limit - report.checked));
      if (ids.length === 0) break;
      failpoint('refund.check.after_claim');
      last = ids.reduce((max, id) => (id > max ? id : max), last);
      await inParallel(ids, IN_FLIGHT, (id) => this.processOne(id, options.cause, report));
      report.checked += ids.length;
      options.onProgress?.(report.checked);
    }
    return report;
  }

  private async claim(scope: 'due' | 'all', last: string, limit: number): Promise<string[]> {
    const { where, order } = SCOPES[scope];
    const now = this.clock.now();
    const [claimed] = await this.db.query<[{ id: string }[], number]>(
      `UPDATE refunds SET lease_until = $5, checked_at = $1, checks = checks + 1
       WHERE id = ANY (ARRAY(
         SELECT id FROM refunds WHERE ${OPEN} AND ${where} ORDER BY ${order} LIMIT $3 FOR UPDATE SKIP LOCKED))
       RETURNING id`,
      [now, last, limit, this.registry.accounts, after(now, LEASE)],
    );
    return claimed.map((row) => row.id);
  }

  private async processOne(id: string, cause: Cause, report: DueRefundsReport): Promise<void> {
    try {
      const { status } = await this.executor.processDue(id, cause);
      report.refunds.push({ id, status });
    } catch (error) {
      report.failed += 1;
      this.log.error(
        { err: error, refund_id: id },
        'the refund could not be processed; it will be retried when its lease expires',
      );
    }
  }
}
