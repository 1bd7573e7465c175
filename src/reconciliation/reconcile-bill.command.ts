import { Command, CommandRunner, Option } from 'nest-commander';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { byCommand } from '../common/cause.js';
import { DomainError } from '../common/errors.js';
import { Terminal, UsageError } from '../terminal/terminal.js';
import type { BillReport } from './bill.service.js';
import { chinaDay } from './china-day.js';

interface Options {
  date?: string;
  file?: string;
  dryRun?: boolean;
  json?: boolean;
}

@Command({
  name: 'reconcile_bill',
  description:
    "Compare a day with WeChat Pay's bill: query WeChat Pay about differences, and open a case for each that remains",
})
export class ReconcileBillCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run(_: string[], { date, file, dryRun = false, json }: Options): Promise<void> {
    if (!date) throw new UsageError('--date YYYY-MM-DD is required');
    const bill = file === undefined ? undefined : await openBill(file);
    const { BillService } = await import('./bill.service.js');
    const report = await this.terminal
      .withApp((app) =>
        this.terminal.progress('reconcile_bill', (onProgress) =>
          app.get(BillService).run({ day: date, file: bill, dryRun, onProgress, cause: byCommand('reconcile_bill') }),
        ),
      )
      .catch((error: unknown) => {
        if (!(error instanceof DomainError) || error.code !== 'day_not_over') throw error;
        throw new UsageError(`--date: ${error.message}`);
      });
    this.print(report, dryRun, json);
    if (Object.keys(report.differences).length > 0) process.exitCode = 1;
  }

  private print(report: BillReport, dryRun: boolean, json: boolean | undefined): void {
    if (json) return this.terminal.json({ dry_run: dryRun, ...report });
    const { payments, refunds, foreign, totals, differences, examples } = report;
    const sums = ({ count, fen }: { count: number; fen: number }): string => `${count} / ${fen} fen`;
    this.terminal.report(
      {
        day: report.day,
        run: report.run_id ?? '(dry run)',
        'lines in the bill': report.lines,
        'lines of other days': Object.entries(report.other_days)
          .map(([day, lines]) => `${day}: ${lines}`)
          .join(', '),
        'payments here': sums(payments.here),
        'payments there': sums(payments.there),
        'refunds here': sums(refunds.here),
        'refunds there': sums(refunds.there),
        'fees there': `${report.fee_milli_fen / 1000} fen`,
        'of other shops': `payments ${sums(foreign.payments)}, refunds ${sums(foreign.refunds)}, unreadable ${foreign.unreadable}`,
        'totals of the bill': totals.agree ? 'agree' : `differ: ${totals.differ.map(({ name }) => name).join(', ')}`,
        'resolved by querying': report.healed,
        differences: JSON.stringify(differences),
      },
      false,
    );
    this.terminal.rows(
      examples.map(({ type, noun, number, here, there }) => ({ type, noun, number, here, there })),
      false,
    );
  }

  @Option({ flags: '--date <day>', description: 'The day in China time, YYYY-MM-DD' })
  date(value: string): string {
    try {
      return chinaDay(value).day;
    } catch {
      throw new UsageError('--date must be a day of the form YYYY-MM-DD');
    }
  }

  @Option({ flags: '--file <path>', description: 'A trade bill downloaded from the merchant platform, plain or gzip' })
  file(value: string): string {
    return value;
  }

  @Option({
    flags: '--dry-run',
    description: 'Only show the differences: download the bill, but query and change nothing else',
  })
  dryRun(): boolean {
    return true;
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}

/** What kind of file it is the provider finds out. @throws UsageError when it cannot be read */
async function openBill(path: string): Promise<Readable> {
  try {
    const file = await open(path);
    await file.read(Buffer.alloc(1), 0, 1, 0).finally(() => file.close());
    return createReadStream(path);
  } catch (error) {
    throw new UsageError(`--file ${path} cannot be read: ${(error as Error).message}`);
  }
}
