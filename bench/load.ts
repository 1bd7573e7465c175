import autocannon from 'autocannon';
import type { JobInput, JobResult } from './job.js';
import { percentile } from './statistics.js';

/** A request that is made ready before the clock runs. */
export interface LoadRequest {
  method: 'GET' | 'POST';
  path: string;
  headers: Record<string, string>;
  body?: string;
}

/** Runs so many pieces of work, so many at once, each as soon as one before it is done. */
export async function inParallel(
  count: number,
  workers: number,
  work: (index: number, worker: number) => Promise<boolean>,
): Promise<JobResult> {
  const times = new Float64Array(count);
  let next = 0;
  let errors = 0;
  const runWorker = async (worker: number): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      const began = performance.now();
      if (!(await work(index, worker))) errors += 1;
      times[index] = performance.now() - began;
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: workers }, (_, worker) => runWorker(worker)));
  return summary(times, (performance.now() - began) / 1000, errors);
}

/**
 * Sends each request once with autocannon, over so many kept-alive connections; anything but 200 is an error. Its own
 * summary has whole milliseconds and waits for its next tick, so the answers are counted here.
 */
export async function sendAll(port: number, connections: number, requests: LoadRequest[]): Promise<JobResult> {
  const times: number[] = [];
  let errors = 0;
  let clients = 0;
  let ended = 0;
  const began = performance.now();
  const result = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections,
    amount: requests.length,
    timeout: 60,
    setupClient(client) {
      const own = clients++;
      // The same share as autocannon gives each connection of the whole amount.
      client.setRequests(requests.filter((_, index) => index % connections === own));
      client.on('response', (status, _bytes, milliseconds) => {
        ended = performance.now();
        times.push(milliseconds);
        if (status !== 200) errors += 1;
      });
    },
  });
  const lost = result.errors + result.timeouts + (requests.length - times.length);
  return summary(Float64Array.from(times), (ended - began) / 1000, errors + lost);
}

function summary(times: Float64Array, seconds: number, errors: number): JobResult {
  times.sort();
  return { count: times.length, seconds, p50: percentile(times, 0.5), p99: percentile(times, 0.99), errors };
}

/** The figures that every job is given. */
export function numbers(input: JobInput): { first: number; count: number; port: number; concurrency: number } {
  const [first, count, port, concurrency] = [input.first, input.count, input.port, input.concurrency].map(Number);
  return { first: first ?? 0, count: count ?? 0, port: port ?? 0, concurrency: concurrency ?? 1 };
}
