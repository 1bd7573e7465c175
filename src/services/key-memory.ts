/**
 * How long an answer is used again, in milliseconds from when it was asked for. A key that is revoked must be refused within
 * a second by all processes, behind a pooler too, where nothing can be told to them: so each asks again twice a second.
 */
const FRESH = 500;
/** The most keys that are remembered: a key more costs a question, not memory. */
const KEPT = 1000;

interface Asked<T> {
  answer: T;
  /** By the clock that never jumps. */
  at: number;
}

/**
 * What the database said of keys a moment ago, by their hashes. Who asks for the same key while it is being asked about waits
 * for the same answer. Only keys that exist are remembered, so that a flood of invented ones neither fills the memory nor
 * drives out the others.
 */
export class KeyMemory<T> {
  private readonly known = new Map<string, Asked<T>>();
  /** No more than requests are waiting. */
  private readonly underWay = new Map<string, Asked<Promise<T | null>>>();

  constructor(
    /** Asks the database. `known`: a moment ago there was such a key. */
    private readonly ask: (hash: string, known: boolean) => Promise<T | null>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Null: there is no such key. @throws what asking throws; that is not remembered */
  async of(hash: string): Promise<T | null> {
    const now = this.now();
    const known = this.known.get(hash);
    if (known && now - known.at < FRESH) return known.answer;
    const underWay = this.underWay.get(hash);
    if (underWay && now - underWay.at < FRESH) return underWay.answer;

    const asked = { answer: this.ask(hash, known !== undefined), at: now };
    this.underWay.set(hash, asked);
    try {
      const answer = await asked.answer;
      this.known.delete(hash);
      if (answer !== null) this.remember(hash, { answer, at: now });
      return answer;
    } finally {
      if (this.underWay.get(hash) === asked) this.underWay.delete(hash);
    }
  }

  /** How many keys it holds, those that are being asked about included. */
  get size(): number {
    return this.known.size + this.underWay.size;
  }

  private remember(hash: string, asked: Asked<T>): void {
    const [oldest] = this.known.keys();
    if (oldest !== undefined && this.known.size >= KEPT) this.known.delete(oldest);
    this.known.set(hash, asked);
  }
}
