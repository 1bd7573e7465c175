import type pg from 'pg';
import { type Account, AMOUNT_FEN } from './rows.js';

/** So many of each kind to be played with, since what was played with once is often settled for good. */
export const SPARE = 400;

/** A paid order with a refund that was asked for; an order with a payment to be started; an order with none. */
type Kind = 'paid' | 'open' | 'new';

const LETTERS: Readonly<Record<Kind, string>> = { paid: 'P', open: 'Q', new: 'N' };

export function spareId(prefix: 'ord' | 'pay' | 'ref', kind: Kind, number: number): string {
  return `${prefix}_01SPARE${LETTERS[kind]}${String(number).padStart(18, '0')}`;
}

/** Makes them for this user. */
export async function addSpare(db: pg.Pool, { provider, mchid, appid }: Account, userId: string): Promise<void> {
  const id = (prefix: 'ord' | 'pay' | 'ref', kind: Kind): string =>
    `'${spareId(prefix, kind, 0).slice(0, 12)}' || lpad(g::text, 18, '0')`;
  const numbers = `generate_series(0, ${SPARE - 1}) g`;
  const life = `now(), now() + interval '9 hours'`;
  for (const kind of ['open', 'new'] as const)
    await db.query(
      `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, created_by, created_at, expires_at)
       SELECT ${id('ord', kind)}, $1, 'pending', $2, 'CNY', 'Spare tea', $1, ${life} FROM ${numbers}`,
      [userId, AMOUNT_FEN],
    );
  await db.query(
    `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, paid_payment_id, created_by, created_at,
                         expires_at, paid_at)
     SELECT ${id('ord', 'paid')}, $1, 'paid', $2, 'CNY', 'Spare tea', ${id('pay', 'paid')}, $1, ${life}, now() FROM ${numbers}`,
    [userId, AMOUNT_FEN],
  );
  await db.query(
    `INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, created_at, expires_at,
                           next_check_at)
     SELECT ${id('pay', 'open')}, ${id('ord', 'open')}, $1, $2, $3, 'init', $4, 'CNY', ${life}, now() + interval '9 hours'
     FROM ${numbers}`,
    [provider, mchid, appid, AMOUNT_FEN],
  );
  await db.query(
    `INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, reserved_fen, transaction_id,
                           created_at, expires_at, started_at, paid_at, settled_at, next_check_at)
     SELECT ${id('pay', 'paid')}, ${id('ord', 'paid')}, $1, $2, $3, 'succeeded', $4, 'CNY', 100, '4200SPARE' || g, ${life},
            now(), now(), now(), now() FROM ${numbers}`,
    [provider, mchid, appid, AMOUNT_FEN],
  );
  await db.query(
    `INSERT INTO refunds (id, payment_id, order_id, status, amount_fen, currency, reason, requested_by, created_at)
     SELECT ${id('ref', 'paid')}, ${id('pay', 'paid')}, ${id('ord', 'paid')}, 'requested', 100, 'CNY', 'spare', $1, now()
     FROM ${numbers}`,
    [userId],
  );
}
