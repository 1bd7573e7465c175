import { Clock } from '../src/common/clock.js';

const clock = new Clock();

/** The time of this machine, in milliseconds since 1970. */
export function nowMs(): number {
  return clock.now().getTime();
}
