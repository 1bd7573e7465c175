import { BeforeApplicationShutdown, Injectable, Logger, OnApplicationBootstrap } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { byTimer } from './common/cause.js';
import { MINUTE, SECOND } from './common/clock.js';
import { Settings } from './config/settings.js';
import { isDatabaseUnavailable } from './database/database-errors.js';
import { EventOutbox } from './events/event-outbox.js';
import { IdempotencyService } from './http/idempotency.service.js';
import { DuePayments } from './payments/due-payments.js';
import { StaleOrders } from './payments/stale-orders.js';
import { BillService } from './reconciliation/bill.service.js';
import { ConsoleRefunds } from './refunds/console-refunds.js';
import { DueRefunds } from './refunds/due-refunds.js';

/** The most rows that one tick takes in hand; what is left waits for the next. */
const PER_TICK = 1000;

/**
 * Every timer of the system, in one list. Each only calls what a command calls too; the work itself is claimed row by
 * row in the database, so any number of processes may run them.
 */
@Injectable()
export class Jobs implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(Jobs.name);
  private readonly running = new Set<Promise<unknown>>();

  constructor(
    private readonly settings: Settings,
    private readonly scheduler: SchedulerRegistry,
    private readonly duePayments: DuePayments,
    private readonly staleOrders: StaleOrders,
    private readonly dueRefunds: DueRefunds,
    private readonly consoleRefunds: ConsoleRefunds,
    private readonly bills: BillService,
    private readonly events: EventOutbox,
    private readonly idempotency: IdempotencyService,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.settings.jobsEnabled) return;
    // Expiry too: the last question of a payment's life is due at its end.
    this.every('check_payments', 2 * SECOND, (cause) => this.duePayments.run({ scope: 'due', cause, limit: PER_TICK }));
    this.every('send_and_check_refunds', 2 * SECOND, (cause) =>
      this.dueRefunds.run({ scope: 'due', cause, limit: PER_TICK }),
    );
    this.every('take_over_refunds', MINUTE, (cause) => this.consoleRefunds.takeOverWaiting(cause));
    this.every('cancel_stale_orders', 30 * SECOND, (cause) => this.staleOrders.cancel({ cause, limit: PER_TICK }));
    // Readers of the feed do it too: so that the first one does not find all that was ever written.
    this.every('place_events', 2 * SECOND, () => this.events.place());
    // Needs a session; the start has said that it does not run here.
    if (this.settings.databasePooler === 'session')
      this.every('reconcile_bill', 5 * MINUTE, (cause) => this.bills.runDaily(cause));
    this.every('forget_idempotency_keys', 60 * MINUTE, () => this.idempotency.deleteOld());
  }

  /** What is under way is finished before the database goes. */
  async beforeApplicationShutdown(): Promise<void> {
    for (const name of this.scheduler.getIntervals()) this.scheduler.deleteInterval(name);
    await Promise.allSettled(this.running);
  }

  /** A tick that finds the last one still running is left out. */
  private every(
    name: string,
    milliseconds: number,
    work: (cause: ReturnType<typeof byTimer>) => Promise<unknown>,
  ): void {
    let busy = false;
    const tick = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      try {
        await work(byTimer(name));
      } catch (error) {
        const level = isDatabaseUnavailable(error) ? 'warn' : 'error';
        this.log[level]({ err: error, job: name }, 'scheduled job failed; it will be retried');
      } finally {
        busy = false;
      }
    };
    const interval = setInterval(() => {
      const run = tick().finally(() => this.running.delete(run));
      this.running.add(run);
    }, milliseconds);
    this.scheduler.addInterval(name, interval);
  }
}
