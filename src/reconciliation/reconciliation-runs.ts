import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { after, Clock, MINUTE } from '../common/clock.js';
import { newId } from '../common/ids.js';

/** `waiting`: for the bill, or for the next attempt. */
export const RUN_STATUSES = ['waiting', 'running', 'done', 'failed'] as const;

export interface Run {
  id: string;
  /** `YYYY-MM-DD` */
  day: string;
  kind: 'daily' | 'manual' | 'file';
  attempts: number;
}

/** How long a run belongs to its process; prolonged while it works. */
const LEASE = 10 * MINUTE;

/** Sole writer of `reconciliation_runs`: once per day across all processes, tried until it is through. */
@Injectable()
export class ReconciliationRuns {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Notes that a day is to be reconciled by the timer; once, by the first process. */
  async plan(day: string): Promise<void> {
    const now = this.clock.now();
    await this.db.query(
      `INSERT INTO reconciliation_runs (id, day, kind, status, created_at, next_attempt_at)
       VALUES ($1, $2, 'daily', 'waiting', $3, $3) ON CONFLICT (day) WHERE kind = 'daily' DO NOTHING`,
      [newId('run', this.clock), day, now],
    );
  }

  /** Takes the oldest planned day that is due in hand; null when there is none, or others have them. */
  async claim(): Promise<Run | null> {
    await this.failAbandonedRuns();
    const now = this.clock.now();
    const [rows] = await this.db.query<[Run[], number]>(
      `UPDATE reconciliation_runs SET status = 'running', attempts = attempts + 1, lease_until = $2
       WHERE id = (
         SELECT id FROM reconciliation_runs
         WHERE kind = 'daily' AND status IN ('waiting', 'running') AND next_attempt_at <= $1
           AND (lease_until IS NULL OR lease_until <= $1)
         ORDER BY day LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING id, to_char(day, 'YYYY-MM-DD') AS day, kind, attempts`,
      [now, after(now, LEASE)],
    );
    return rows[0] ?? null;
  }

  /** A person's run: it does not count as the day's. */
  async begin(day: string, kind: 'manual' | 'file'): Promise<Run> {
    await this.failAbandonedRuns();
    const id = newId('run', this.clock);
    const now = this.clock.now();
    await this.db.query(
      `INSERT INTO reconciliation_runs (id, day, kind, status, attempts, created_at, next_attempt_at, lease_until)
       VALUES ($1, $2, $3, 'running', 1, $4, $4, $5)`,
      [id, day, kind, now, after(now, LEASE)],
    );
    return { id, day, kind, attempts: 1 };
  }

  /** A person's run whose process died is not taken over, and must not look as if it were still at work. */
  private async failAbandonedRuns(): Promise<void> {
    await this.db.query(
      `UPDATE reconciliation_runs SET status = 'failed', error_code = 'interrupted', finished_at = $1, lease_until = NULL
       WHERE kind <> 'daily' AND status = 'running' AND lease_until <= $1`,
      [this.clock.now()],
    );
  }

  async renewLease(run: Run): Promise<void> {
    await this.db.query('UPDATE reconciliation_runs SET lease_until = $2 WHERE id = $1', [
      run.id,
      after(this.clock.now(), LEASE),
    ]);
  }

  async finish(run: Run, summary: object): Promise<void> {
    await this.db.query(
      `UPDATE reconciliation_runs SET status = 'done', finished_at = $2, lease_until = NULL, summary = $3,
              error_code = NULL WHERE id = $1`,
      [run.id, this.clock.now(), JSON.stringify(summary)],
    );
  }

  /** A daily run is tried again at `at`; a person's run has failed. */
  async fail(run: Run, code: string, at: Date | null): Promise<void> {
    await this.db.query(
      `UPDATE reconciliation_runs SET status = $2, error_code = $3, lease_until = NULL, finished_at = $4,
              next_attempt_at = coalesce($5, next_attempt_at) WHERE id = $1`,
      [run.id, at ? 'waiting' : 'failed', code, at ? null : this.clock.now(), at],
    );
  }

  /** Whether a bill of a day, of payments and refunds, was compared to the end. */
  async isDone(day: string): Promise<boolean> {
    const rows = await this.db.query<unknown[]>(
      `SELECT FROM reconciliation_runs WHERE day = $1 AND status = 'done'
       AND summary -> 'covers' @> '{"payments": true, "refunds": true}' LIMIT 1`,
      [day],
    );
    return rows.length > 0;
  }
}
