import { Clock } from './clock.js';

/** Node's timers count in 31 bits. */
const LONGEST_TIMER = 0x7fff_ffff;

/** How far apart two entries may be to be run at once while the clock is advanced. */
const TOGETHER = 1000;

interface Entry {
  at: number;
  order: number;
  job: (at: number) => void | Promise<void>;
}

/**
 * Everything that happens later: notices, their retries, refunds that settle. One queue in the order of business time,
 * first come first served within a millisecond. Left alone, it follows the clock; {@link advance} runs ahead of it.
 */
export class DueQueue {
  #heap: Entry[] = [];
  #running = new Set<Promise<void>>();
  #order = 0;
  #timer: NodeJS.Timeout | undefined;
  #advancing: Promise<void> | undefined;
  #closed = false;

  constructor(private readonly clock: Clock) {}

  /** Runs `job` once business time is `at`; the job is told the time it was due at, so that no delay adds up. */
  add(at: number, job: Entry['job']): void {
    if (this.#closed) return;
    push(this.#heap, { at, job, order: this.#order++ });
    if (!this.#advancing) this.#arm();
  }

  /** Moves business time on, stopping at everything due on the way until it is done. */
  async advance(ms: number): Promise<void> {
    const before = this.#advancing ?? Promise.resolve();
    const mine = before.then(() => this.#runTo(this.clock.now() + ms));
    this.#advancing = mine;
    try {
      await mine;
    } finally {
      if (this.#advancing === mine) {
        this.#advancing = undefined;
        this.#arm();
      }
    }
  }

  /** Resolves once nothing is running and nothing is due. What waits for a later time is left waiting. */
  async settled(): Promise<void> {
    if (!this.#advancing) this.#startDue(this.clock.now());
    while (this.#running.size > 0 || this.#isDue() || this.#advancing) {
      await (this.#advancing ?? Promise.allSettled([...this.#running]));
      if (!this.#advancing) this.#startDue(this.clock.now());
    }
  }

  /** Forgets everything that waits. */
  clear(): void {
    this.#heap = [];
    clearTimeout(this.#timer);
  }

  close(): void {
    this.#closed = true;
    this.clear();
  }

  async #runTo(target: number): Promise<void> {
    for (;;) {
      await Promise.allSettled([...this.#running]);
      const next = this.#heap[0];
      if (this.#running.size === 0) {
        if (!next || next.at > target) break;
        this.#runTogether(Math.min(next.at + TOGETHER, target));
      }
    }
    this.clock.moveTo(target);
  }

  /** Moves to the last entry due by then and starts all that are: what lies within a second may happen at once. */
  #runTogether(until: number): void {
    const together: Entry[] = [];
    for (let next = this.#heap[0]; next !== undefined && next.at <= until; next = this.#heap[0]) {
      pop(this.#heap);
      together.push(next);
    }
    this.clock.moveTo(together.at(-1)?.at ?? until);
    for (const entry of together) this.#start(entry);
  }

  #isDue(): boolean {
    const next = this.#heap[0];
    return next !== undefined && next.at <= this.clock.now();
  }

  #startDue(until: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= until; next = this.#heap[0]) {
      pop(this.#heap);
      this.#start(next);
    }
    if (!this.#advancing) this.#arm();
  }

  #start(entry: Entry): void {
    const result = entry.job(entry.at);
    if (result === undefined) return;
    const run: Promise<void> = result.finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const next = this.#heap[0];
    if (!next || this.#closed) return;
    const wait = Math.min(Math.max(0, next.at - this.clock.now()), LONGEST_TIMER);
    this.#timer = setTimeout(() => {
      if (!this.#advancing) this.#startDue(this.clock.now());
    }, wait);
    this.#timer.unref();
  }
}

function earlier(one: Entry, other: Entry): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function push(heap: Entry[], entry: Entry): void {
  let hole = heap.length;
  while (hole > 0) {
    const above = (hole - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || !earlier(entry, parent)) break;
    heap[hole] = parent;
    hole = above;
  }
  heap[hole] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let hole = 0;
  for (;;) {
    const left = hole * 2 + 1;
    const right = left + 1;
    let child = heap[left];
    if (child === undefined) break;
    let below = left;
    const other = heap[right];
    if (other !== undefined && earlier(other, child)) {
      child = other;
      below = right;
    }
    if (!earlier(child, last)) break;
    heap[hole] = child;
    hole = below;
  }
  heap[hole] = last;
}
