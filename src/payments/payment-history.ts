import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Cause } from '../common/cause.js';
import { Clock } from '../common/clock.js';
import type { Transaction } from '../database/transaction.js';
import { EventOutbox } from '../events/event-outbox.js';
import type { NewEvent } from '../events/event-types.js';
import { Instruments } from '../metrics/instruments.js';

export interface Move {
  entity: 'order' | 'payment' | 'refund';
  orderId: string;
  paymentId: string | null;
  refundId?: string | null;
  from: string | null;
  to: string;
  cause: Cause;
  note?: string | null;
  /** What the service that placed the order is told of it, see `eventsOf`. */
  events: NewEvent[];
}

export interface EventRow {
  id: string;
  at: Date;
  entity: string;
  payment_id: string | null;
  refund_id: string | null;
  from_status: string | null;
  to_status: string;
  cause: string;
  actor: string;
  request_id: string | null;
  note: string | null;
}

/**
 * `payment_events`: one row for every move, with who and why, and with what a service is told of it. No state changes
 * without one.
 */
@Injectable()
export class PaymentHistory {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly instruments: Instruments,
    private readonly outbox: EventOutbox,
    private readonly clock: Clock,
  ) {}

  async add(tx: Transaction, moves: Move[]): Promise<void> {
    if (moves.length === 0) return;
    for (const { entity, to, cause } of moves) this.instruments.moves.inc({ entity, to, trigger: cause.kind });
    const events = moves.flatMap((move) => move.events);
    const written = tx.prepared(
      'payment_events_add',
      // `noun` is the old name of `entity`: written until no process of the version before this one can read it.
      `INSERT INTO payment_events
         (at, noun, entity, order_id, payment_id, refund_id, from_status, to_status, cause, actor, request_id, note)
       SELECT $1, v.entity, v.* FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                                            $8::text[], $9::text[], $10::text[], $11::text[]) AS v(entity)`,
      [
        this.clock.now(),
        moves.map((move) => move.entity),
        moves.map((move) => move.orderId),
        moves.map((move) => move.paymentId),
        moves.map((move) => move.refundId ?? null),
        moves.map((move) => move.from),
        moves.map((move) => move.to),
        moves.map((move) => move.cause.kind),
        moves.map((move) => move.cause.actor),
        moves.map((move) => move.cause.requestId),
        moves.map((move) => move.note ?? null),
      ],
    );
    await Promise.all([written, this.outbox.add(tx, events)]);
  }

  /** The whole history of a payment, its order's and its refunds' moves included, oldest first. */
  async of(paymentId: string): Promise<EventRow[]> {
    return this.db.query<EventRow[]>(
      `SELECT id, at, coalesce(entity, noun) AS entity, payment_id, refund_id, from_status, to_status, cause, actor, request_id, note
       FROM payment_events
       WHERE order_id = (SELECT order_id FROM payments WHERE id = $1) AND (payment_id = $1 OR payment_id IS NULL)
       ORDER BY payment_events.id`,
      [paymentId],
    );
  }
}
