import { Command, CommandRunner, Option } from 'nest-commander';
import { byCommand } from '../common/cause.js';
import { isId } from '../common/ids.js';
import type { CaseAction } from '../discrepancies/discrepancies.service.js';
import { readNote, Terminal, UsageError } from '../terminal/terminal.js';

interface Options {
  action?: CaseAction;
  note?: string;
  dryRun?: boolean;
  json?: boolean;
}

@Command({
  name: 'resolve_case',
  arguments: '<case_id>',
  description: 'Resolve a case with a note; one of late money also by accepting it for its order, or by its refund',
})
export class ResolveCaseCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run([id = '']: string[], { action, note, dryRun = false, json }: Options): Promise<void> {
    if (!isId('dis', id)) throw new UsageError('CASE_ID must be the id of a case: dis_ and 26 characters');
    if (note === undefined) throw new UsageError('--note is required: what was found and done');
    const { CaseResolver } = await import('../refunds/case-resolver.js');
    const cause = byCommand('resolve_case');
    const resolved = await this.terminal.withApp((app) =>
      app.get(CaseResolver).resolve(id, { note, action, cause, dryRun }),
    );
    const { paymentId, refundId, openPaymentId } = resolved;
    const done = { id, action: resolved.action, payment_id: paymentId, refund_id: refundId };
    this.terminal.report({ dry_run: dryRun, ...done, ...(dryRun && { closes_payment: openPaymentId }) }, json);
  }

  @Option({
    flags: '--action <action>',
    description:
      'What is done: accept (the order becomes paid by the late money), refund (what is left of it goes back) or booked ' +
      '(done outside, no money moves); left out, the note says it all',
  })
  action(value: string): CaseAction {
    if (value !== 'accept' && value !== 'refund' && value !== 'booked')
      throw new UsageError('--action must be accept, refund or booked');
    return value;
  }

  @Option({ flags: '--note <text>', description: 'What was found and done' })
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
