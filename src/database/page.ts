import type { SelectQueryBuilder } from 'typeorm';
import { DomainError } from '../common/errors.js';

/** What a list is asked for: at most `limit` (1 to 100) rows after the key `after`. */
export interface PageQuery {
  limit: number;
  after: string | null;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** Cuts the one row too many that was fetched to see whether there is more. Pages go by key, never by offset. */
export function pageOf<T>(rows: T[], query: PageQuery, key: (row: T) => string): Page<T> {
  const items = rows.slice(0, query.limit);
  const last = items.at(-1);
  const more = rows.length > query.limit && last !== undefined;
  return { items, next_cursor: more ? Buffer.from(key(last)).toString('base64url') : null };
}

/** @throws DomainError `invalid_cursor` */
export function pageQuery(limit: number | undefined, cursor: string | undefined): PageQuery {
  if (cursor === undefined || cursor === '') return { limit: limit ?? 20, after: null };
  const after = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!/^[\x20-\x7e]{1,100}$/.test(after)) throw new DomainError('invalid_cursor');
  return { limit: limit ?? 20, after };
}

/** A page of what a query finds, in the order of the ids. */
export async function pageById<T extends { id: string }>(
  found: SelectQueryBuilder<T>,
  order: 'ASC' | 'DESC',
  query: PageQuery,
): Promise<Page<T>> {
  const id = `${found.alias}.id`;
  if (query.after !== null) found.andWhere(`${id} ${order === 'ASC' ? '>' : '<'} :after`, { after: query.after });
  const rows = await found
    .orderBy(id, order)
    .limit(query.limit + 1)
    .getMany();
  return pageOf(rows, query, (row) => row.id);
}
