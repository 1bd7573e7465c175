import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Clock } from '../common/clock.js';
import { GroupCommitQueue } from '../common/group-commit-queue.js';
import { newId } from '../common/ids.js';
import { preparedAlone } from '../database/connection.js';
import { type Transaction, transaction } from '../database/transaction.js';
import type { NewEvent } from './event-types.js';

/** Events that one transaction gives positions to, and how many such transactions one caller makes at most. */
const BATCH = 1000;
const MOST_BATCHES = 10;

/** Read committed: the statement after this one sees what was committed before the lock was had. */
const LOCK = 'SELECT FROM event_positions FOR UPDATE';
/** The oldest events that wait, at most so many, to the end of the feed. */
export const PLACE = `
  WITH taken AS (
    DELETE FROM event_outbox WHERE seq = ANY (ARRAY(SELECT seq FROM event_outbox ORDER BY seq LIMIT $1::integer))
    RETURNING *
  ), placed AS (
    INSERT INTO events (id, service, position, type, created_at, order_id, payment_id, refund_id, data)
    SELECT t.id, t.service, p.last + row_number() OVER (ORDER BY t.seq), t.type, t.created_at, t.order_id, t.payment_id,
           t.refund_id, t.data
    FROM taken t, event_positions p
    ORDER BY t.seq
    RETURNING position
  )
  UPDATE event_positions SET last = last + (SELECT count(*) FROM placed) WHERE EXISTS (SELECT FROM placed)
  RETURNING (SELECT count(*) FROM placed)::integer AS count`;

/**
 * Where events are written and how they get into the feed.
 *
 * A transaction that commits late must not put its events behind a reader that has gone on. So nothing that writers know is
 * used to order the feed: they write into `event_outbox`, and what is there once it is committed is moved to `events` by one
 * transaction at a time, which counts on from the last position. Whoever reads has it done first ({@link place}).
 */
@Injectable()
export class EventOutbox {
  private readonly placing = new GroupCommitQueue<null, void>((callers) => this.placeFor(callers), {
    maxBatch: 1000,
    maxWaiting: 1000,
    keyOf: () => '',
  });

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Writes events inside the transaction of the moves that they tell of, in the order in which they happened. */
  async add(tx: Transaction, events: NewEvent[]): Promise<void> {
    if (events.length === 0) return;
    await tx.prepared(
      'event_outbox_add',
      `INSERT INTO event_outbox (id, service, type, created_at, order_id, payment_id, refund_id, data)
       SELECT v.id, v.service, v.type, $1, v.order_id, v.payment_id, v.refund_id, v.data
       FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::json[])
            WITH ORDINALITY AS v(id, service, type, order_id, payment_id, refund_id, data, number)
       ORDER BY v.number`,
      [
        this.clock.now(),
        events.map(() => newId('evt', this.clock)),
        events.map(({ service }) => service),
        events.map(({ type }) => type),
        events.map(({ data }) => data.order.id),
        events.map(({ data }) => data.payment?.id ?? null),
        events.map(({ data }) => data.refund?.id ?? null),
        events.map(({ data }) => JSON.stringify(data)),
      ],
    );
  }

  /**
   * Gives every event that was committed before this call its position; of a large backlog, the oldest
   * {@link MOST_BATCHES} × {@link BATCH}. Calls that come while one is under way share the next.
   */
  place(): Promise<void> {
    return this.placing.submit(null);
  }

  private async placeFor(callers: null[]): Promise<void[]> {
    for (let batch = 0; batch < MOST_BATCHES && (await this.isAnyWaiting()); batch += 1) {
      if ((await this.placeBatch()) < BATCH) break;
    }
    return callers.map(() => undefined);
  }

  /** Asked without a lock, so that reading an idle feed takes none and writes nothing. */
  private async isAnyWaiting(): Promise<boolean> {
    const [row] = await preparedAlone<{ any: boolean }>(
      this.db,
      'event_outbox_any',
      'SELECT EXISTS (SELECT FROM event_outbox ORDER BY seq LIMIT 1) AS any',
      [],
    );
    return row?.any ?? false;
  }

  /** Must be durable before it is seen: after a crash an event may not get another place than a reader knows. */
  private placeBatch(): Promise<number> {
    return transaction(this.db, async (tx, commit) => {
      const [, [moved]] = await Promise.all([
        tx.prepared('event_positions_lock', LOCK, []),
        tx.prepared<{ count: number }>('event_outbox_place', PLACE, [BATCH]),
        commit(),
      ]);
      return moved?.count ?? 0;
    });
  }
}
