import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { newId } from '../common/ids.js';
import type { Transaction } from '../database/transaction.js';
import { NotificationsService } from '../notifications/notifications.service.js';

export const DISCREPANCY_TYPES = [
  /** A genuine notice or answer that does not fit our row: amount, currency, merchant, mini-program or transaction. */
  'mismatch',
  /** The channel speaks of a number that we never gave. */
  'unknown_payment',
  /** Money that came when the order could not take it, held for a person. */
  'late_payment',
  /** The channel names a second transaction for a payment that is paid already. */
  'double_transaction',
  /** The channel speaks of a refund number that we never gave. */
  'unknown_refund',
  /** The channel paid a refund that was made in its console, and one of ours under way does not fit beside it. */
  'refund_conflict',
  /** The channel will not pay a refund now, for a reason that a person can mend: no money in the account, a bad key. */
  'refund_held',
  /** Found in a day's bill. */
  'missing_here',
  'missing_there',
  'amount',
  'state',
  'duplicate',
  'fee',
  'unreadable_line',
] as const;
export type DiscrepancyType = (typeof DISCREPANCY_TYPES)[number];

export const DISCREPANCY_STATUSES = ['open', 'resolved'] as const;

/**
 * What an operator did about a case: `accept` late money for its order, `refund` it, or `booked` by hand, outside of Paydesk.
 * Null: resolved with a note alone.
 */
export const CASE_ACTIONS = ['accept', 'refund', 'booked'] as const;
export type CaseAction = (typeof CASE_ACTIONS)[number];

/** A case as it is decided: its row, locked. */
export interface LockedCase {
  type: DiscrepancyType;
  status: (typeof DISCREPANCY_STATUSES)[number];
  action: CaseAction | null;
  actionRefundId: string | null;
}

/** How a case was resolved, and by whom. */
export interface CaseResolution {
  note: string;
  by: string;
  action: CaseAction | null;
  /** The refund that the action `refund` made. */
  refundId: string | null;
}

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
    private readonly notifications: NotificationsService,
    private readonly clock: Clock,
  ) {}

  /**
   * Opens cases inside the caller's transaction and tells the operators; a case that is there already stays as it is.
   * Issues its statements at once and waits for none of them, so that they travel with what is issued beside them.
   */
  async open(tx: Transaction, list: NewDiscrepancy[]): Promise<void> {
    if (list.length === 0) return;
    const ids = list.map(() => newId('dis', this.clock));
    await Promise.all([
      this.freeKeys(
        tx,
        list.filter((one) => one.again).map((one) => one.caseKey),
      ),
      this.insert(tx, list, ids),
      this.notifications.addForCases(
        tx,
        list.map(({ type }, index) => ({ discrepancy_id: ids[index] ?? '', type })),
      ),
    ]);
  }

  private async insert(tx: Transaction, list: NewDiscrepancy[], ids: string[]): Promise<void> {
    await tx.query(
      `INSERT INTO discrepancies
         (id, type, case_key, payment_id, refund_id, out_trade_no, out_refund_no, detail, run_id, opened_at)
       SELECT v.*, $10 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                                   $8::jsonb[], $9::text[]) AS v
       ON CONFLICT (case_key) DO NOTHING`,
      [
        ids,
        list.map((one) => one.type),
        list.map((one) => one.caseKey),
        list.map((one) => one.paymentId),
        list.map((one) => one.refundId ?? null),
        list.map((one) => one.outTradeNo),
        list.map((one) => one.outRefundNo ?? null),
        list.map((one) => JSON.stringify(one.detail)),
        list.map((one) => one.runId ?? null),
        this.clock.now(),
      ],
    );
  }

  /** A resolved case keeps everything but its key, so that the same trouble can be a new case. */
  private async freeKeys(tx: Transaction, caseKeys: string[]): Promise<void> {
    if (caseKeys.length === 0) return;
    await tx.query(
      `UPDATE discrepancies SET case_key = case_key || ':' || id WHERE case_key = ANY ($1) AND status = 'resolved'`,
      [caseKeys],
    );
  }

  /** Ends cases whose cause is gone, with a note that says so; what is not open is left alone. */
  async autoResolve(tx: Transaction, cases: { caseKey: string; note: string }[]): Promise<void> {
    if (cases.length === 0) return;
    await tx.prepared(
      'discrepancies_resolve',
      `UPDATE discrepancies d SET status = 'resolved', resolved_at = $3, resolved_by = 'paydesk', note = v.note
       FROM unnest($1::text[], $2::text[]) AS v(case_key, note) WHERE d.case_key = v.case_key AND d.status = 'open'`,
      [cases.map((one) => one.caseKey), cases.map((one) => one.note), this.clock.now()],
    );
  }

  /** The payment that a case is about, or null. It never changes. @throws DomainError `not_found` */
  async paymentOf(tx: Transaction, id: string): Promise<string | null> {
    const [row] = await tx.query<{ payment_id: string | null }>('SELECT payment_id FROM discrepancies WHERE id = $1', [
      id,
    ]);
    if (!row) throw new DomainError('not_found');
    return row.payment_id;
  }

  /** Locks a case. Whoever also locks its order locks that one first, as the settlement does. @throws DomainError `not_found` */
  async lock(tx: Transaction, id: string): Promise<LockedCase> {
    const [row] = await tx.query<LockedCase>(
      `SELECT type, status, action, action_refund_id AS "actionRefundId" FROM discrepancies WHERE id = $1 FOR UPDATE`,
      [id],
    );
    if (!row) throw new DomainError('not_found');
    return row;
  }

  /** Resolves a case that the caller has locked and found open. */
  async resolve(tx: Transaction, id: string, { note, by, action, refundId }: CaseResolution): Promise<void> {
    await tx.query(
      `UPDATE discrepancies SET status = 'resolved', resolved_at = $2, resolved_by = $3, note = $4, action = $5,
                                action_refund_id = $6 WHERE id = $1`,
      [id, this.clock.now(), by, note, action, refundId],
    );
  }
}
