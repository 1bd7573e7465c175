/**
 * The simulator's two clocks, and every spelling of time the protocol knows. This is the only file that reads the
 * machine's clock.
 *
 * Business time (orders, refunds, retries, bills) is the real time plus an offset that only grows, so that a test can
 * live through a week in a moment. Signatures carry real time by default, because whoever checks them compares with the
 * clock on the wall and refuses five minutes of difference.
 */
export type SignatureClock = 'real' | 'virtual';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const CHINA_OFFSET = 8 * HOUR;

export class Clock {
  #offset = 0;

  constructor(private readonly signatures: SignatureClock = 'real') {}

  /** Business time in milliseconds since 1970. */
  now(): number {
    return Date.now() + this.#offset;
  }

  /** What `Wechatpay-Timestamp` says and what an `Authorization` timestamp is compared with, in seconds. */
  signatureSeconds(): number {
    return Math.floor((this.signatures === 'real' ? Date.now() : this.now()) / SECOND);
  }

  /** Moves business time forward to `at`; never back. */
  moveTo(at: number): void {
    this.#offset += Math.max(0, at - this.now());
  }

  /** Back to the time on the wall. */
  reset(): void {
    this.#offset = 0;
  }
}

/** Milliseconds of real time, for measuring how long something took. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => Math.round(performance.now() - start);
}

/** `2018-06-08T10:34:56+08:00`, as WeChat Pay writes every time. */
export function chinaTime(at: number): string {
  return `${new Date(at + CHINA_OFFSET).toISOString().slice(0, 19)}+08:00`;
}

/** `2018-06-08 10:34:56`, as bills write it. */
export function billTime(at: number): string {
  return new Date(at + CHINA_OFFSET).toISOString().slice(0, 19).replace('T', ' ');
}

/** `2018-06-08`: the day in China. */
export function chinaDay(at: number): string {
  return new Date(at + CHINA_OFFSET).toISOString().slice(0, 10);
}

/** `20180608103456`, the part of a number that tells when it was given. */
export function compactTime(at: number): string {
  return new Date(at + CHINA_OFFSET).toISOString().slice(0, 19).replace(/\D/g, '');
}

/** The first millisecond of a day (`YYYY-MM-DD`) in China; null when there is no such day. */
export function startOfDay(day: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return null;
  const start = Date.parse(`${day}T00:00:00+08:00`);
  return Number.isNaN(start) || chinaDay(start) !== day ? null : start;
}

const RFC3339 = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/**
 * Reads a moment in RFC 3339: with `Z` or a numeric offset, with a fraction of a second or without. Null when it is anything
 * else, a day that does not exist included.
 */
export function readTime(text: string): number | null {
  const upper = text.toUpperCase();
  const day = RFC3339.exec(upper)?.[1];
  if (day === undefined || startOfDay(day) === null) return null;
  const at = Date.parse(upper);
  return Number.isNaN(at) ? null : at;
}
