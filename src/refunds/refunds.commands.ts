import { Command, CommandRunner, Option } from 'nest-commander';
import { byCommand } from '../common/cause.js';
import { hiddenCharacter } from '../common/hidden-character.js';
import { isId } from '../common/ids.js';
import { BANK_TYPES } from '../provider/bank-types.js';
import { positiveInteger, Terminal, UsageError } from '../terminal/terminal.js';

interface SyncOptions {
  dryRun?: boolean;
  limit?: number;
  json?: boolean;
}

@Command({
  name: 'sync_refunds',
  description:
    'Query WeChat Pay about every refund in progress; send again, under the same number, what it never received',
})
export class SyncRefundsCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run(_: string[], { dryRun = false, limit = 1_000_000, json }: SyncOptions): Promise<void> {
    const cause = byCommand('sync_refunds');
    const { DueRefunds } = await import('./due-refunds.js');
    const { ConsoleRefunds } = await import('./console-refunds.js');
    const { UnboundRefunds } = await import('./unbound-refunds.js');
    const { report, unbound } = await this.terminal.withApp((app) =>
      this.terminal.progress('sync_refunds', async (onProgress) => {
        const done = await app.get(DueRefunds).run({ scope: 'all', cause, limit, dryRun, onProgress });
        // Those that waited for the end of one of ours.
        const taken = dryRun ? [] : await app.get(ConsoleRefunds).takeOverWaiting(cause);
        done.refunds.push(...taken.map(({ id, status }) => ({ id, status })));
        return { report: done, unbound: await app.get(UnboundRefunds).count() };
      }),
    );
    if (json) this.terminal.json({ dry_run: dryRun, ...report, unbound });
    else {
      this.terminal.report({ dry_run: dryRun, checked: report.checked, failed: report.failed, unbound }, false);
      this.terminal.rows(report.refunds.slice(0, 100), false);
    }
    if (report.failed > 0) process.exitCode = 1;
  }

  @Option({ flags: '--dry-run', description: 'Only show what would be queried; change nothing' })
  dryRun(): boolean {
    return true;
  }

  @Option({ flags: '--limit <n>', description: 'Maximum number of refunds' })
  limit(value: string): number {
    return positiveInteger('--limit')(value);
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}

interface TakeOverOptions {
  payment?: string;
  outRefundNo?: string;
  json?: boolean;
}

@Command({
  name: 'take_over_refund',
  description: 'Query WeChat Pay about a refund by its number, and take over one that was made in the merchant console',
})
export class TakeOverRefundCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run(_: string[], { payment, outRefundNo, json }: TakeOverOptions): Promise<void> {
    if (payment === undefined || outRefundNo === undefined)
      throw new UsageError('--payment and --out-refund-no are required');
    if (!isId('pay', payment)) throw new UsageError('--payment must be the id of a payment: pay_ and 26 characters');
    const { OUT_REFUND_NO } = await import('./refund.dto.js');
    if (!OUT_REFUND_NO.test(outRefundNo))
      throw new UsageError('--out-refund-no must be 1 to 64 letters, digits or _ - | * @');
    const { ConsoleRefunds } = await import('./console-refunds.js');
    const { RefundView } = await import('./refund.view.js');
    const refund = await this.terminal.withApp((app) =>
      app.get(ConsoleRefunds).takeOver(payment, outRefundNo, byCommand('take_over_refund')),
    );
    this.terminal.report({ ...RefundView.of(refund) }, json);
  }

  @Option({ flags: '--payment <id>', description: 'The payment that was refunded' })
  payment(value: string): string {
    return value;
  }

  @Option({ flags: '--out-refund-no <number>', description: "The refund's number, as the console or a bill shows it" })
  outRefundNo(value: string): string {
    return value;
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}

interface RetryOptions {
  to?: 'merchant_card' | 'user_card';
  bankType?: string;
  json?: boolean;
}

@Command({
  name: 'retry_abnormal_refund',
  arguments: '<refund_id>',
  description: 'Send the money of an abnormal refund to another account',
})
export class RetryAbnormalRefundCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run([id = '']: string[], { to, bankType, json }: RetryOptions): Promise<void> {
    if (!isId('ref', id)) throw new UsageError('REFUND_ID must be the id of a refund: ref_ and 26 characters');
    if (!to) throw new UsageError('--to is required: merchant_card or user_card');
    if (to === 'user_card' && !bankType) throw new UsageError('--bank-type is required with --to user_card');
    const { RetryAbnormalBody } = await import('./refund.dto.js');
    if (bankType !== undefined && !BANK_TYPES.includes(bankType)) {
      throw new UsageError(`--bank-type must be one of ${BANK_TYPES.join(', ')}`);
    }
    const card = to === 'user_card' ? await readCard() : null;
    const target = RetryAbnormalBody.target({ to, bank_type: bankType, ...card });
    const { RefundExecutor } = await import('./refund-executor.js');
    const { RefundView } = await import('./refund.view.js');
    const refund = await this.terminal.withApp((app) =>
      app.get(RefundExecutor).retryAbnormal(id, target, byCommand('retry_abnormal_refund')),
    );
    this.terminal.report({ ...RefundView.of(refund) }, json);
  }

  @Option({ flags: '--to <target>', description: 'merchant_card or user_card' })
  to(value: string): 'merchant_card' | 'user_card' {
    if (value !== 'merchant_card' && value !== 'user_card') {
      throw new UsageError('--to must be merchant_card or user_card');
    }
    return value;
  }

  @Option({ flags: '--bank-type <type>', description: 'The bank, with --to user_card, for example ICBC_DEBIT' })
  bankType(value: string): string {
    return value;
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}

/** Card number and holder's name, a line each, from standard input: on the command line they would be for all to see. */
async function readCard(): Promise<{ bank_account: string; real_name: string }> {
  process.stderr.write('Enter the card number and the name of the card holder, one per line:\n');
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.split('\n').length > 2) break;
  }
  const [bank_account = '', real_name = ''] = text.split('\n').map((line) => line.trim());
  if (!/^\d{8,32}$/.test(bank_account) || !isName(real_name)) {
    throw new UsageError(
      'standard input must contain the card number (digits only) and the name of the card holder, one per line',
    );
  }
  return { bank_account, real_name };
}

/** The rules of `real_name` in {@link RetryAbnormalBody}, which is loaded with the application only. */
function isName(text: string): boolean {
  return text !== '' && text.length <= 60 && hiddenCharacter(text) === null;
}
