import { CallBudget } from '../common/call-budget.js';

/** WeChat takes 150 refund calls a second of a merchant, but only 6 that fail (manual, page 4013071036). */
const PER_SECOND = 100;
const BETWEEN_FAILURES_MS = 250;

/** Keeps refund calls under the channel's limits: from the first that fails to the next that does not, they go slowly. */
export class RefundBudget extends CallBudget {
  private failing = false;
  private slowUntil = 0;

  constructor() {
    super(PER_SECOND);
  }

  /** Resolves when a refund may be sent. */
  async takeToSend(): Promise<void> {
    await this.take();
    if (!this.failing) return;
    const now = performance.now();
    const turn = Math.max(now, this.slowUntil);
    this.slowUntil = turn + BETWEEN_FAILURES_MS;
    if (turn > now) await new Promise((resolve) => setTimeout(resolve, turn - now));
  }

  noteSuccess(): void {
    this.failing = false;
  }

  noteFailure(): void {
    // Calls that were under way side by side before the first of them failed.
    if (!this.failing) this.slowUntil = performance.now() + 4 * BETWEEN_FAILURES_MS;
    this.failing = true;
  }
}
