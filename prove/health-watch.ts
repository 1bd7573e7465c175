import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between two questions. */
const EVERY = 250;
const ANSWER_WITHIN = 10_000;

export interface HealthAnswer {
  question: 'live' | 'ready';
  /** Milliseconds of `performance.now()`. */
  begun: number;
  at: number;
  /** 0: no answer. */
  status: number;
}

/** Asks both health questions again and again, without waiting for the last answer. */
export class HealthWatch {
  readonly answers: HealthAnswer[] = [];
  private readonly asking = new Set<Promise<void>>();
  private watching: Promise<void> = Promise.resolve();
  private over = false;

  constructor(private readonly service: { url: string }) {}

  begin(): void {
    this.watching = this.watch();
  }

  async end(): Promise<void> {
    this.over = true;
    await this.watching;
    await Promise.all(this.asking);
  }

  /** Answers to one of the questions, counted by status. */
  byStatus(question: HealthAnswer['question']): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const one of this.answers) if (one.question === question) counts[one.status] = (counts[one.status] ?? 0) + 1;
    return counts;
  }

  private async watch(): Promise<void> {
    while (!this.over) {
      for (const question of ['live', 'ready'] as const) {
        const asked: Promise<void> = timed(`${this.service.url}/health/${question}`).then((answer) => {
          this.answers.push({ question, ...answer });
          this.asking.delete(asked);
        });
        this.asking.add(asked);
      }
      await sleep(EVERY);
    }
  }
}

/** Asks once. */
export async function timed(url: string): Promise<Omit<HealthAnswer, 'question'>> {
  const begun = performance.now();
  const status = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN) }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status;
    },
    () => 0,
  );
  return { begun, at: performance.now(), status };
}
