import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Readable } from 'node:stream';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { after, Clock, HOUR, MINUTE } from '../common/clock.js';
import { channelCall, failpoint } from '../common/failpoints.js';
import { assertSession } from '../database/session.js';
import { BadBill, type BillCoverage } from '../provider/bill.js';
import { BillNotReady, PaymentProvider, ProviderError } from '../provider/payment-provider.js';
import {
  compareBill,
  type Difference,
  type DifferenceType,
  rememberMatches,
  type Scope,
  sumsOf,
} from './bill-compare.js';
import type { ForeignSums } from './bill-foreign.js';
import { BillStaging, type Loaded } from './bill-staging.js';
import { type ChinaDay, chinaDay, dayOf, daysBefore, hourOf } from './china-day.js';
import { DifferenceResolver } from './difference-resolver.js';
import { ReconciliationRuns, type Run } from './reconciliation-runs.js';

export interface BillOptions {
  /** `YYYY-MM-DD`, China's day. */
  day: string;
  cause: Cause;
  dryRun?: boolean;
  /** A trade bill that was downloaded by hand, plain or zipped, instead of the channel's. */
  file?: Readable;
  onProgress?: (lines: number) => void;
}

export interface BillReport {
  day: string;
  run_id: string | null;
  /** Lines of the trade bill. */
  lines: number;
  /** A downloaded file may be of type SUCCESS or REFUND: then it says nothing about the others. */
  covers: BillCoverage;
  payments: { here: { count: number; fen: number }; there: { count: number; fen: number } };
  refunds: { here: { count: number; fen: number }; there: { count: number; fen: number } };
  fee_milli_fen: number;
  /** Lines of other shops on the same merchant number: counted, and nothing more. They are in no other figure but `lines`. */
  foreign: ForeignSums;
  /** Differences that asking the channel again did away with. */
  healed: number;
  /** What remains for a person, by type. */
  differences: Partial<Record<DifferenceType, number>>;
  /** The first of them, for whoever reads the report. */
  examples: Difference[];
}

const NO_LINES: Loaded = { lines: 0, foreign: { payments: { count: 0, fen: 0 }, refunds: { count: 0, fen: 0 } } };
const EXAMPLES = 100;
/** Days that the timer catches up on after an outage. */
const CATCH_UP_DAYS = 7;

/** Compares a day with the provider's own bill: first asks the channel about what differs, then opens cases for the rest. */
@Injectable()
export class BillService {
  private readonly log = new Logger(BillService.name);

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly provider: PaymentProvider,
    private readonly runs: ReconciliationRuns,
    private readonly work: DifferenceResolver,
    private readonly clock: Clock,
  ) {}

  /** The timer's work: every day whose bill should be there and that nobody has compared yet, one after another. */
  async runDaily(cause: Cause): Promise<BillReport[]> {
    const { billReadyAtHour } = this.provider.rules;
    if (billReadyAtHour === null) return [];
    assertSession(this.db, 'the comparison of bills');
    await this.planDays(billReadyAtHour);
    const reports: BillReport[] = [];
    for (let run = await this.runs.claim(); run; run = await this.runs.claim()) {
      const report = await this.carryOut(run, { day: run.day, cause });
      if (!report) break;
      reports.push(report);
    }
    return reports;
  }

  private async planDays(readyAtHour: number): Promise<void> {
    const now = this.clock.now();
    // Not the first that is known to be paid: a day of which nothing was heard is the very one to look at. The oldest id
    // is the oldest payment, and the index has it at hand.
    const [first] = await this.db.query<{ created_at: Date }[]>(
      'SELECT created_at FROM payments WHERE provider = $1 ORDER BY id LIMIT 1',
      [this.provider.name],
    );
    if (!first) return;
    const newest = daysBefore(dayOf(now), hourOf(now) >= readyAtHour ? 1 : 2);
    for (let back = CATCH_UP_DAYS - 1; back >= 0; back -= 1) {
      const day = daysBefore(newest, back);
      if (day >= dayOf(first.created_at)) await this.runs.plan(day);
    }
  }

  /**
   * A person's run.
   * @throws BillNotReady
   * @throws BadBill when the file or the bill is cut off or its sums do not add up
   */
  async run(options: BillOptions): Promise<BillReport> {
    if (options.dryRun) return this.compare(null, options);
    assertSession(this.db, 'the comparison of bills');
    const run = await this.runs.begin(options.day, options.file ? 'file' : 'manual');
    failpoint('bill.run.after_begin');
    try {
      const report = await this.compare(run, options);
      await this.runs.finish(run, report);
      failpoint('bill.run.after_finish');
      return report;
    } catch (error) {
      await this.runs.fail(run, codeOf(error), null);
      throw error;
    }
  }

  /** Null when the bill is not there yet or the channel gave no answer: tried again later. */
  private async carryOut(run: Run, options: BillOptions): Promise<BillReport | null> {
    try {
      const report = await this.compare(run, options);
      await this.runs.finish(run, report);
      return report;
    } catch (error) {
      const code = codeOf(error);
      const notReady = error instanceof BillNotReady;
      await this.runs.fail(
        run,
        code,
        after(this.clock.now(), notReady ? 30 * MINUTE : Math.min(run.attempts, 6) * HOUR),
      );
      this.log[notReady ? 'log' : 'error'](
        { day: run.day, code, err: error },
        'the bill could not be compared; it will be retried',
      );
      return null;
    }
  }

  private async compare(run: Run | null, options: BillOptions): Promise<BillReport> {
    const day = chinaDay(options.day);
    const staging = await BillStaging.open(this.db);
    try {
      const { lines, foreign, covers } = await this.load(staging, day, run, options);
      if (run) await this.runs.renewLease(run);
      const early = await this.runs.isDone(daysBefore(day.day, 1));
      const late = await this.runs.isDone(daysBefore(day.day, -1));
      const scope = { day, provider: this.provider.name, covers, early, late };
      const report = await this.settleDifferences(staging, scope, run, options);
      if (run) await rememberMatches(staging.session, day);
      failpoint('bill.run.after_matches');
      return { ...report, lines, foreign, covers, ...(await sumsOf(staging.session, scope)) };
    } finally {
      staging.close();
    }
  }

  /** Both bills of the day; a file stands for the trade bill alone. Answers what the trade bill has. */
  private async load(
    staging: BillStaging,
    day: ChinaDay,
    run: Run | null,
    options: BillOptions,
  ): Promise<Loaded & { covers: BillCoverage }> {
    const loading = {
      provider: this.provider.name,
      appids: new Set(this.provider.accounts.map(({ appid }) => appid)),
      onLines: async (lines: number): Promise<void> => {
        options.onProgress?.(lines);
        if (run) await this.runs.renewLease(run);
      },
    };
    if (options.file) {
      const bill = await this.provider.readTradeBill(options.file);
      const loaded = await staging.loadTrade(bill, loading);
      if (await staging.isOfAnotherDay(day)) {
        throw new BadBill('bill_of_another_day', `the file has no line of ${day.day}`);
      }
      return { ...loaded, covers: bill.covers };
    }
    const trade = await channelCall('bill.trade', () => this.provider.tradeBill(day.day));
    const loaded = trade ? await staging.loadTrade(trade, loading) : NO_LINES;
    const funds = await channelCall('bill.funds', () => this.provider.fundBill(day.day));
    if (funds) await staging.loadFund(funds);
    // No bill at all: nothing happened that day.
    return { ...loaded, covers: trade?.covers ?? { payments: true, refunds: true } };
  }

  private async settleDifferences(
    staging: BillStaging,
    scope: Scope,
    run: Run | null,
    options: BillOptions,
  ): Promise<Pick<BillReport, 'day' | 'run_id' | 'healed' | 'differences' | 'examples'>> {
    const report = { day: scope.day.day, run_id: run?.id ?? null, healed: 0, differences: {}, examples: [] } as Pick<
      BillReport,
      'day' | 'run_id' | 'healed' | 'differences' | 'examples'
    >;
    for await (const difference of compareBill(staging.session, scope)) {
      if (run) await this.runs.renewLease(run);
      const remains = run ? await this.work.handle(difference, run, options.cause) : true;
      if (!remains) {
        report.healed += 1;
        continue;
      }
      report.differences[difference.type] = (report.differences[difference.type] ?? 0) + 1;
      if (report.examples.length < EXAMPLES) report.examples.push(asShown(difference));
    }
    return report;
  }
}

function asShown({ type, noun, number, known, here, there }: Difference): Difference {
  return { type, noun, number, known, here, there };
}

function codeOf(error: unknown): string {
  if (error instanceof BadBill || error instanceof ProviderError) return error.code;
  return 'internal_error';
}
