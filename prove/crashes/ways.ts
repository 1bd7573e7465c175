import { type Failpoint, FAILPOINTS } from '../../src/common/failpoints.js';
import { BILL_WAYS } from './bill-ways.js';
import type { CrashLab } from './lab.js';
import { PAYMENT_WAYS } from './payment-ways.js';
import { REFUND_WAYS } from './refund-ways.js';
import { TIMER_WAYS } from './timer-ways.js';
import type { Outcome, Way } from './way.js';

/** A point on a way that passes it. */
export interface Case {
  way: Way;
  point: Failpoint;
}

/** Every point of these ways. */
export function casesOf(ways: readonly Way[]): Case[] {
  return ways.flatMap((way) => way.through.map((point) => ({ way, point })));
}

export const ORDINARY_CASES = casesOf([...PAYMENT_WAYS, ...TIMER_WAYS, ...REFUND_WAYS]);
export const BILL_CASES = casesOf(BILL_WAYS);

/** Points that no way passes: each is a gap in the proof. */
export function failpointsWithoutWay(): Failpoint[] {
  const passed = new Set([...ORDINARY_CASES, ...BILL_CASES].map(({ point }) => point));
  return FAILPOINTS.filter((point) => !passed.has(point));
}

/** Lets a process die on a way, alone with what it is about. @throws NotReached */
export async function die(lab: CrashLab, { way, point }: Case): Promise<Outcome> {
  await lab.time.setAside();
  return way.walk(lab, point);
}
