import { NUMBERS, refuse } from './api-error.js';
import { type Clock, MINUTE, SECOND } from './clock.js';
import { type Fields, int } from './fields.js';

/**
 * Frequency limits as switches: all off unless set, because a test that does not ask for them should not meet them.
 * The published values are in {@link PUBLISHED}.
 */
export interface Limits {
  order_per_second?: number;
  query_per_second?: number;
  close_per_second?: number;
  refund_per_second?: number;
  /** Refused refunds are counted apart, and far more strictly. */
  refund_failures_per_second?: number;
  refund_query_per_second?: number;
  abnormal_refund_per_second?: number;
  certificates_per_second?: number;
  fundflowbill_per_second?: number;
  tradebill_per_minute?: number;
  /** Not a limit but a rule of the old documentation: how old an order must be to be closed. */
  close_min_age_seconds?: number;
}

export const LIMITS: Fields = {
  order_per_second: int(0),
  query_per_second: int(0),
  close_per_second: int(0),
  refund_per_second: int(0),
  refund_failures_per_second: int(0),
  refund_query_per_second: int(0),
  abnormal_refund_per_second: int(0),
  certificates_per_second: int(0),
  fundflowbill_per_second: int(0),
  tradebill_per_minute: int(0),
  close_min_age_seconds: int(0),
};

type Counted = Exclude<keyof Limits, 'close_min_age_seconds'>;

/** Counts calls per second or minute of business time. */
export class Meter {
  limits: Limits = {};
  #windows = new Map<Counted, { window: number; count: number }>();

  constructor(private readonly clock: Clock) {}

  /** Counts one more. @throws ApiError FREQUENCY_LIMITED when that is one too many */
  count(limit: Counted): void {
    if (this.#add(limit, 1) > (this.limits[limit] ?? Infinity)) throw tooOften();
  }

  /** @throws ApiError FREQUENCY_LIMITED when the limit has been used up; counts nothing */
  check(limit: Counted): void {
    if (this.#add(limit, 0) >= (this.limits[limit] ?? Infinity)) throw tooOften();
  }

  /** Counts one more without refusing it. */
  note(limit: Counted): void {
    this.#add(limit, 1);
  }

  #add(limit: Counted, calls: number): number {
    if (this.limits[limit] === undefined) return 0;
    const window = Math.floor(this.clock.now() / (limit.endsWith('minute') ? MINUTE : SECOND));
    const current = this.#windows.get(limit);
    const count = (current?.window === window ? current.count : 0) + calls;
    this.#windows.set(limit, { window, count });
    return count;
  }
}

function tooOften() {
  return refuse('FREQUENCY_LIMITED', '频率超限，请降低频率后重试', NUMBERS.rate);
}
