const TICK_MS = 20;

/**
 * Does so much in each fiftieth of a second and lets the rest wait. For answers: who waits for one asks nothing
 * new, so that a flood of refusals comes no faster than they are given.
 */
export class RateLimitedQueue {
  private left: number;
  private timer: NodeJS.Timeout | null = null;
  private waiting: (() => void)[] = [];

  constructor(
    private readonly perTick: number,
    private readonly maxWaiting: number,
  ) {
    this.left = perTick;
  }

  /** Runs it now or in its turn. False: too many wait, and it will not be run. */
  run(work: () => void): boolean {
    if (this.left === 0 && this.waiting.length >= this.maxWaiting) return false;
    if (this.left === 0) this.waiting.push(work);
    else {
      this.left -= 1;
      work();
    }
    this.timer ??= setTimeout(() => this.tick(), TICK_MS);
    return true;
  }

  private tick(): void {
    const turn = this.waiting.splice(0, this.perTick);
    this.left = this.perTick - turn.length;
    this.timer = turn.length > 0 ? setTimeout(() => this.tick(), TICK_MS) : null;
    for (const work of turn) work();
  }
}
