/**
 * Every step of the system between a request and its settlement at which a process may die. Tests kill a real process at
 * each of them and look at what is left after a restart.
 */
export const CRASH_POINTS = [
  // An owner starts a payment.
  'payment.start.before_intent',
  'payment.start.before_call',
  'payment.start.after_call',
  'payment.start.after_commit',
  // An owner cancels a payment, or asks the channel about it.
  'payment.cancel.before_call',
  'payment.cancel.after_call',
  'payment.settle.before_commit',
  'payment.settle.after_commit',
  // A timer or a command asks about payments.
  'payment.check.after_claim',
  'payment.check.after_call',
  'payment.check.before_commit',
  'payment.check.after_commit',
  // The channel calls back about a payment or a refund.
  'callback.before_commit',
  'callback.after_commit',
  // Somebody asks for money back.
  'refund.request.before_commit',
  'refund.request.after_commit',
  // It is carried out: at an operator's word, or by a timer or a command.
  'refund.check.after_claim',
  'refund.intent.before_commit',
  'refund.send.before_call',
  'refund.send.after_call',
  'refund.query.before_call',
  'refund.query.after_call',
  'refund.outcome.before_commit',
  'refund.outcome.after_commit',
  // An abnormal one is sent elsewhere.
  'refund.abnormal.before_call',
  'refund.abnormal.after_call',
] as const;

export type CrashPoint = (typeof CRASH_POINTS)[number];

let armed: CrashPoint | null = null;

/** Makes this process die, as by `kill -9`, when it first comes to the point. Null: never. */
export function armCrashPoint(point: CrashPoint | null): void {
  armed = point;
}

/** Marks a step. Does nothing unless it is the one that was armed. */
export function crashPoint(point: CrashPoint): void {
  if (armed === point) process.kill(process.pid, 'SIGKILL');
}
