import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Readable } from 'node:stream';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { after, Clock, HOUR, MINUTE } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { channelCall, failpoint } from '../common/failpoints.js';
import { assertSession } from '../database/session.js';
import { BadBill, type BillCoverage, type BillTotals } from '../provider/bill.js';
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
import { BillStaging, type Loaded, type Loading } from './bill-staging.js';
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
  /** Lines of the trade bill that are of the day, those of other shops and those that cannot be read included. */
  lines: number;
  /** Lines of other days in the same file, by day. They are counted here and nowhere else. */
  other_days: Record<string, number>;
  /** Over the whole file, whatever days it has. They differ only where lines cannot be read. */
  totals: BillTotals;
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
  /** The first of them, for the reader of the report. */
  examples: Difference[];
}

const NO_LINES: Loaded = {
  lines: 0,
  other_days: {},
  foreign: { payments: { count: 0, fen: 0 }, refunds: { count: 0, fen: 0 }, unreadable: 0 },
  totals: { agree: true, differ: [] },
  unread: [],
};
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

  /** The timer's work: every day whose bill should be there and that is not compared yet, one after another. */
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
   * @throws DomainError `day_not_over`
   * @throws BillNotReady
   * @throws BadBill when the file or the bill is cut off or its sums do not add up
   */
  async run(options: BillOptions): Promise<BillReport> {
    this.assertOver(chinaDay(options.day));
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

  /** A day that is under way has neither all its payments nor a bill. @throws DomainError `day_not_over` */
  private assertOver({ day, to }: ChinaDay): void {
    const now = this.clock.now();
    if (now >= to) return;
    throw new DomainError('day_not_over', `${day} is not over: it is ${dayOf(now)} in China`);
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
      const { unread, covers, ...loaded } = await this.load(staging, day, run, options);
      if (run) await this.runs.renewLease(run);
      const early = await this.runs.isDone(daysBefore(day.day, 1));
      const late = await this.runs.isDone(daysBefore(day.day, -1));
      const { name: provider, account } = this.provider;
      const scope = { day, provider, mchid: account.mchid, covers, unread, early, late };
      const report = await this.settleDifferences(staging, scope, run, options);
      if (run) await rememberMatches(staging.session, day);
      failpoint('bill.run.after_matches');
      return { ...report, ...loaded, covers, ...(await sumsOf(staging.session, scope)) };
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
    const loading: Loading = {
      provider: this.provider.name,
      appids: new Set(this.provider.accounts.map(({ appid }) => appid)),
      only: options.file ? day : null,
      onLines: async (lines) => {
        options.onProgress?.(lines);
        if (run) await this.runs.renewLease(run);
      },
    };
    if (options.file) {
      const bill = await this.provider.readTradeBill(options.file);
      const loaded = await staging.loadTrade(bill, loading);
      const others = Object.keys(loaded.other_days).sort();
      if (loaded.lines === 0 && others.length > 0)
        throw new BadBill('bill_of_another_day', `the file has no line of ${day.day}, but lines of ${inShort(others)}`);
      return { ...loaded, covers: bill.covers };
    }
    const trade = await channelCall('bill.trade', () => this.provider.tradeBill(day.day));
    if (!trade) this.assertReady(day);
    const loaded = trade ? await staging.loadTrade(trade, loading) : NO_LINES;
    const funds = await channelCall('bill.funds', () => this.provider.fundBill(day.day));
    const unread = funds ? await staging.loadFund(funds, loading) : [];
    // No bill at all: nothing happened that day.
    const covers = trade?.covers ?? { payments: true, refunds: true };
    return { ...loaded, unread: [...loaded.unread, ...unread], covers };
  }

  /** Only from the hour on at which bills are ready does it mean anything that there is none. @throws BillNotReady */
  private assertReady({ day, to }: ChinaDay): void {
    const hour = this.provider.rules.billReadyAtHour ?? 0;
    if (this.clock.now() >= after(to, hour * HOUR)) return;
    throw new BillNotReady('bill_not_ready', `the bill of ${day} is ready at ${hour}:00 of the next day in China`);
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

function asShown({ type, entity, number, known, here, there }: Difference): Difference {
  return { type, entity, number, known, here, there };
}

/** The first of them, and how many more there are. */
function inShort(days: string[]): string {
  const more = days.length - 3;
  return `${days.slice(0, 3).join(', ')}${more > 0 ? ` and ${more} more days` : ''}`;
}

function codeOf(error: unknown): string {
  if (error instanceof BadBill || error instanceof ProviderError) return error.code;
  return 'internal_error';
}
