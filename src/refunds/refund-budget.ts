import { CallBudget } from '../common/call-budget.js';

/** WeChat takes 150 refund calls a second of a merchant, but only 6 that fail (manual, page 4013071036). */
const PER_SECOND = 100;
const FAILING_PER_SECOND = 5;

/** Keeps refund calls under the channel's limits: a call that failed costs as much as many that did not. */
export class RefundBudget extends CallBudget {
  constructor() {
    super(PER_SECOND);
  }

  noteFailure(): void {
    this.spend(PER_SECOND / FAILING_PER_SECOND - 1);
  }
}
