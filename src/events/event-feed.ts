import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { DomainError } from '../common/errors.js';
import { isId } from '../common/ids.js';
import { preparedAlone } from '../database/connection.js';
import { EventOutbox } from './event-outbox.js';
import type { EventData, EventType } from './event-types.js';

export interface EventRow {
  id: string;
  type: EventType;
  created_at: Date;
  data: EventData;
}

export interface FeedQuery {
  /** At most so many events. */
  limit: number;
  /** The id of the last event that is known; null: from the beginning. */
  after: string | null;
  /** Of these types only; null: of all. */
  types: readonly EventType[] | null;
}

/** Parameters: service, position, limit. */
export const ALL_TYPES = `
  SELECT id, type, created_at, data FROM events WHERE service = $1 AND position > $2 ORDER BY position LIMIT $3`;

/** And types. Each type has its own walk through the index: a rare one is found without reading the others. */
export const SOME_TYPES = `
  SELECT id, type, created_at, data FROM events
  WHERE service = $1 AND position = ANY (ARRAY(
    SELECT e.position FROM unnest($4::text[]) AS t(type) CROSS JOIN LATERAL (
      SELECT position FROM events WHERE service = $1 AND type = t.type AND position > $2 ORDER BY position LIMIT $3) e
    ORDER BY e.position LIMIT $3))
  ORDER BY position`;

/** Reads a service's events in the order of the feed. */
@Injectable()
export class EventFeed {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly outbox: EventOutbox,
  ) {}

  /**
   * Everything that was committed before this call is in the feed, unless a large backlog is still being placed: then it
   * comes later, and never before what was read.
   * @throws DomainError `invalid_cursor`: `after` is no event of this service
   */
  async read(
    service: string,
    { limit, after, types }: FeedQuery,
  ): Promise<{ items: EventRow[]; next_cursor: string | null }> {
    const position = after === null ? '0' : await this.positionOf(service, after);
    await this.outbox.place();
    const values = [service, position, limit + 1];
    const rows =
      types === null
        ? await preparedAlone<EventRow>(this.db, 'events_read', ALL_TYPES, values)
        : await preparedAlone<EventRow>(this.db, 'events_read_types', SOME_TYPES, [...values, types]);
    const items = rows.slice(0, limit);
    return { items, next_cursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
  }

  /** A bigint as the driver hands it out, as text. */
  private async positionOf(service: string, id: string): Promise<string> {
    if (!isId('evt', id)) throw new DomainError('invalid_cursor');
    const [row] = await preparedAlone<{ position: string }>(
      this.db,
      'event_position',
      'SELECT position FROM events WHERE id = $1 AND service = $2',
      [id, service],
    );
    if (!row) throw new DomainError('invalid_cursor');
    return row.position;
  }
}
