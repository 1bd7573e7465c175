import { DomainError } from './errors.js';

interface Waiting<T, R> {
  item: T;
  resolve: (result: R) => void;
  reject: (error: unknown) => void;
}

export interface LaneOptions {
  /** The most items of one batch. */
  maxBatch: number;
  /** More than so many waiting are refused with `service_unavailable`: a queue without end helps nobody. */
  maxWaiting: number;
  /** Told the size of each batch that ran. */
  onBatch?: (size: number) => void;
}

/**
 * Shares one piece of work among all who ask while the last one runs: a single caller on an idle lane is served at
 * once, a busy lane settles together what arrived during the commit in flight. No timer, no delay.
 * When a batch fails its members run again one by one, beside the lane, so that a bad one hurts nobody else.
 */
export class Lane<T, R> {
  private waiting: Waiting<T, R>[] = [];
  private running = false;

  constructor(
    private readonly run: (batch: T[]) => Promise<R[]>,
    private readonly options: LaneOptions,
  ) {}

  /** Resolves when the batch that holds the item is done. @throws DomainError `service_unavailable` when too many wait */
  submit(item: T): Promise<R> {
    if (this.waiting.length >= this.options.maxWaiting) {
      return Promise.reject(new DomainError('service_unavailable', 'too much work is waiting; try again'));
    }
    return new Promise<R>((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (!this.running) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.running = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, this.options.maxBatch);
      this.options.onBatch?.(batch.length);
      try {
        const results = await this.run(batch.map((one) => one.item));
        batch.forEach((one, index) => one.resolve(results[index] as R));
      } catch (error) {
        if (batch.length === 1) batch[0]?.reject(error);
        else for (const one of batch) void this.runAlone(one);
      }
    }
    this.running = false;
  }

  private async runAlone(one: Waiting<T, R>): Promise<void> {
    try {
      const [result] = await this.run([one.item]);
      one.resolve(result as R);
    } catch (error) {
      one.reject(error);
    }
  }
}
