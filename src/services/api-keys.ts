import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Clock } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { isId, newId } from '../common/ids.js';
import { transaction } from '../database/transaction.js';
import { hashOf, isKey, isPrefix, newKey } from './api-key-form.js';
import type { ScopeName } from './scopes.js';

/** A key as it may be shown: neither the key nor its hash. */
export interface ApiKeyRow {
  id: string;
  service: string;
  prefix: string;
  /** Null: all there are. */
  scopes: ScopeName[] | null;
  created_at: Date;
  created_by: string;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
  revoked_by: string | null;
}

export interface NewApiKey {
  service: string;
  scopes: ScopeName[] | null;
  expiresAt: Date | null;
  /** Who makes it. */
  by: string;
}

/** One is replaced by the other: a third one would be forgotten somewhere. */
const MOST_LIVE = 2;

const COLUMNS = 'id, service, prefix, scopes, created_at, created_by, expires_at, last_used_at, revoked_at, revoked_by';

/** Makes, lists and revokes API keys. Sole writer of `services` and, beside the last use, of `api_keys`. */
@Injectable()
export class ApiKeys {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Makes a key of a service; `key` is not kept, so it can be shown this once. @throws DomainError `too_many_api_keys` */
  async create({ service, scopes, expiresAt, by }: NewApiKey): Promise<{ key: string; row: ApiKeyRow }> {
    const { key, prefix } = newKey();
    const now = this.clock.now();
    const row = await transaction(this.db, async (tx) => {
      await tx.query('INSERT INTO services (name, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING', [service, now]);
      // Two at once would each count without the other's.
      await tx.query('SELECT FROM services WHERE name = $1 FOR UPDATE', [service]);
      const live = await tx.query<{ prefix: string }>(
        `SELECT prefix FROM api_keys WHERE service = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
         ORDER BY id`,
        [service, now],
      );
      if (live.length >= MOST_LIVE) {
        const prefixes = live.map((one) => one.prefix).join(' and ');
        throw new DomainError('too_many_api_keys', `${service} has two live API keys, ${prefixes}: revoke one first`);
      }
      const rows = await tx.query<ApiKeyRow>(
        `INSERT INTO api_keys (id, service, prefix, hash, scopes, created_at, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING ${COLUMNS}`,
        [newId('key', this.clock), service, prefix, hashOf(key), scopes, now, by, expiresAt],
      );
      return rows[0] as ApiKeyRow;
    });
    return { key, row };
  }

  /** The keys of a service, or of all, the oldest first. */
  async list(service: string | null): Promise<ApiKeyRow[]> {
    return this.db.query(
      `SELECT ${COLUMNS} FROM api_keys WHERE $1::text IS NULL OR service = $1 ORDER BY service, id`,
      [service],
    );
  }

  /** From now on, within a second everywhere. One that is revoked stays as it is. @throws DomainError `not_found` */
  async revoke(named: KeyName, by: string): Promise<ApiKeyRow> {
    const [rows] = await this.db.query<[ApiKeyRow[], number]>(
      `UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2), revoked_by = coalesce(revoked_by, $3)
       WHERE ${named.column} = $1 RETURNING ${COLUMNS}`,
      [named.value, this.clock.now(), by],
    );
    if (!rows[0]) throw new DomainError('not_found', 'there is no such API key');
    return rows[0];
  }
}

/** By what a key is found. */
export interface KeyName {
  column: 'id' | 'prefix' | 'hash';
  value: string | Buffer;
}

/** Reads what a person calls a key: its id, its prefix, or the whole key. Null: it is none of them. */
export function readKeyName(text: string): KeyName | null {
  if (isId('key', text)) return { column: 'id', value: text };
  if (isPrefix(text)) return { column: 'prefix', value: text };
  return isKey(text) ? { column: 'hash', value: hashOf(text) } : null;
}
