import { CallBudget } from '../common/call-budget.js';
import type { ProviderRules } from '../provider/provider-rules.js';

/** Keeps refund calls under the provider's limits: from the first that fails to the next that does not, they go slowly. */
export class RefundBudget extends CallBudget {
  private readonly intervalMs: number;
  private failing = false;
  private slowUntil = 0;

  constructor({ refundCallsPerSecond, minFailedRefundInterval }: ProviderRules) {
    super(refundCallsPerSecond);
    this.intervalMs = minFailedRefundInterval;
  }

  /** Resolves when a refund may be sent. */
  async takeToSend(): Promise<void> {
    await this.take();
    if (!this.failing) return;
    const now = performance.now();
    const turn = Math.max(now, this.slowUntil);
    this.slowUntil = turn + this.intervalMs;
    if (turn > now) await new Promise((resolve) => setTimeout(resolve, turn - now));
  }

  noteSuccess(): void {
    this.failing = false;
  }

  noteFailure(): void {
    // Calls that were under way side by side before the first of them failed.
    if (!this.failing) this.slowUntil = performance.now() + 4 * this.intervalMs;
    this.failing = true;
  }
}
