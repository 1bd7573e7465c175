/** More calls wait than may wait, or one waited too long. Nothing was sent. */
export class GateFull extends Error {
  constructor() {
    super('too many concurrent calls');
    this.name = 'GateFull';
  }
}

interface Waiter {
  enter: () => void;
  timer: NodeJS.Timeout;
}

/** Lets so many calls run at once and so many wait, each for a bounded time, first come first served. */
export class ConcurrencyGate {
  private running = 0;
  private readonly waiting = new Set<Waiter>();

  constructor(
    private readonly maxRunning: number,
    private readonly maxWaiting: number,
    private readonly maxWaitMs: number,
  ) {}

  /** @throws GateFull when the work was not begun */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.enter();
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  private enter(): Promise<void> {
    if (this.running < this.maxRunning) {
      this.running += 1;
      return Promise.resolve();
    }
    if (this.waiting.size >= this.maxWaiting) return Promise.reject(new GateFull());
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        enter: resolve,
        timer: setTimeout(() => {
          this.waiting.delete(waiter);
          reject(new GateFull());
        }, this.maxWaitMs),
      };
      this.waiting.add(waiter);
    });
  }

  private leave(): void {
    const [next] = this.waiting;
    if (next === undefined) {
      this.running -= 1;
      return;
    }
    // The place is handed over, not given back: a newcomer can't overtake.
    this.waiting.delete(next);
    clearTimeout(next.timer);
    next.enter();
  }
}
