import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { after, Clock, MINUTE } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { GroupCommitQueue } from '../common/group-commit-queue.js';
import { preparedAlone } from '../database/connection.js';
import { hashOf, isKey } from './api-key-form.js';
import { KeyMemory } from './key-memory.js';
import type { ScopeName } from './scopes.js';

/** A key that is not revoked; whether its time is over is asked at each use. */
interface LiveKey {
  id: string;
  service: string;
  /** Null: all there are. */
  scopes: ScopeName[] | null;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
}

const LIMITS = { maxBatch: 200, maxWaiting: 2000, keyOf: (hash: string) => hash };

/**
 * Proves API keys. Whatever is wrong with one, the answer is the same: who tries keys learns nothing from it. Questions that
 * come while one is being answered are asked together.
 */
@Injectable()
export class ApiKeyVerifier {
  private readonly log = new Logger(ApiKeyVerifier.name);
  private readonly memory: KeyMemory<LiveKey>;
  /** When this process last wrote that a key was used, or tried to, by the key's id. */
  private readonly written = new Map<string, Date>();

  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly clock: Clock,
  ) {
    const queue = () => new GroupCommitQueue((hashes: string[]) => this.ask(hashes), LIMITS);
    // A flood of invented keys has a queue of its own: those that are in use do not wait behind it.
    const [inUse, strange] = [queue(), queue()];
    this.memory = new KeyMemory((hash, known) => (known ? inUse : strange).submit(hash));
  }

  /** Whose key it is. @throws DomainError `unauthenticated`, and the database's error while it cannot be asked */
  async verify(key: string): Promise<Pick<LiveKey, 'service' | 'scopes'>> {
    const live = isKey(key) ? await this.memory.of(hashOf(key).toString('hex')) : null;
    const now = this.clock.now();
    if (live === null || (live.expiresAt !== null && live.expiresAt <= now)) throw new DomainError('unauthenticated');
    this.noteUse(live, now);
    return live;
  }

  private async ask(hashes: string[]): Promise<(LiveKey | null)[]> {
    type Row = Record<'hash' | 'id' | 'service', string> & Pick<LiveKey, 'scopes' | 'expiresAt' | 'lastUsedAt'>;
    const rows = await preparedAlone<Row>(
      this.db,
      'api_keys_live',
      `SELECT encode(hash, 'hex') AS hash, id, service, scopes, expires_at AS "expiresAt", last_used_at AS "lastUsedAt"
       FROM api_keys WHERE hash = ANY ($1::bytea[]) AND revoked_at IS NULL`,
      [hashes.map((hash) => Buffer.from(hash, 'hex'))],
    );
    const live = new Map(rows.map((row) => [row.hash, row]));
    return hashes.map((hash) => live.get(hash) ?? null);
  }

  /** Once a minute, by whichever process comes first; the request does not wait for it. */
  private noteUse({ id, lastUsedAt }: LiveKey, now: Date): void {
    const minuteAgo = after(now, -MINUTE);
    const isRecent = (at: Date | null | undefined): boolean => at !== null && at !== undefined && at > minuteAgo;
    if (isRecent(lastUsedAt) || isRecent(this.written.get(id))) return;
    for (const [other, at] of this.written) if (at <= minuteAgo) this.written.delete(other);
    this.written.set(id, now);
    preparedAlone(
      this.db,
      'api_keys_used',
      'UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)',
      [id, now, minuteAgo],
    ).catch((error: unknown) => this.log.warn({ err: error, api_key: id }, 'last use not written'));
  }
}
