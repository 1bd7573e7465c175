import { Command, CommandRunner, Option } from 'nest-commander';
import { byCommand } from '../common/cause.js';
import { positiveInteger, Terminal } from '../terminal/terminal.js';
import type { DueReport, DueScope } from './due-payments.js';

interface Options {
  dryRun?: boolean;
  limit?: number;
  json?: boolean;
}

const NO_LIMIT = 1_000_000;

abstract class DueCommand extends CommandRunner {
  constructor(
    private readonly terminal: Terminal,
    private readonly name: string,
    private readonly scope: DueScope,
    private readonly cancelsOrders: boolean,
  ) {
    super();
  }

  override async run(_: string[], options: Options): Promise<void> {
    const { dryRun = false, limit = NO_LIMIT, json } = options;
    const cause = byCommand(this.name);
    const { DuePayments } = await import('./due-payments.js');
    const { StaleOrders } = await import('./stale-orders.js');
    const { UnboundPayments } = await import('./unbound-payments.js');
    const { report, cancelled, unbound } = await this.terminal.withApp((app) =>
      this.terminal.progress(this.name, async (onProgress) => {
        const found = await app.get(DuePayments).run({ scope: this.scope, cause, limit, dryRun, onProgress });
        const stale = this.cancelsOrders ? await app.get(StaleOrders).cancel({ cause, limit, dryRun }) : [];
        return { report: found, cancelled: stale, unbound: await app.get(UnboundPayments).count() };
      }),
    );
    this.print(report, cancelled, dryRun, json, unbound);
    if (report.unknown > 0) process.exitCode = 1;
  }

  private print(
    report: DueReport,
    cancelled: string[],
    dryRun: boolean,
    json: boolean | undefined,
    unbound: number,
  ): void {
    const { payments, ...counts } = report;
    if (dryRun) {
      const would = {
        dry_run: true,
        payments: payments.map((one) => one.id),
        orders_without_payment: cancelled,
        unbound,
      };
      if (json) this.terminal.json(would);
      else
        this.terminal.report(
          {
            'payments that would be queried': payments.length,
            'orders that would be cancelled': cancelled.length,
            'payments of a provider that is no longer in use': unbound,
          },
          false,
        );
      if (!json) this.terminal.rows(payments, false);
      return;
    }
    this.terminal.report({ ...counts, orders_cancelled_without_payment: cancelled.length, unbound }, json);
    if (!json) this.terminal.rows(payments.slice(0, 100), false);
  }

  @Option({ flags: '--dry-run', description: 'Only show what would be done; change nothing' })
  dryRun(): boolean {
    return true;
  }

  @Option({ flags: '--limit <n>', description: 'Maximum number of payments' })
  limit(value: string): number {
    return positiveInteger('--limit')(value);
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}

@Command({
  name: 'expire_payments',
  description: 'Query WeChat Pay about overdue open payments; close the unpaid ones there, then mark them expired',
})
export class ExpirePaymentsCommand extends DueCommand {
  constructor(terminal: Terminal) {
    super(terminal, 'expire_payments', 'expired', true);
  }
}

@Command({
  name: 'reconcile_payments',
  description: 'Query WeChat Pay about every open payment and apply the result',
})
export class ReconcilePaymentsCommand extends DueCommand {
  constructor(terminal: Terminal) {
    super(terminal, 'reconcile_payments', 'all', false);
  }
}
