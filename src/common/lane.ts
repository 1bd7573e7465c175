import { DomainError } from './errors.js';

interface Waiting<T, R> {
  item: T;
  resolve: (result: R) => void;
  reject: (error: unknown) => void;
}

export interface LaneOptions<T> {
  /** The most items of one batch. */
  maxBatch: number;
  /** More than so many waiting are refused with `service_unavailable`: a queue without end helps nobody. */
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
 * Milliseconds that a batch waits for somebody else's lock: in the lane, where others wait behind it, and beside it.
 * Together they stay far below the 5 s in which a callback must be answered.
 */
export const LOCK_WAIT = { inLane: 200, beside: 1500 };

/** From so many waiting on, a second batch is worth a commit of its own. */
const WORTH_ANOTHER = 8;

/** A batch that failed after this many milliseconds is not run again: its callers have waited long enough for a refusal. */
const RETRY_WITHIN = 2000;

/** Pieces of failed batches that run at once beside the lane: few, so that they never use up a connection pool. */
const MAX_BESIDE = 3;

/**
 * Shares one piece of work among all who ask while the last one runs: a single caller on an idle lane is served at
 * once, a busy lane settles together what arrived during the commit in flight. No timer, no delay.
 * When a batch fails, its members run again beside the lane, each with those about the same thing: a bad one hurts
 * nobody else, and one that must wait for a lock keeps nobody else waiting.
 */
export class Lane<T, R> {
  private waiting: Waiting<T, R>[] = [];
  private running = 0;
  private readonly beside: Waiting<T, R>[][] = [];
  private runningBeside = 0;

  constructor(
    /** Does a batch. In the lane it should not wait for others' locks (`patient` is false); beside it, it may. */
    private readonly run: (batch: T[], patient: boolean) => Promise<R[]>,
    private readonly options: LaneOptions<T>,
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
        if (performance.now() - began < RETRY_WITHIN) this.setAside(batch);
        else for (const one of batch) one.reject(error);
      }
    }
    this.running -= 1;
  }

  private manyWait(): boolean {
    return this.waiting.length >= WORTH_ANOTHER;
  }

  private async serve(batch: Waiting<T, R>[], patient: boolean): Promise<void> {
    const results = await this.run(
      batch.map((one) => one.item),
      patient,
    );
    batch.forEach((one, index) => one.resolve(results[index] as R));
  }

  private setAside(batch: Waiting<T, R>[]): void {
    const groups = new Map<string, Waiting<T, R>[]>();
    for (const one of batch) {
      const key = this.options.keyOf(one.item);
      groups.set(key, [...(groups.get(key) ?? []), one]);
    }
    this.beside.push(...groups.values());
    while (this.runningBeside < MAX_BESIDE && this.beside.length > 0) void this.drainBeside();
  }

  private async drainBeside(): Promise<void> {
    this.runningBeside += 1;
    for (let group = this.beside.shift(); group; group = this.beside.shift()) {
      try {
        await this.serve(group, true);
      } catch (error) {
        for (const one of group) one.reject(error);
      }
    }
    this.runningBeside -= 1;
  }
}
