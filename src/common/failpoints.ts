/** Calls to the channel, each by the place that makes it: see {@link channelCall}. */
const CALLS = [
  // An owner starts a payment; what follows when the channel says that it is there already, or refuses it for good.
  'payment.start',
  'payment.start_query',
  'payment.start_close',
  // An owner cancels a payment, or asks about it; a difference found in a bill is asked about.
  'payment.cancel',
  'payment.sync',
  'payment.recheck',
  // A timer or a command asks about payments, and closes those whose time is over.
  'payment.check_query',
  'payment.check_close',
  // Money goes back.
  'refund.send',
  'refund.query',
  'refund.abnormal',
  // A day is compared with the channel's own bill.
  'bill.trade',
  'bill.funds',
] as const;

/** Transactions that move something. */
const COMMITS = [
  'order.create',
  'payment.create',
  'payment.close_unsent',
  'payment.settle',
  'payment.check',
  'payment.end',
  'order.expire',
  'order.cancel',
  // The channel calls back about a payment or a refund; a callback that proves nothing is only recorded.
  'callback',
  'callback.refused',
  'refund.request',
  'refund.reject',
  'refund.end',
  'refund.intent',
  'refund.outcome',
  'refund.abnormal',
  'case.open',
  'case.resolve',
] as const;

/** Steps beside these: what single statements commit, and the two transactions that many starts share. */
const STEPS = [
  'payment.start.before_intent',
  'payment.start.after_commit',
  'payment.check.after_claim',
  'payment.check.after_call',
  'payment.check.after_schedule',
  'refund.check.after_claim',
  'bill.run.after_begin',
  'bill.run.after_matches',
  'bill.run.after_finish',
] as const;

export type ChannelCallStep = (typeof CALLS)[number];
export type CommitStep = (typeof COMMITS)[number];
export type Failpoint =
  | `${ChannelCallStep}.${'before' | 'after'}_call`
  | `${CommitStep}.${'before' | 'after'}_commit`
  | (typeof STEPS)[number];

/**
 * Every step of the system between a request and its settlement at which a process may die: before and after each call
 * to the channel, before and after each commit. `npm run prove -- crashes` kills a real process at each of them and looks
 * at what is left after a restart.
 */
export const FAILPOINTS: readonly Failpoint[] = [
  ...CALLS.flatMap((step) => [`${step}.before_call`, `${step}.after_call`] as const),
  ...COMMITS.flatMap((step) => [`${step}.before_commit`, `${step}.after_commit`] as const),
  ...STEPS,
];

let enabled: Failpoint | null = null;

/** Makes this process die, as by `kill -9`, when it first comes to the point. Null: never. */
export function enableFailpoint(point: Failpoint | null): void {
  enabled = point;
}

/** Marks a step. Does nothing unless it is the one that was enabled. */
export function failpoint(point: Failpoint): void {
  if (enabled === point) process.kill(process.pid, 'SIGKILL');
}

/** Calls the channel between the two points of a step. */
export async function channelCall<T>(step: ChannelCallStep, call: () => Promise<T>): Promise<T> {
  failpoint(`${step}.before_call`);
  const answer = await call();
  failpoint(`${step}.after_call`);
  return answer;
}
