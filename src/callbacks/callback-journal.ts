import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { createHash } from 'node:crypto';
import { DataSource } from 'typeorm';
import { Clock } from '../common/clock.js';
import { newId } from '../common/ids.js';
import { inTransaction } from '../database/in-transaction.js';
import type { Transaction } from '../database/transaction.js';
import { Instruments } from '../metrics/instruments.js';

export const CALLBACK_OUTCOMES = [
  /** It moved something. */
  'applied',
  /** Genuine, and known before. */
  'known',
  /** Genuine, of a kind that moves nothing here. */
  'ignored',
  /** Genuine, but it contradicts our rows: a case for a person. */
  'mismatch',
  'unverified',
  'unreadable',
  'forbidden',
  /** Our own failure: the channel is told to send it again. */
  'failed',
] as const;
export type CallbackOutcome = (typeof CALLBACK_OUTCOMES)[number];

export interface JournalEntry {
  provider: string;
  outcome: CallbackOutcome;
  httpStatus: number;
  address: string;
  eventType: string | null;
  notificationId: string | null;
  outTradeNo: string | null;
  outRefundNo: string | null;
  code: string | null;
  serial: string | null;
  body: Buffer;
  requestId: string;
}

/** Rows of callbacks that proved nothing: no more than so many are kept, so that a flood cannot fill the disk. */
export const BAD_ROWS_KEPT = 10_000;
const TRIM_EVERY = 500;

/** The journal of every callback, good or bad. For auditing: nothing is decided by it. No bodies, only their hash. */
@Injectable()
export class CallbackJournal {
  private sinceTrim = 0;

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly instruments: Instruments,
    private readonly clock: Clock,
  ) {
    // From the start: Prometheus sees no increase in a series that begins with its first event.
    for (const outcome of CALLBACK_OUTCOMES) this.instruments.callbacks.inc({ outcome }, 0);
  }

  /** Beside a settlement, in its transaction. */
  async add(tx: Transaction, entries: JournalEntry[]): Promise<void> {
    if (entries.length === 0) return;
    for (const { outcome } of entries) this.instruments.callbacks.inc({ outcome });
    await tx.prepared(
      'callbacks_add',
      `INSERT INTO callbacks (id, received_at, provider, outcome, http_status, address, event_type, notification_id,
                              out_trade_no, out_refund_no, code, serial, body_sha256, body_bytes, request_id)
       SELECT v.id, $1, v.provider, v.outcome, v.http_status, v.address, v.event_type, v.notification_id,
              v.out_trade_no, v.out_refund_no, v.code, v.serial, v.body_sha256, v.body_bytes, v.request_id
       FROM unnest($2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::text[],
                   $10::text[], $11::text[], $12::text[], $13::text[], $14::integer[], $15::text[])
            AS v(id, provider, outcome, http_status, address, event_type, notification_id, out_trade_no, out_refund_no,
                 code, serial, body_sha256, body_bytes, request_id)`,
      [
        this.clock.now(),
        entries.map(() => newId('cbk', this.clock)),
        entries.map((entry) => entry.provider),
        entries.map((entry) => entry.outcome),
        entries.map((entry) => entry.httpStatus),
        entries.map((entry) => printable(entry.address)),
        entries.map((entry) => printable(entry.eventType)),
        entries.map((entry) => printable(entry.notificationId)),
        entries.map((entry) => printable(entry.outTradeNo)),
        entries.map((entry) => printable(entry.outRefundNo)),
        entries.map((entry) => printable(entry.code)),
        entries.map((entry) => printable(entry.serial)),
        entries.map((entry) => createHash('sha256').update(entry.body).digest('hex')),
        entries.map((entry) => entry.body.length),
        entries.map((entry) => entry.requestId),
      ],
    );
  }

  /** A callback that proved nothing, or that we failed on: a row of its own. */
  async addAlone(entry: JournalEntry): Promise<void> {
    await inTransaction(this.db, 'callback.refused', (tx) => this.add(tx, [entry]));
    this.sinceTrim += 1;
    if (this.sinceTrim >= TRIM_EVERY) await this.trim();
  }

  /** Deletes the oldest bad rows beyond {@link BAD_ROWS_KEPT}. Good ones stay. */
  async trim(): Promise<void> {
    this.sinceTrim = 0;
    await this.db.query(
      `DELETE FROM callbacks WHERE outcome IN ('unverified', 'unreadable', 'forbidden') AND id <= (
         SELECT id FROM callbacks WHERE outcome IN ('unverified', 'unreadable', 'forbidden')
         ORDER BY id DESC OFFSET $1 LIMIT 1)`,
      [BAD_ROWS_KEPT],
    );
  }
}

/** What a stranger sent, cut and cleaned for a text column. */
function printable(text: string | null): string | null {
  return text === null ? null : text.replaceAll(/[^\x20-\x7e\u4e00-\u9fff]/g, '?').slice(0, 128);
}
