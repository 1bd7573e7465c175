import type pg from 'pg';

/** What is set aside is due in so many days. */
const PATIENCE_DAYS = 1000;
const PARKED = `next_check_at > now() + interval '${PATIENCE_DAYS / 2} days'`;
const PAYMENTS_OPEN = `status IN ('init', 'processing')`;
const REFUNDS_OPEN = `status IN ('processing', 'abnormal')`;

/** Time for a process, which knows only that on the wall: rows are made old instead. */
export class RowTime {
  constructor(private readonly db: pg.Pool) {}

  /** What was under way before has no part in what comes now, until it is taken up again. */
  setAside(): Promise<void> {
    return this.shift(`${PATIENCE_DAYS} days`, `NOT ${PARKED}`);
  }

  /** What was set aside is under way again. */
  takeUp(): Promise<void> {
    return this.shift(`-${PATIENCE_DAYS} days`, PARKED);
  }

  /** As if so many minutes had passed for what is under way. */
  async pass(minutes: number): Promise<void> {
    const by = `-${minutes} minutes`;
    await this.shift(by, `NOT ${PARKED}`);
    await this.db.query(
      'UPDATE idempotency_keys SET locked_until = locked_until + $1::interval WHERE isfinite(locked_until)',
      [by],
    );
    await this.db.query(
      `UPDATE reconciliation_runs SET lease_until = lease_until + $1::interval,
              next_attempt_at = next_attempt_at + $1::interval WHERE status IN ('waiting', 'running')`,
      [by],
    );
  }

  /** The time of an order and its payments is over. */
  async endLife(orderId: string): Promise<void> {
    const change = `SET created_at = created_at - interval '1 day', expires_at = expires_at - interval '1 day'`;
    await this.db.query(`UPDATE payments ${change} WHERE order_id = $1`, [orderId]);
    await this.db.query(`UPDATE orders ${change} WHERE id = $1`, [orderId]);
    await this.pass(60);
  }

  /**
   * Times are moved and never set: what has lost its next question for good, or would be held for ever, stays so. Refunds
   * of one payment keep a pause between each other.
   */
  private async shift(by: string, which: string): Promise<void> {
    await this.db.query(
      `UPDATE payments SET next_check_at = next_check_at + $1::interval, lease_until = lease_until + $1::interval
       WHERE ${PAYMENTS_OPEN} AND ${which}`,
      [by],
    );
    await this.db.query(
      `UPDATE refunds SET next_check_at = next_check_at + $1::interval, lease_until = lease_until + $1::interval,
              last_sent_at = last_sent_at + $1::interval WHERE ${REFUNDS_OPEN} AND ${which}`,
      [by],
    );
  }
}
