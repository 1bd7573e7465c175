import { isId } from '../common/ids.js';
import type { Session } from '../database/session.js';
import type { TradeLine, UnreadableLine } from '../provider/bill.js';

export interface Sums {
  count: number;
  fen: number;
}

/** What the bill has of other shops on the same merchant number. Amounts in fen. */
export interface ForeignSums {
  payments: Sums;
  refunds: Sums;
  /** Lines of other appids that cannot be read. */
  unreadable: number;
}

/** Whether the number of a payment or refund has the form that we give. */
export function isOurNumber({ kind, outTradeNo, outRefundNo }: TradeLine): boolean {
  return kind === 'refund' ? isId('ref', outRefundNo ?? '') : isId('pay', outTradeNo);
}

/** Whether a line is under one of our appids, or does not say which, and it or the payment it gives back has a number of ours. */
export function looksLikeOurs(line: TradeLine, appids: ReadonlySet<string>): boolean {
  if (line.appid !== '' && !appids.has(line.appid)) return false;
  return isOurNumber(line) || isId('pay', line.outTradeNo);
}

/** A payment of ours, by our number or the channel's. `$1`: the provider whose bill it is. */
const KNOWN_PAYMENT = `
  SELECT FROM payments p WHERE p.provider = $1 AND (p.id = b.out_trade_no OR p.transaction_id = b.transaction_id)`;

/**
 * A merchant number can serve several shops. Takes out of the staged bill what neither looks like ours nor is known here,
 * and answers what that was. What we know under the channel's number stays, and is compared with the row of that number,
 * whatever appid or number of the merchant it is under.
 */
export async function setForeignAside(
  session: Session,
  provider: string,
): Promise<Pick<ForeignSums, 'payments' | 'refunds'>> {
  await session.query(
    `UPDATE trade_lines b SET number = p.id FROM payments p
     WHERE NOT b.number_is_ours AND b.kind = 'payment' AND p.transaction_id = b.transaction_id AND p.provider = $1`,
    [provider],
  );
  await session.query(
    `UPDATE trade_lines b SET number = r.id FROM refunds r JOIN payments p ON p.id = r.payment_id
     WHERE NOT b.number_is_ours AND b.kind = 'refund' AND r.refund_id = b.refund_id AND p.provider = $1`,
    [provider],
  );
  const rows = await session.query<Sums & { kind: TradeLine['kind'] }>(
    `WITH foreign_lines AS (
       DELETE FROM trade_lines b WHERE NOT b.ours AND NOT EXISTS (${KNOWN_PAYMENT}) RETURNING kind, amount_fen)
     SELECT kind, count(*)::int AS count, sum(amount_fen)::float8 AS fen FROM foreign_lines GROUP BY kind`,
    [provider],
  );
  const of = (wanted: TradeLine['kind']): Sums => {
    const { count = 0, fen = 0 } = rows.find(({ kind }) => kind === wanted) ?? {};
    return { count, fen };
  };
  return { payments: of('payment'), refunds: of('refund') };
}

/** A line that cannot be read, and whether we know its number. */
export interface Unread extends UnreadableLine {
  known: boolean;
}

/** Of lines that cannot be read those that are not another shop's: of an appid of ours, of none, or of a number we know. */
export async function unreadOfOurs(
  session: Session,
  lines: readonly UnreadableLine[],
  { provider, appids }: { provider: string; appids: ReadonlySet<string> },
): Promise<Unread[]> {
  if (lines.length === 0) return [];
  const rows = await session.query<{ id: string }>(
    `SELECT p.id FROM payments p WHERE p.id = ANY ($1) AND p.provider = $2
     UNION ALL
     SELECT r.id FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.id = ANY ($1) AND p.provider = $2`,
    [lines.map(({ number }) => number), provider],
  );
  const known = new Set(rows.map(({ id }) => id));
  return lines
    .map((line) => ({ ...line, known: known.has(line.number) }))
    .filter((line) => line.known || line.appid === '' || appids.has(line.appid));
}
