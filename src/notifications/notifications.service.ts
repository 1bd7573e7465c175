import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Clock } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { isId, newId } from '../common/ids.js';
import { Page, pageOf, PageQuery } from '../database/page.js';
import type { Transaction } from '../database/transaction.js';

export type NotificationType =
  | 'payment.succeeded'
  | 'payment.failed'
  | 'payment.expired'
  | 'payment.closed'
  | 'payment.late'
  | 'payment.accepted'
  | 'refund.requested'
  | 'refund.succeeded'
  | 'refund.rejected'
  | 'refund.closed'
  | 'refund.abnormal'
  | 'discrepancy.opened';

export interface NewNotification {
  type: NotificationType;
  /** Null: for the operators. */
  userId: string | null;
  /** The payment, refund or case it is about: each is announced once per type. */
  subjectId: string;
  data: Record<string, unknown>;
}

export interface NotificationRow {
  id: string;
  user_id: string | null;
  type: NotificationType;
  data: Record<string, unknown>;
  created_at: Date;
  read_at: Date | null;
}

const COLUMNS = 'id, user_id, type, data, created_at, read_at';

/** In-app notifications, written in the transaction of the move that they announce. Sole writer of `users_notification`. */
@Injectable()
export class NotificationsService {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Announces inside the caller's transaction. What was announced before is not announced again. */
  async add(tx: Transaction, list: NewNotification[]): Promise<void> {
    if (list.length === 0) return;
    await tx.prepared(
      'notifications_add',
      `INSERT INTO users_notification (id, user_id, type, subject_id, data, created_at)
       SELECT v.id, v.user_id, v.type, v.subject_id, v.data::jsonb, $6
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS v(id, user_id, type, subject_id, data)
       ON CONFLICT (subject_id, type) DO NOTHING`,
      [
        list.map(() => newId('ntf', this.clock)),
        list.map((one) => one.userId),
        list.map((one) => one.type),
        list.map((one) => one.subjectId),
        list.map((one) => JSON.stringify(one.data)),
        this.clock.now(),
      ],
    );
  }

  /** Tells the operators of new cases: of those that were really opened by the statement issued before this one. */
  async addForCases(tx: Transaction, cases: { discrepancy_id: string; type: string }[]): Promise<void> {
    await tx.query(
      `INSERT INTO users_notification (id, user_id, type, subject_id, data, created_at)
       SELECT v.id, NULL, 'discrepancy.opened', v.case_id, v.data, $4
       FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS v(id, case_id, data)
       WHERE EXISTS (SELECT FROM discrepancies d WHERE d.id = v.case_id)`,
      [
        cases.map(() => newId('ntf', this.clock)),
        cases.map((one) => one.discrepancy_id),
        cases.map((one) => JSON.stringify(one)),
        this.clock.now(),
      ],
    );
  }

  /** A user's own notifications, newest first. */
  async list(userId: string, query: PageQuery): Promise<Page<NotificationRow>> {
    const rows = await this.db.query<NotificationRow[]>(
      `SELECT ${COLUMNS} FROM users_notification WHERE user_id = $1 AND ($2::text IS NULL OR id < $2)
       ORDER BY id DESC LIMIT $3`,
      [userId, query.after, query.limit + 1],
    );
    return pageOf(rows, query, (row) => row.id);
  }

  /** Marks as read; again is no error. @throws DomainError `not_found`, for another user's too */
  async read(id: string, userId: string): Promise<NotificationRow> {
    if (!isId('ntf', id)) throw new DomainError('not_found');
    const [rows] = await this.db.query<[NotificationRow[], number]>(
      `UPDATE users_notification SET read_at = coalesce(read_at, $3) WHERE id = $1 AND user_id = $2 RETURNING ${COLUMNS}`,
      [id, userId, this.clock.now()],
    );
    const row = rows[0];
    if (!row) throw new DomainError('not_found');
    return row;
  }
}
