import { DomainError } from './errors.js';

interface Waiting<T, R> {
  item: T;
  resolve: (result: R) => void;
  reject: (error: unknown) => void;
}

export interface GroupCommitOptions<T> {
  /** The most items of one batch. */
  maxBatch: number;
  /** More than so many waiting are refused with `service_unavailable`: a queue without end serves no caller in time. */
  maxWaiting: number;
  /** What an item is about: after a failure, items about the same thing succeed or fail together. */
  keyOf: (item: T) => string;
  /**
   * Batches at once, if many wait. Default 1. Two keep the database busy while this process is (measured on callbacks: a
   * tenth more); where this process is what is scarce, larger batches cost it less.
   */
  atOnce?: number;
  /** Told the size of each batch that ran. */
  onBatch?: (size: number) => void;
}

/**
 * Milliseconds that a batch waits for the locks of others: in the queue, where others wait behind it, and when it runs
 * separately. Together they stay far below the 5 s in which a callback must be answered.
 */
export const LOCK_WAIT = { inBatch: 200, isolated: 1500 };

/** From so many waiting on, a second batch is worth a commit of its own. */
const WORTH_ANOTHER = 8;

/** A batch that failed after this many milliseconds is not run again: its callers have waited long enough for a refusal. */
const RETRY_WITHIN = 2000;

/** Pieces of failed batches that run separately at once: few, so that they never use up a connection pool. */
const MAX_ISOLATED = 3;

/**
 * Group commit: one batch holds all items that arrived while the last batch was committed. A single item in an idle
 * queue is served at once; there is no timer and no delay.
 * When a batch fails, its items run again separately, each with those about the same thing: one bad item does not make
 * the others fail, and one that has to wait for a lock does not hold the others up.
 */
export class GroupCommitQueue<T, R> {
  private waiting: Waiting<T, R>[] = [];
  private running = 0;
  private readonly isolated: Waiting<T, R>[][] = [];
  private runningIsolated = 0;

  constructor(
    /** Does a batch. In the queue it should not wait for others' locks (`waitForLocks` is false); separately it may. */
    private readonly run: (batch: T[], waitForLocks: boolean) => Promise<R[]>,
    private readonly options: GroupCommitOptions<T>,
  ) {}

  /** Resolves when the batch that holds the item is done. @throws DomainError `service_unavailable` when too many wait */
  submit(item: T): Promise<R> {
    if (this.waiting.length >= this.options.maxWaiting) {
      return Promise.reject(new DomainError('service_unavailable', 'too many requests are waiting; try again'));
    }
    return new Promise<R>((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (this.running === 0 || (this.running < (this.options.atOnce ?? 1) && this.manyWait())) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.running += 1;
    while (this.waiting.length > 0 && (this.running === 1 || this.manyWait())) {
      const batch = this.waiting.splice(0, this.options.maxBatch);
      this.options.onBatch?.(batch.length);
      const began = performance.now();
      try {
        await this.serve(batch, false);
      } catch (error) {
        if (performance.now() - began < RETRY_WITHIN) this.retrySeparately(batch);
        else for (const one of batch) one.reject(error);
      }
    }
    this.running -= 1;
  }

  private manyWait(): boolean {
    return this.waiting.length >= WORTH_ANOTHER;
  }

  private async serve(batch: Waiting<T, R>[], waitForLocks: boolean): Promise<void> {
    const results = await this.run(
      batch.map((one) => one.item),
      waitForLocks,
    );
    batch.forEach((one, index) => one.resolve(results[index] as R));
  }

  private retrySeparately(batch: Waiting<T, R>[]): void {
    const groups = new Map<string, Waiting<T, R>[]>();
    for (const one of batch) {
      const key = this.options.keyOf(one.item);
      groups.set(key, [...(groups.get(key) ?? []), one]);
    }
    this.isolated.push(...groups.values());
    while (this.runningIsolated < MAX_ISOLATED && this.isolated.length > 0) void this.drainIsolated();
  }

  private async drainIsolated(): Promise<void> {
    this.runningIsolated += 1;
    for (let group = this.isolated.shift(); group; group = this.isolated.shift()) {
      try {
        await this.serve(group, true);
      } catch (error) {
        for (const one of group) one.reject(error);
      }
    }
    this.runningIsolated -= 1;
  }
}
