import { Injectable } from '@nestjs/common';
import type { Transaction } from '../database/transaction.js';
import { Payment } from './payment.entity.js';

/** Every column of a payment `p`, by the names of the entity. */
export const PAYMENT_COLUMNS = `p.id, p.order_id AS "orderId", p.provider, p.mchid, p.appid, p.status, p.amount_fen AS "amountFen",
  p.currency, p.reserved_fen AS "reservedFen", p.refunded_fen AS "refundedFen", p.transaction_id AS "transactionId",
  p.late, p.prepay_id AS "prepayId", p.prepay_expires_at AS "prepayExpiresAt", p.failure_code AS "failureCode",
  p.created_at AS "createdAt", p.expires_at AS "expiresAt", p.started_at AS "startedAt", p.paid_at AS "paidAt",
  p.settled_at AS "settledAt", p.next_check_at AS "nextCheckAt", p.checks, p.checked_at AS "checkedAt",
  p.lease_until AS "leaseUntil"`;

/** Rows of {@link PAYMENT_COLUMNS} with what a payment can do. */
export function asPayments(rows: Payment[]): Payment[] {
  return rows.map((row) => Object.assign(new Payment(), row));
}

/** The hot statements on `payments`, as lists. Sole writer of the table together with {@link PaymentsService}. */
@Injectable()
export class PaymentsRepository {
  async read(tx: Transaction, ids: string[]): Promise<Payment[]> {
    const text = `SELECT ${PAYMENT_COLUMNS} FROM payments p WHERE p.id = ANY ($1::text[])`;
    const rows = await tx.prepared<Payment>('payments_read', text, [ids]);
    return asPayments(rows);
  }

  /**
   * The payments of these ids, and whichever payment already carries one of these transaction ids. Of no transaction ids
   * PostgreSQL would make a scan of all open payments: an empty list implies the condition of any partial index.
   */
  async readWithOwners(tx: Transaction, ids: string[], transactionIds: string[]): Promise<Payment[]> {
    if (transactionIds.length === 0) return this.read(tx, ids);
    const rows = await tx.prepared<Payment>(
      'payments_read_with_owners',
      `SELECT ${PAYMENT_COLUMNS} FROM payments p WHERE p.id = ANY ($1::text[])
       UNION ALL
       SELECT ${PAYMENT_COLUMNS} FROM payments p WHERE p.transaction_id = ANY ($2::text[]) AND p.transaction_id IS NOT NULL`,
      [ids, transactionIds],
    );
    return asPayments(rows);
  }

  /** The payments that these refunds give back. */
  async readByRefunds(tx: Transaction, refundIds: string[]): Promise<Payment[]> {
    const rows = await tx.prepared<Payment>(
      'payments_read_by_refunds',
      `SELECT ${PAYMENT_COLUMNS} FROM payments p
       WHERE p.id = ANY (ARRAY(SELECT r.payment_id FROM refunds r WHERE r.id = ANY ($1::text[])))`,
      [refundIds],
    );
    return asPayments(rows);
  }

  /** These payments, and those whose refunds have these numbers at the channel. */
  async readByReports(tx: Transaction, outRefundNos: string[], ids: string[]): Promise<Payment[]> {
    const rows = await tx.prepared<Payment>(
      'payments_read_by_reports',
      `SELECT ${PAYMENT_COLUMNS} FROM payments p
       WHERE p.id = ANY ($2::text[] || ARRAY(
         SELECT r.payment_id FROM refunds r WHERE r.id = ANY ($1::text[])
         UNION ALL
         SELECT r.payment_id FROM refunds r
         WHERE r.console_refund_no = ANY ($1::text[]) AND r.console_refund_no IS NOT NULL))`,
      [outRefundNos, ids],
    );
    return asPayments(rows);
  }

  /** The payment of an order that is still open, or undefined. */
  async readOpen(tx: Transaction, orderId: string): Promise<Payment | undefined> {
    const rows = await tx.query<Payment>(
      `SELECT ${PAYMENT_COLUMNS} FROM payments p WHERE p.order_id = $1 AND p.status IN ('init', 'processing')`,
      [orderId],
    );
    return asPayments(rows)[0];
  }

  async insert(tx: Transaction, payment: Payment): Promise<void> {
    await tx.query(
      `INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, created_at, expires_at,
                             next_check_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        payment.id,
        payment.orderId,
        payment.provider,
        payment.mchid,
        payment.appid,
        payment.status,
        payment.amountFen,
        payment.currency,
        payment.createdAt,
        payment.expiresAt,
        payment.nextCheckAt,
      ],
    );
  }

  /** Writes what a settlement or a refund changes of payments whose orders the caller has locked. */
  async save(tx: Transaction, payments: Payment[]): Promise<void> {
    if (payments.length === 0) return;
    await tx.prepared(
      'payments_save',
      `UPDATE payments p SET status = v.status, transaction_id = v.transaction_id, late = v.late,
              failure_code = v.failure_code, paid_at = v.paid_at, settled_at = v.settled_at,
              reserved_fen = v.reserved_fen, refunded_fen = v.refunded_fen, lease_until = NULL
       FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                   $8::integer[], $9::integer[])
            AS v(id, status, transaction_id, late, failure_code, paid_at, settled_at, reserved_fen, refunded_fen)
       WHERE p.id = v.id`,
      [
        payments.map((payment) => payment.id),
        payments.map((payment) => payment.status),
        payments.map((payment) => payment.transactionId),
        payments.map((payment) => payment.late),
        payments.map((payment) => payment.failureCode),
        payments.map((payment) => payment.paidAt),
        payments.map((payment) => payment.settledAt),
        payments.map((payment) => payment.reservedFen),
        payments.map((payment) => payment.refundedFen),
      ],
    );
  }

  /** Writes that payments were handed to the channel for the first time. The caller has locked their orders. */
  async saveStarts(tx: Transaction, payments: Payment[]): Promise<void> {
    if (payments.length === 0) return;
    await tx.prepared(
      'payments_save_starts',
      `UPDATE payments p SET status = v.status, started_at = v.started_at, next_check_at = v.next_check_at
       FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
            AS v(id, status, started_at, next_check_at)
       WHERE p.id = v.id`,
      [
        payments.map((payment) => payment.id),
        payments.map((payment) => payment.status),
        payments.map((payment) => payment.startedAt),
        payments.map((payment) => payment.nextCheckAt),
      ],
    );
  }

  /** Writes the prepay ids that the channel gave. The caller has locked the orders. */
  async savePrepays(tx: Transaction, payments: Payment[]): Promise<void> {
    if (payments.length === 0) return;
    await tx.prepared(
      'payments_save_prepays',
      `UPDATE payments p SET prepay_id = v.prepay_id, prepay_expires_at = v.prepay_expires_at
       FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS v(id, prepay_id, prepay_expires_at)
       WHERE p.id = v.id`,
      [
        payments.map((payment) => payment.id),
        payments.map((payment) => payment.prepayId),
        payments.map((payment) => payment.prepayExpiresAt),
      ],
    );
  }
}
