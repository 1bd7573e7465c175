import type pg from 'pg';

/** What is set aside is due in so many days. */
const PATIENCE_DAYS = 1000;
const PARKED = `next_check_at > now() + interval '${PATIENCE_DAYS / 2} days'`;
const PAYMENTS_OPEN = `status IN ('init', 'processing')`;
const REFUNDS_OPEN = `status IN ('processing', 'abnormal')`;

/** What was under way before is no business of what comes now. */
export function setAside(db: pg.Pool): Promise<void> {
  return shift(db, `${PATIENCE_DAYS} days`, `NOT ${PARKED}`);
}

/** What was set aside is under way again. */
export function takeUp(db: pg.Pool): Promise<void> {
  return shift(db, `-${PATIENCE_DAYS} days`, PARKED);
}

/** As if so many minutes had passed for what is under way. */
export async function wait(db: pg.Pool, minutes: number): Promise<void> {
  const by = `-${minutes} minutes`;
  await shift(db, by, `NOT ${PARKED}`);
  await db.query(
    'UPDATE idempotency_keys SET locked_until = locked_until + $1::interval WHERE isfinite(locked_until)',
    [by],
  );
  await db.query(
    `UPDATE reconciliation_runs SET lease_until = lease_until + $1::interval,
            next_attempt_at = next_attempt_at + $1::interval WHERE status IN ('waiting', 'running')`,
    [by],
  );
}

/**
 * Times are moved and never set: what has lost its next question for good, or would be held for ever, stays so. Refunds
 * of one payment keep a pause between each other.
 */
async function shift(db: pg.Pool, by: string, which: string): Promise<void> {
  await db.query(
    `UPDATE payments SET next_check_at = next_check_at + $1::interval, lease_until = lease_until + $1::interval
     WHERE ${PAYMENTS_OPEN} AND ${which}`,
    [by],
  );
  await db.query(
    `UPDATE refunds SET next_check_at = next_check_at + $1::interval, lease_until = lease_until + $1::interval,
            last_sent_at = last_sent_at + $1::interval WHERE ${REFUNDS_OPEN} AND ${which}`,
    [by],
  );
}
