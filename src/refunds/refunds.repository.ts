import { Injectable } from '@nestjs/common';
import type { Transaction } from '../database/transaction.js';
import { Refund } from './refund.entity.js';

const COLUMNS = `r.id, r.payment_id AS "paymentId", r.order_id AS "orderId", r.status, r.amount_fen AS "amountFen",
  r.currency, r.reason, r.origin, r.console_refund_no AS "consoleRefundNo", r.refund_id AS "refundId",
  r.requested_by AS "requestedBy", r.service, r.external_id AS "externalId", r.whole, r.approved_by AS "approvedBy",
  r.failure_code AS "failureCode", r.failure_message AS "failureMessage", r.created_at AS "createdAt",
  r.sent_at AS "sentAt", r.last_sent_at AS "lastSentAt", r.succeeded_at AS "succeededAt", r.settled_at AS "settledAt",
  r.next_check_at AS "nextCheckAt", r.checks, r.checked_at AS "checkedAt", r.lease_until AS "leaseUntil"`;

function asRefunds(rows: Refund[]): Refund[] {
  return rows.map((row) => Object.assign(new Refund(), row));
}

/** The statements on `refunds`, as lists. Sole writer of the table together with the services beside it. */
@Injectable()
export class RefundsRepository {
  async read(tx: Transaction, ids: string[]): Promise<Refund[]> {
    const text = `SELECT ${COLUMNS} FROM refunds r WHERE r.id = ANY ($1::text[])`;
    const rows = await tx.prepared<Refund>('refunds_read', text, [ids]);
    return asRefunds(rows);
  }

  /** The refunds that have these numbers at the channel. */
  async readByNumbers(tx: Transaction, outRefundNos: string[]): Promise<Refund[]> {
    const rows = await tx.prepared<Refund>(
      'refunds_read_by_numbers',
      `SELECT ${COLUMNS} FROM refunds r WHERE r.id = ANY ($1::text[])
       UNION ALL
       SELECT ${COLUMNS} FROM refunds r WHERE r.console_refund_no = ANY ($1::text[]) AND r.console_refund_no IS NOT NULL`,
      [outRefundNos],
    );
    return asRefunds(rows);
  }

  /** Which of our refunds have these numbers of the channel: number → id. */
  async readOwners(tx: Transaction, refundIds: string[]): Promise<Map<string, string>> {
    const rows = await tx.prepared<{ refund_id: string; id: string }>(
      'refunds_read_owners',
      'SELECT r.refund_id, r.id FROM refunds r WHERE r.refund_id = ANY ($1::text[]) AND r.refund_id IS NOT NULL',
      [refundIds],
    );
    return new Map(rows.map(({ refund_id, id }) => [refund_id, id]));
  }

  /** All refunds of these payments. */
  async readByPayments(tx: Transaction, paymentIds: string[]): Promise<Refund[]> {
    const text = `SELECT ${COLUMNS} FROM refunds r WHERE r.payment_id = ANY ($1::text[])`;
    return asRefunds(await tx.query<Refund>(text, [paymentIds]));
  }

  /**
   * The refund that has this number of the service. Until the transaction ends no other one gets it: requests under one
   * number wait for each other, also when they are about different payments.
   */
  async lockByExternalId(tx: Transaction, service: string, externalId: string): Promise<Refund | undefined> {
    // Issued together, they run in this order: what is read is read under the lock.
    const [, rows] = await Promise.all([
      tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`refund of ${service}: ${externalId}`]),
      tx.query<Refund>(`SELECT ${COLUMNS} FROM refunds r WHERE r.service = $1 AND r.external_id = $2`, [
        service,
        externalId,
      ]),
    ]);
    return asRefunds(rows)[0];
  }

  /** How many refunds of a payment count as its parts: all but the rejected ones. */
  async countParts(tx: Transaction, paymentId: string): Promise<number> {
    const [row] = await tx.query<{ parts: number }>(
      `SELECT count(*)::integer AS parts FROM refunds WHERE payment_id = $1 AND status <> 'rejected'`,
      [paymentId],
    );
    return row?.parts ?? 0;
  }

  async insert(tx: Transaction, refund: Refund): Promise<void> {
    await tx.query(
      `INSERT INTO refunds (id, payment_id, order_id, status, origin, console_refund_no, amount_fen, currency, reason,
                            refund_id, requested_by, approved_by, failure_code, created_at, sent_at, last_sent_at,
                            succeeded_at, settled_at, next_check_at, service, external_id, whole)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`,
      [
        refund.id,
        refund.paymentId,
        refund.orderId,
        refund.status,
        refund.origin,
        refund.consoleRefundNo,
        refund.amountFen,
        refund.currency,
        refund.reason,
        refund.refundId,
        refund.requestedBy,
        refund.approvedBy,
        refund.failureCode,
        refund.createdAt,
        refund.sentAt,
        refund.lastSentAt,
        refund.succeededAt,
        refund.settledAt,
        refund.nextCheckAt,
        refund.service,
        refund.externalId,
        refund.whole,
      ],
    );
  }

  /** Brings the next query about refunds under way of these payments forward to now. */
  async queryAtOnce(tx: Transaction, paymentIds: string[], now: Date): Promise<void> {
    if (paymentIds.length === 0) return;
    await tx.query(
      `UPDATE refunds SET next_check_at = $2
       WHERE payment_id = ANY ($1::text[]) AND status = 'processing' AND next_check_at > $2`,
      [paymentIds, now],
    );
  }

  /** Writes what a settlement changes of refunds whose orders the caller has locked. */
  async save(tx: Transaction, refunds: Refund[]): Promise<void> {
    if (refunds.length === 0) return;
    await tx.prepared(
      'refunds_save',
      `UPDATE refunds r SET status = v.status, refund_id = v.refund_id, failure_code = v.failure_code,
              failure_message = v.failure_message, succeeded_at = v.succeeded_at, settled_at = v.settled_at,
              approved_by = v.approved_by, sent_at = v.sent_at, last_sent_at = v.last_sent_at,
              next_check_at = v.next_check_at, lease_until = v.lease_until
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                   $8::text[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[])
            AS v(id, status, refund_id, failure_code, failure_message, succeeded_at, settled_at, approved_by, sent_at,
                 last_sent_at, next_check_at, lease_until)
       WHERE r.id = v.id`,
      [
        refunds.map((refund) => refund.id),
        refunds.map((refund) => refund.status),
        refunds.map((refund) => refund.refundId),
        refunds.map((refund) => refund.failureCode),
        refunds.map((refund) => refund.failureMessage),
        refunds.map((refund) => refund.succeededAt),
        refunds.map((refund) => refund.settledAt),
        refunds.map((refund) => refund.approvedBy),
        refunds.map((refund) => refund.sentAt),
        refunds.map((refund) => refund.lastSentAt),
        refunds.map((refund) => refund.nextCheckAt),
        refunds.map((refund) => refund.leaseUntil),
      ],
    );
  }
}
