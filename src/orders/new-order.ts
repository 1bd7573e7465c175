import { isDeepStrictEqual } from 'node:util';
import { DomainError } from '../common/errors.js';
import type { Order } from './order.entity.js';

export interface NewOrder {
  id: string;
  userId: string;
  createdBy: string;
  /** The service that places it; null: the user does. */
  service: string | null;
  externalId: string | null;
  /** Seconds that it may be paid; null: as the settings say, from its latest payment on. */
  expiresIn: number | null;
  description: string;
  amountFen: number;
  metadata: Record<string, unknown>;
  productId: string | null;
  quantity: number | null;
}

/**
 * A request for an order whose number its service has used already: the same again, or a mistake.
 * @throws DomainError `external_id_conflict` that names each field in which the two differ
 */
export function assertSameOrder(asked: NewOrder, known: Order): void {
  const pairs: [field: string, asked: unknown, known: unknown][] = [
    ['user_id', asked.userId, known.userId],
    ['description', asked.description, known.description],
    ['amount', asked.amountFen, known.amountFen],
    // As it would come back from the database.
    ['metadata', JSON.parse(JSON.stringify(asked.metadata)), known.metadata],
    ['expires_in', asked.expiresIn, known.expiresIn],
  ];
  const different = pairs.flatMap(([field, one, other]) => (isDeepStrictEqual(one, other) ? [] : [field]));
  if (different.length > 0) throw externalIdConflict('order', known.id, different);
}

/** The number is used already, and each of these fields differs there. */
export function externalIdConflict(entity: 'order' | 'refund' | 'user', id: string, fields: string[]): DomainError {
  return new DomainError(
    'external_id_conflict',
    `${entity} ${id} has this external_id, and another ${fields.join(', ')}`,
    fields.map((field) => ({ field, message: `differs from that of ${entity} ${id}` })),
  );
}
