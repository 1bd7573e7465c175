import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { GroupCommitQueue } from '../common/group-commit-queue.js';
import { preparedAlone } from '../database/connection.js';

export type OwnedEntity = 'order' | 'payment' | 'refund';

/** Whose it is: the user who pays, and the service that placed the order; null: the user did. */
export interface Owners {
  userId: string;
  service: string | null;
}

const OWNERS: Record<OwnedEntity, string> = {
  order: 'SELECT o.id, o.user_id, o.service FROM orders o WHERE o.id = ANY ($1::text[])',
  payment: `SELECT p.id, o.user_id, o.service FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.id = ANY ($1::text[])`,
  refund: `SELECT r.id, o.user_id, o.service FROM refunds r JOIN orders o ON o.id = r.order_id WHERE r.id = ANY ($1::text[])`,
};

const LIMITS = { maxBatch: 200, maxWaiting: 2000, keyOf: (id: string) => id };

/** Whose an order, a payment or a refund is. Questions that come while one is being answered are asked together. */
@Injectable()
export class OwnershipLookup {
  private readonly queues: Record<OwnedEntity, GroupCommitQueue<string, Owners | null>>;

  constructor(@InjectDataSource() private readonly db: DataSource) {
    const queue = (entity: OwnedEntity) => new GroupCommitQueue((ids: string[]) => this.ask(entity, ids), LIMITS);
    this.queues = { order: queue('order'), payment: queue('payment'), refund: queue('refund') };
  }

  /** Null when there is no such thing. */
  of(entity: OwnedEntity, id: string): Promise<Owners | null> {
    return this.queues[entity].submit(id);
  }

  private async ask(entity: OwnedEntity, ids: string[]): Promise<(Owners | null)[]> {
    type Row = { id: string; user_id: string; service: string | null };
    const rows = await preparedAlone<Row>(this.db, `${entity}_owners`, OWNERS[entity], [ids]);
    const owners = new Map(rows.map(({ id, user_id, service }) => [id, { userId: user_id, service }]));
    return ids.map((id) => owners.get(id) ?? null);
  }
}
