import { Command, CommandRunner, Option } from 'nest-commander';
import { byCommand } from '../common/cause.js';
import { isId } from '../common/ids.js';
import type { RefundOutcome } from '../refunds/unbound-refunds.js';
import { readNote, Terminal, UsageError } from '../terminal/terminal.js';

interface Options {
  payment?: string;
  refund?: string;
  outcome?: RefundOutcome;
  note?: string;
  dryRun?: boolean;
  json?: boolean;
}

@Command({
  name: 'end_unbound',
  description: 'End an open payment or refund whose payment provider is no longer in use, with a note for its history',
})
export class EndUnboundCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run(_: string[], { payment, refund, outcome, note, dryRun, json }: Options): Promise<void> {
    if ((payment === undefined) === (refund === undefined))
      throw new UsageError('one of --payment and --refund is required');
    if (payment !== undefined && outcome !== undefined) throw new UsageError('--outcome is for --refund');
    if (note === undefined) throw new UsageError('--note is required: why it is ended');
    const { UnboundPayments } = await import('../payments/unbound-payments.js');
    const { UnboundRefunds } = await import('../refunds/unbound-refunds.js');
    const end = { note, cause: byCommand('end_unbound'), dryRun };
    const { id, status } = await this.terminal.withApp<{ id: string; status: string }>((app) =>
      payment === undefined
        ? app.get(UnboundRefunds).end(refund ?? '', { ...end, outcome })
        : app.get(UnboundPayments).end(payment, end),
    );
    this.terminal.report({ dry_run: dryRun ?? false, id, status, note }, json);
  }

  @Option({ flags: '--payment <id>', description: 'The payment' })
  payment(value: string): string {
    if (!isId('pay', value)) throw new UsageError('--payment must be the id of a payment: pay_ and 26 characters');
    return value;
  }

  @Option({ flags: '--refund <id>', description: 'The refund' })
  refund(value: string): string {
    if (!isId('ref', value)) throw new UsageError('--refund must be the id of a refund: ref_ and 26 characters');
    return value;
  }

  @Option({
    flags: '--outcome <outcome>',
    description: 'What became of a refund that was sent, as the merchant platform shows it: succeeded or closed',
  })
  outcome(value: string): RefundOutcome {
    if (value !== 'succeeded' && value !== 'closed') throw new UsageError('--outcome must be succeeded or closed');
    return value;
  }

  @Option({ flags: '--note <text>', description: 'Why, for its history' })
  note(value: string): string {
    return readNote(value);
  }

  @Option({ flags: '--dry-run', description: 'Only show what would be done; change nothing' })
  dryRun(): boolean {
    return true;
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}
