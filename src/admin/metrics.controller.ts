import { Controller, Get, OnModuleInit, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { InjectDataSource } from '@nestjs/typeorm';
import type { FastifyReply } from 'fastify';
import { DataSource } from 'typeorm';
import { Public } from '../auth/public.js';
import { Clock, SECOND } from '../common/clock.js';
import { poolState } from '../database/connection.js';
import { isDatabaseUnavailable } from '../database/database-errors.js';
import { InPool } from '../http/pool.js';
import { Instruments } from '../metrics/instruments.js';
import { isUnboundPayment } from '../payments/unbound-payments.js';
import { ChannelObserver } from '../provider/channel-observer.js';
import { PaymentProvider } from '../provider/payment-provider.js';
import { isBound, ProviderRegistry } from '../provider/provider-registry.js';
import { isUnboundRefund } from '../refunds/unbound-refunds.js';

interface Snapshot {
  open: { entity: string; status: string; count: number }[] | null;
  oldest_payment: Date | null;
  oldest_refund: Date | null;
  unbound_payments: number;
  unbound_refunds: number;
  cases: { type: string; count: number }[] | null;
  /** Before the first bill: when there began to be something to compare. */
  last_bill: Date | null;
  /** Of the bill that was compared last. */
  foreign_lines: number | null;
}

/** `/metrics` for Prometheus. Its queries read partial indexes on what is open: their cost is not that of what is stored. */
@ApiTags('health')
@Controller('metrics')
export class MetricsController implements OnModuleInit {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly instruments: Instruments,
    private readonly observer: ChannelObserver,
    private readonly provider: PaymentProvider,
    private readonly registry: ProviderRegistry,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.observer.listen(({ operation, outcome, milliseconds, clockSkewMs }) => {
      this.instruments.channelCalls.observe({ operation, outcome }, milliseconds / SECOND);
      if (clockSkewMs !== null) this.instruments.clockSkew.set(clockSkewMs / SECOND);
    });
  }

  @Get()
  @InPool('probe')
  @Public()
  @ApiOperation({ operationId: 'getMetrics', summary: 'Figures for Prometheus' })
  @ApiOkResponse({
    description: 'In the text format of Prometheus',
    content: { 'text/plain': { schema: { type: 'string' } } },
  })
  async metrics(@Res() reply: FastifyReply): Promise<void> {
    // Before the queries below take a connection themselves.
    this.readPool();
    await this.refresh().then(
      () => this.instruments.databaseUp.set(1),
      (error: unknown) => {
        // The figures of the process itself are wanted most when its database is away.
        if (!isDatabaseUnavailable(error)) throw error;
        this.instruments.databaseUp.set(0);
      },
    );
    const text = await this.instruments.registry.metrics();
    await reply.header('content-type', this.instruments.registry.contentType).send(text);
  }

  private readPool(): void {
    const { used, idle, waiting } = poolState(this.db);
    this.instruments.databaseConnections.set({ state: 'used' }, used);
    this.instruments.databaseConnections.set({ state: 'idle' }, idle);
    this.instruments.databaseWaiting.set(waiting);
  }

  private async refresh(): Promise<void> {
    const [row] = await this.db.query<Snapshot[]>(
      `SELECT
         (SELECT json_agg(o) FROM (
            SELECT 'payment' AS entity, p.status, count(*)::int AS count FROM payments p
            WHERE p.status IN ('init', 'processing') AND ${isBound('$2')} GROUP BY p.status
            UNION ALL
            SELECT 'refund', r.status, count(*)::int FROM refunds r JOIN payments p ON p.id = r.payment_id
            WHERE r.status IN ('processing', 'abnormal') AND ${isBound('$2')} GROUP BY r.status) o) AS open,
         (SELECT p.next_check_at FROM payments p WHERE p.status IN ('init', 'processing') AND ${isBound('$2')}
          ORDER BY p.next_check_at LIMIT 1) AS oldest_payment,
         (SELECT r.next_check_at FROM refunds r
          WHERE r.status IN ('processing', 'abnormal')
            AND EXISTS (SELECT FROM payments p WHERE p.id = r.payment_id AND ${isBound('$2')})
          ORDER BY r.next_check_at LIMIT 1) AS oldest_refund,
         (SELECT count(*)::int FROM payments p WHERE ${isUnboundPayment('$2')}) AS unbound_payments,
         (SELECT count(*)::int FROM refunds r JOIN payments p ON p.id = r.payment_id
          WHERE ${isUnboundRefund('$2')}) AS unbound_refunds,
         (SELECT json_agg(c) FROM (
            SELECT type, count(*)::int AS count FROM discrepancies WHERE status = 'open' GROUP BY type) c) AS cases,
         coalesce((SELECT max(finished_at) FROM reconciliation_runs WHERE status = 'done'),
                  (SELECT p.created_at FROM payments p WHERE $1 AND ${isBound('$2')} ORDER BY p.id LIMIT 1)) AS last_bill,
         (SELECT (summary #>> '{foreign,payments,count}')::int + (summary #>> '{foreign,refunds,count}')::int
                 + (summary #>> '{foreign,unreadable}')::int
          FROM reconciliation_runs WHERE status = 'done' ORDER BY finished_at DESC LIMIT 1) AS foreign_lines`,
      [this.provider.rules.billReadyAtHour !== null, this.registry.accounts],
    );
    if (!row) return;
    const { instruments } = this;
    instruments.open.reset();
    for (const { entity, status, count } of row.open ?? []) instruments.open.set({ entity, status }, count);
    instruments.oldestDue.set({ entity: 'payment' }, this.overdue(row.oldest_payment));
    instruments.oldestDue.set({ entity: 'refund' }, this.overdue(row.oldest_refund));
    instruments.unboundOpen.set({ entity: 'payment' }, row.unbound_payments);
    instruments.unboundOpen.set({ entity: 'refund' }, row.unbound_refunds);
    instruments.discrepancies.reset();
    for (const { type, count } of row.cases ?? []) instruments.discrepancies.set({ type }, count);
    if (row.last_bill) instruments.lastBill.set(row.last_bill.getTime() / SECOND);
    instruments.billForeignLines.set(row.foreign_lines ?? 0);
    instruments.keyDays.reset();
    for (const { name, days } of this.provider.keyExpiries(this.clock.now()))
      instruments.keyDays.set({ key: name }, days);
  }

  private overdue(oldest: Date | null): number {
    return oldest ? Math.max(0, this.clock.now().getTime() - oldest.getTime()) / SECOND : 0;
  }
}
