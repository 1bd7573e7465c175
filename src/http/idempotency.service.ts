import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { after, Clock, DAY, MINUTE } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { newId } from '../common/ids.js';
import { isDatabaseUnavailable } from '../database/database-errors.js';

/** A first request with this key: run it, and make what it creates under this id (its ULID). */
export interface Claim {
  kind: 'run';
  resource: string;
  /** Until when the key is kept for this request. */
  until: Date;
}

export interface Replay {
  kind: 'replay';
  status: number;
  body: unknown;
}

interface Row {
  fingerprint: string;
  resource: string;
  http_status: number | null;
  body: string | null;
}

/** How long a request may run before another may take its key over: far longer than any request lives. */
const RUNNING = MINUTE;
/** While the database is away. */
const FREE_AGAIN_AFTER = 1000;

/**
 * `Idempotency-Key`: kept in the database, so that it holds on several machines and over a crash. The id of what is
 * created is chosen with the key: a repeat after a crash finds it there instead of making a second one.
 */
@Injectable()
export class IdempotencyService {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly clock: Clock,
  ) {}

  /** @throws DomainError `idempotency_key_reused`, `idempotency_in_progress` */
  async claim(userId: string, key: string, request: string): Promise<Claim | Replay> {
    const claim: Claim = {
      kind: 'run',
      resource: newId('req', this.clock),
      until: after(this.clock.now(), RUNNING),
    };
    try {
      return await this.claimFor(userId, key, request, claim);
    } catch (error) {
      // It may have been made all the same, or is only made when the database is right again.
      const free = async (): Promise<boolean> => (await this.free(userId, key, claim, false)) > 0;
      if (isDatabaseUnavailable(error)) void this.again(free);
      throw error;
    }
  }

  private async claimFor(userId: string, key: string, request: string, claim: Claim): Promise<Claim | Replay> {
    const now = this.clock.now();
    const fingerprint = createHash('sha256').update(request).digest('hex');
    const { resource, until } = claim;
    const values = [userId, key, fingerprint, resource, until, now];
    const fresh = await this.db.query<{ resource: string }[]>(
      `INSERT INTO idempotency_keys AS k (user_id, key, fingerprint, resource, locked_until, created_at)
       VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (user_id, key) DO UPDATE
         SET fingerprint = excluded.fingerprint, resource = excluded.resource, http_status = NULL, body = NULL,
             locked_until = excluded.locked_until, created_at = excluded.created_at
         WHERE k.created_at < $7
       RETURNING resource`,
      [...values, after(now, -DAY)],
    );
    if (fresh[0]) return claim;
    const [takenOver] = await this.db.query<[{ resource: string }[], number]>(
      `UPDATE idempotency_keys SET locked_until = $4
       WHERE user_id = $1 AND key = $2 AND fingerprint = $3 AND http_status IS NULL AND locked_until <= $5
       RETURNING resource`,
      [userId, key, fingerprint, until, now],
    );
    if (takenOver[0]) return { ...claim, resource: takenOver[0].resource };
    return this.known(userId, key, fingerprint);
  }

  private async known(userId: string, key: string, fingerprint: string): Promise<Replay> {
    const [row] = await this.db.query<Row[]>(
      'SELECT fingerprint, resource, http_status, body FROM idempotency_keys WHERE user_id = $1 AND key = $2',
      [userId, key],
    );
    if (row && row.fingerprint !== fingerprint) throw new DomainError('idempotency_key_reused');
    if (!row || row.http_status === null || row.body === null) throw new DomainError('idempotency_in_progress');
    return { kind: 'replay', status: row.http_status, body: JSON.parse(row.body) as unknown };
  }

  async keep(userId: string, key: string, status: number, body: unknown): Promise<void> {
    await this.db.query('UPDATE idempotency_keys SET http_status = $3, body = $4 WHERE user_id = $1 AND key = $2', [
      userId,
      key,
      status,
      JSON.stringify(body),
    ]);
  }

  /**
   * A refusal made nothing, so its key is free again; after anything else the key keeps its id for the repeat. While the
   * database is away it is tried again, or each repeat would be told for a minute that the request is still running.
   */
  async release(userId: string, key: string, claim: Claim, refused: boolean): Promise<void> {
    const free = (): Promise<boolean> => this.free(userId, key, claim, refused).then(() => true);
    await free().catch(() => void this.again(free));
  }

  /** Answers the number of keys that were set free: another request that has taken this one over keeps it. */
  private async free(userId: string, key: string, { until }: Claim, refused: boolean): Promise<number> {
    const how = refused
      ? 'DELETE FROM idempotency_keys WHERE user_id = $1 AND key = $2 AND locked_until = $3'
      : "UPDATE idempotency_keys SET locked_until = '-infinity' WHERE user_id = $1 AND key = $2 AND locked_until = $3";
    const [, freed] = await this.db.query<[unknown[], number]>(how, [userId, key, until]);
    return freed;
  }

  private async again(free: () => Promise<boolean>): Promise<void> {
    const until = performance.now() + RUNNING;
    for (let done = false; !done && performance.now() < until;) {
      await sleep(FREE_AGAIN_AFTER, undefined, { ref: false });
      done = await free().catch(() => false);
    }
  }

  /** Keys live 24 hours. Answers how many were deleted. */
  async deleteOld(): Promise<number> {
    const [, deleted] = await this.db.query<[unknown[], number]>('DELETE FROM idempotency_keys WHERE created_at < $1', [
      after(this.clock.now(), -DAY),
    ]);
    return deleted;
  }
}
