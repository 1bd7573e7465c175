/** What one round of so many requests came to. */
export interface Round {
  count: number;
  seconds: number;
  /** Latencies in milliseconds; null where no answer is waited for. */
  p50: number | null;
  p99: number | null;
  /** Requests that did not end as they should. */
  errors: number;
  /** CPU seconds of the server's process; null where it is not counted. */
  cpuSeconds: number | null;
}

export const rate = (round: Round): number => round.count / round.seconds;

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = NaN, high = NaN] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

/** The value that so large a part of all does not exceed. */
export function percentile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

export const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits));
