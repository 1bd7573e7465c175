import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from '../processes.js';

/** How often a load balancer would ask, only more often. */
const EVERY = 250;
const ANSWER_WITHIN = 10_000;

export interface HealthAnswer {
  question: 'live' | 'ready';
  begun: number;
  at: number;
  status: number;
}

/** Asks both health questions again and again, without waiting for the last answer. */
export class HealthWatch {
  readonly answers: HealthAnswer[] = [];
  private readonly asking = new Set<Promise<void>>();
  private watching: Promise<void> = Promise.resolve();
  private over = false;

  constructor(private readonly service: Program) {}

  begin(): void {
    this.watching = this.watch();
  }

  async end(): Promise<void> {
    this.over = true;
    await this.watching;
    await Promise.all(this.asking);
  }

  private async watch(): Promise<void> {
    while (!this.over) {
      for (const question of ['live', 'ready'] as const) {
        const asked: Promise<void> = this.ask(question).then(() => void this.asking.delete(asked));
        this.asking.add(asked);
      }
      await sleep(EVERY);
    }
  }

  private async ask(question: 'live' | 'ready'): Promise<void> {
    const begun = performance.now();
    const status = await fetch(`${this.service.url}/health/${question}`, {
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status;
      },
      () => 0,
    );
    this.answers.push({ question, begun, at: performance.now(), status });
  }
}
