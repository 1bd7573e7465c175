/**
 * So many calls a second and no more: a token bucket that makes its callers wait their turn. It measures real time on
 * purpose (the channel does too), whatever the application's clock says.
 */
export class CallBudget {
  private tokens: number;
  private filledAt = performance.now();

  constructor(private readonly perSecond: number) {
    this.tokens = perSecond;
  }

  /** Resolves when there is a call to spend. */
  async take(): Promise<void> {
    const now = performance.now();
    this.tokens = Math.min(this.perSecond, this.tokens + ((now - this.filledAt) / 1000) * this.perSecond);
    this.filledAt = now;
    this.tokens -= 1;
    if (this.tokens >= 0) return;
    await new Promise((resolve) => setTimeout(resolve, (-this.tokens / this.perSecond) * 1000));
  }
}
