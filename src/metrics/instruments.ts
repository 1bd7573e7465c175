import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** What Prometheus reads under `/metrics`. Labels are few and fixed: never an id, an openid or anything a client chose. */
@Injectable()
export class Instruments {
  readonly registry = new Registry();

  readonly moves = new Counter({
    name: 'paydesk_state_transitions_total',
    help: 'Status changes of orders, payments and refunds.',
    labelNames: ['entity', 'to', 'trigger'],
    registers: [this.registry],
  });

  readonly callbacks = new Counter({
    name: 'paydesk_callbacks_total',
    help: 'Callbacks by outcome.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });

  readonly callbackSeconds = new Histogram({
    name: 'paydesk_callback_seconds',
    help: 'Time to answer a callback, in seconds.',
    buckets: SECONDS,
    registers: [this.registry],
  });

  readonly channelCalls = new Histogram({
    name: 'paydesk_channel_call_seconds',
    help: 'Duration of calls to WeChat Pay, in seconds; one observation for each attempt.',
    labelNames: ['operation', 'outcome'],
    buckets: SECONDS,
    registers: [this.registry],
  });

  readonly batchSize = new Histogram({
    name: 'paydesk_settlement_batch_size',
    help: 'Callbacks that were settled together in one transaction.',
    labelNames: ['entity'],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 200],
    registers: [this.registry],
  });

  /** Set by what counts them: each kind of request, how many are in work, and how many were refused since the start. */
  readBulkheads: () => { kind: string; running: number; refused: number }[] = () => [];

  readonly requestsInFlight = new Gauge({
    name: 'paydesk_requests_in_flight',
    help: 'Requests in progress, by kind.',
    labelNames: ['kind'],
    registers: [this.registry],
    collect: () => {
      for (const { kind, running } of this.readBulkheads()) this.requestsInFlight.set({ kind }, running);
    },
  });

  readonly requestsRefused = new Counter({
    name: 'paydesk_requests_refused_total',
    help: 'Requests rejected with 503 because too many of their kind were in progress.',
    labelNames: ['kind'],
    registers: [this.registry],
    collect: () => {
      this.requestsRefused.reset();
      for (const { kind, refused } of this.readBulkheads()) this.requestsRefused.inc({ kind }, refused);
    },
  });

  readonly clockSkew = new Gauge({
    name: 'paydesk_channel_clock_skew_seconds',
    help: "Seconds by which WeChat Pay's clock is ahead of ours, by its last response.",
    registers: [this.registry],
  });

  readonly open = new Gauge({
    name: 'paydesk_open',
    help: 'Payments and refunds that are not settled, by status; those whose payment provider is no longer in use are not counted.',
    labelNames: ['entity', 'status'],
    registers: [this.registry],
  });

  readonly unboundOpen = new Gauge({
    name: 'paydesk_unbound_open',
    help: 'Open payments and refunds whose payment provider is no longer in use: never queried, to be ended by an operator.',
    labelNames: ['entity'],
    registers: [this.registry],
  });

  readonly oldestDue = new Gauge({
    name: 'paydesk_oldest_due_seconds',
    help: 'Seconds by which the oldest query to WeChat Pay is overdue; 0 when none is.',
    labelNames: ['entity'],
    registers: [this.registry],
  });

  readonly discrepancies = new Gauge({
    name: 'paydesk_open_discrepancies',
    help: 'Open cases for manual review, by type.',
    labelNames: ['type'],
    registers: [this.registry],
  });

  readonly keyDays = new Gauge({
    name: 'paydesk_key_expiry_days',
    help: 'Days until a certificate expires.',
    labelNames: ['key'],
    registers: [this.registry],
  });

  readonly lastBill = new Gauge({
    name: 'paydesk_last_bill_seconds',
    help:
      'Unix time of the last complete comparison with a bill; before the first one, of the first payment through ' +
      'WeChat Pay; 0 without such payments.',
    registers: [this.registry],
  });

  readonly billForeignLines = new Gauge({
    name: 'paydesk_bill_foreign_lines',
    help: 'Lines of other shops on the same merchant number in the bill that was compared last; no differences.',
    registers: [this.registry],
  });

  readonly databaseConnections = new Gauge({
    name: 'paydesk_database_connections',
    help: 'Connections of this process to the database, by state.',
    labelNames: ['state'],
    registers: [this.registry],
  });

  readonly databaseWaiting = new Gauge({
    name: 'paydesk_database_waiting',
    help: 'Queries that wait for a free connection to the database.',
    registers: [this.registry],
  });

  readonly databaseUp = new Gauge({
    name: 'paydesk_database_up',
    help: '1: the database answers. 0: it does not, and the figures read from it are the last known ones.',
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }
}
