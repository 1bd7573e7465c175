/** Fen as yuan with two decimals: `1` is `0.01`. */
export function yuan(fen: number): string {
  const sign = fen < 0 ? '-' : '';
  const digits = String(Math.abs(fen)).padStart(3, '0');
  return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** Fen as yuan with five decimals, as bills print fees: `1` is `0.01000`. */
export function feeYuan(fen: number): string {
  return `${yuan(fen)}000`;
}

/** Fen as yuan with no needless zero but one, as bills print sums: `10` is `0.1`, `0` is `0.0`. */
export function sumYuan(fen: number): string {
  return yuan(fen).replace(/0$/, '');
}
