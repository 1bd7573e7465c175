import type { Failpoint } from '../../src/common/failpoints.js';
import type { CrashLab } from './lab.js';

/**
 * Where each payment and refund may end, by its number: `succeeded/paid` for a payment and its order, `succeeded` for a
 * refund.
 */
export type Ends = Record<string, readonly string[]>;

export interface Outcome {
  ends: Ends;
  /** What the people concerned do once the service runs again; may add to `ends`. Left out: they do not come back. */
  again?: () => Promise<unknown>;
}

/** A way of the system on which a process dies. */
export interface Way {
  /** A name, and what happens. */
  name: string;
  about: string;
  /** The points it passes, each of which is to be died at once. */
  through: readonly Failpoint[];
  /** Brings a process to the point. @throws NotReached */
  walk(lab: CrashLab, point: Failpoint): Promise<Outcome>;
}

/** Brings a process to its end at the point: by a timer or by a command. @throws NotReached */
export type Trigger = (lab: CrashLab, point: Failpoint) => Promise<void>;

export const way = (name: string, about: string, through: Way['through'], walk: Way['walk']): Way => ({
  name,
  about,
  through,
  walk,
});

export const PAID = ['succeeded/paid'];
export const EXPIRED = ['expired/cancelled'];
export const UNPAID = ['expired/cancelled', 'closed/cancelled', 'failed/cancelled'];
/** Its money came when its order could no longer take it, and goes back. */
export const LATE = ['succeeded/cancelled'];

/** Both sides of a step. */
export function call<T extends string>(step: T): [`${T}.before_call`, `${T}.after_call`] {
  return [`${step}.before_call`, `${step}.after_call`];
}

export function commit<T extends string>(step: T): [`${T}.before_commit`, `${T}.after_commit`] {
  return [`${step}.before_commit`, `${step}.after_commit`];
}
