import { after, DAY, HOUR } from '../common/clock.js';

const OFFSET = 8 * HOUR;

/** The days of WeChat's bills are China's: UTC+8, no summer time. */
export interface ChinaDay {
  /** `YYYY-MM-DD` */
  day: string;
  from: Date;
  /** The next midnight. */
  to: Date;
}

/** @throws RangeError when it is not a day of the calendar in the form `YYYY-MM-DD` */
export function chinaDay(day: string): ChinaDay {
  const from = new Date(`${day}T00:00:00+08:00`);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day) || Number.isNaN(from.getTime()) || dayOf(from) !== day) {
    throw new RangeError('the day must have the form YYYY-MM-DD');
  }
  return { day, from, to: after(from, DAY) };
}

/** China's day at a moment. */
export function dayOf(at: Date): string {
  return after(at, OFFSET).toISOString().slice(0, 10);
}

/** China's hour at a moment, 0 to 23. */
export function hourOf(at: Date): number {
  return after(at, OFFSET).getUTCHours();
}

/** The day so many days before (or after, if negative). */
export function daysBefore(day: string, count: number): string {
  return dayOf(after(chinaDay(day).from, -count * DAY));
}
