import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Job, JobInput, JobResult } from './job.js';

type Order = { prepare: string; input: JobInput } | 'run';
type Report = { ready: true } | { result: JobResult } | { failed: string };

/** The process that makes the load, so that what it costs is not counted as the service's. */
export class Worker {
  private constructor(private readonly child: ChildProcess) {}

  /** Starts the process: this program again, which then calls {@link serveJobs}. */
  static start(script: string): Worker {
    return new Worker(fork(script, ['worker'], { env: {}, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
  }

  /** Lets the process make a job ready; the work itself begins with the answered function. */
  async prepare(name: string, input: JobInput): Promise<() => Promise<JobResult>> {
    await this.ask({ prepare: name, input });
    return async () => {
      const report = await this.ask('run');
      if ('result' in report) return report.result;
      throw new Error('the load process did not answer with a result');
    };
  }

  async stop(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.disconnect();
    await gone;
  }

  private async ask(order: Order): Promise<Report> {
    const listening = new AbortController();
    const heard = (name: string): Promise<unknown[]> => once(this.child, name, { signal: listening.signal });
    const answered = heard('message') as Promise<[Report]>;
    const died = heard('exit').then(([code]) =>
      Promise.reject(new Error(`the load process ended with ${String(code)}`)),
    );
    died.catch(() => undefined);
    this.child.send(order);
    try {
      const [report] = await Promise.race([answered, died]);
      if ('failed' in report) throw new Error(report.failed);
      return report;
    } finally {
      listening.abort();
    }
  }
}

/** The other side: does what it is told until the parent goes. */
export function serveJobs(jobs: Readonly<Record<string, Job>>): void {
  let prepared: Awaited<ReturnType<Job>> | null = null;
  const work = async (order: Order): Promise<Report> => {
    if (order === 'run') {
      if (!prepared) throw new Error('nothing is prepared');
      return { result: await prepared.run() };
    }
    const job = jobs[order.prepare];
    if (!job) throw new Error(`there is no job ${order.prepare}`);
    prepared = await job(order.input);
    return { ready: true };
  };
  process.on('message', (order: Order) => {
    work(order)
      .catch((error: unknown): Report => ({ failed: error instanceof Error ? (error.stack ?? '') : String(error) }))
      .then((report) => process.send?.(report))
      .catch(() => process.exit(1));
  });
  process.on('disconnect', () => process.exit(0));
}
