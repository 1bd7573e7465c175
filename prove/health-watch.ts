import { setTimeout as sleep } from 'node:timers/promises';
import { Counts, seconds } from './report.js';

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
  byStatus(question: HealthAnswer['question']): Counts<number> {
    return Counts.of(this.answers.filter((one) => one.question === question).map(({ status }) => status));
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
async function timed(url: string): Promise<Omit<HealthAnswer, 'question'>> {
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

/** Seconds until so many requests in a row were served, each as fast as in calm; null when that did not come. */
export async function untilServed(
  url: string,
  { inARow, withinMs, patience }: { inARow: number; withinMs: number; patience: number },
): Promise<number | null> {
  const since = performance.now();
  let good = 0;
  let began = since;
  while (performance.now() - since < patience) {
    if (good === 0) began = performance.now();
    const { status, begun, at } = await timed(`${url}/api/products/`);
    good = status === 200 && at - begun <= withinMs ? good + 1 : 0;
    if (good === inARow) return seconds(since, began);
    if (good === 0) await sleep(50);
  }
  return null;
}

/** A figure of `/metrics` by its name and label, NaN when it is not there. */
export async function metric(url: string, line: string): Promise<number> {
  const text = await fetch(`${url}/metrics`).then((response) => response.text());
  const found = text.split('\n').find((one) => one.startsWith(`${line} `));
  return found === undefined ? NaN : Number(found.slice(line.length));
}
