import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, EntityManager } from 'typeorm';
import { Clock } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { isId, newId } from '../common/ids.js';
import { committed } from '../database/committed.js';
import { prepared } from '../database/sql.js';
import { NotificationsService } from '../notifications/notifications.service.js';

export type DiscrepancyType =
  /** A genuine notice or answer that does not fit our row: amount, currency, merchant, mini-program or transaction. */
  | 'mismatch'
  /** The channel speaks of a number that we never gave. */
  | 'unknown_payment'
  /** Money that came when the order could not take it, held for a person. */
  | 'late_payment'
  /** The channel names a second transaction for a payment that is paid already. */
  | 'double_transaction'
  /** The channel speaks of a refund number that we never gave. */
  | 'unknown_refund'
  /** The channel will not pay a refund now, for a reason that a person can mend: no money in the account, a bad key. */
  | 'refund_held'
  /** Found in a day's bill. */
  | 'missing_here'
  | 'missing_there'
  | 'amount'
  | 'state'
  | 'duplicate'
  | 'fee';

export interface NewDiscrepancy {
  type: DiscrepancyType;
  /** The same key is the same case, opened once however often it is seen. */
  caseKey: string;
  paymentId: string | null;
  outTradeNo: string | null;
  refundId?: string | null;
  outRefundNo?: string | null;
  runId?: string | null;
  /** Opened anew when it comes up again after it was resolved; left out, what was resolved stays so. */
  again?: boolean;
  /** Facts for the person who looks into it. Never a secret or an openid. */
  detail: Record<string, unknown>;
}

/** Cases for a person. Nothing is edited in silence: a case is opened once and resolved with a note. */
@Injectable()
export class DiscrepanciesService {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly notifications: NotificationsService,
    private readonly clock: Clock,
  ) {}

  /** Opens cases inside the caller's transaction and tells the operators. Answers how many were new. */
  async open(tx: EntityManager, list: NewDiscrepancy[]): Promise<number> {
    let opened = 0;
    for (const one of list) {
      const id = newId('dis', this.clock);
      if (one.again) await this.freeKey(tx, one.caseKey);
      const rows = await tx.query<{ id: string }[]>(
        `INSERT INTO discrepancies
           (id, type, case_key, payment_id, refund_id, out_trade_no, out_refund_no, detail, opened_at, run_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (case_key) DO NOTHING RETURNING id`,
        [
          id,
          one.type,
          one.caseKey,
          one.paymentId,
          one.refundId ?? null,
          one.outTradeNo,
          one.outRefundNo ?? null,
          JSON.stringify(one.detail),
          this.clock.now(),
          one.runId ?? null,
        ],
      );
      if (rows.length === 0) continue;
      opened += 1;
      await this.notifications.add(tx, [
        { type: 'discrepancy.opened', userId: null, subjectId: id, data: { discrepancy_id: id, type: one.type } },
      ]);
    }
    return opened;
  }

  /** A resolved case keeps everything but its key, so that the same trouble can be a new case. */
  private async freeKey(tx: EntityManager, caseKey: string): Promise<void> {
    await tx.query(
      `UPDATE discrepancies SET case_key = case_key || ':' || id WHERE case_key = $1 AND status = 'resolved'`,
      [caseKey],
    );
  }

  /** Ends cases whose cause is gone, with a note that says so; what is not open is left alone. */
  async resolveByItself(tx: EntityManager, cases: { caseKey: string; note: string }[]): Promise<void> {
    if (cases.length === 0) return;
    await prepared(
      tx,
      'discrepancies_resolve',
      `UPDATE discrepancies d SET status = 'resolved', resolved_at = $3, resolved_by = 'paydesk', note = v.note
       FROM unnest($1::text[], $2::text[]) AS v(case_key, note) WHERE d.case_key = v.case_key AND d.status = 'open'`,
      [cases.map((one) => one.caseKey), cases.map((one) => one.note), this.clock.now()],
    );
  }

  /** @throws DomainError `not_found`, `discrepancy_resolved` */
  async resolve(id: string, note: string, operatorId: string): Promise<void> {
    if (!isId('dis', id)) throw new DomainError('not_found');
    await committed(this.db, 'case.resolve', async (tx) => {
      const [row] = await tx.query<{ status: string }[]>('SELECT status FROM discrepancies WHERE id = $1 FOR UPDATE', [
        id,
      ]);
      if (!row) throw new DomainError('not_found');
      if (row.status !== 'open') throw new DomainError('discrepancy_resolved');
      await tx.query(
        `UPDATE discrepancies SET status = 'resolved', resolved_at = $2, resolved_by = $3, note = $4 WHERE id = $1`,
        [id, this.clock.now(), operatorId, note],
      );
    });
  }
}
