/** The currency of everything here. */
export const CURRENCY = 'CNY';

/** The largest amount of one order, in fen (¥10,000,000): far below what an `integer` column holds. */
export const MAX_AMOUNT_FEN = 1_000_000_000;

/** Whether this is an amount that can be charged: a whole number of fen from 1 to {@link MAX_AMOUNT_FEN}. */
export function isAmountFen(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= MAX_AMOUNT_FEN;
}

/**
 * Yuan text of a bill to fen, without floats: `0.03` → 3, `45.0` → 4500, `0.01000` → 1, `-1.5` → -150.
 * Anything beyond a whole fen must be zeros.
 * @throws RangeError when the text is not a decimal number or has parts of a fen
 */
export function yuanToFen(text: string): number {
  const match = /^([+-]?)(\d{1,13})(?:\.(\d+))?$/.exec(text.trim());
  if (!match) throw new RangeError('not a decimal amount in yuan');
  const [, sign, whole = '0', fraction = ''] = match;
  if (/[1-9]/.test(fraction.slice(2))) throw new RangeError('an amount in yuan with more than two decimals');
  const fen = Number(whole) * 100 + Number(fraction.slice(0, 2).padEnd(2, '0'));
  return sign === '-' && fen !== 0 ? -fen : fen;
}
