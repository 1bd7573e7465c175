import type { JobInput, JobResult } from './job.js';
import { percentile } from './statistics.js';
import { Wire } from './wire.js';

/** Runs so many pieces of work, so many at once, each as soon as one before it is done. */
export async function inParallel(
  count: number,
  lanes: number,
  work: (index: number, lane: number) => Promise<boolean>,
): Promise<JobResult> {
  const times = new Float64Array(count);
  let next = 0;
  let errors = 0;
  const runLane = async (lane: number): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      const began = performance.now();
      if (!(await work(index, lane))) errors += 1;
      times[index] = performance.now() - began;
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(lane)));
  const seconds = (performance.now() - began) / 1000;
  times.sort();
  return { count, seconds, p50: percentile(times, 0.5), p99: percentile(times, 0.99), errors };
}

/** Sends finished requests over kept-alive connections; anything but 200 is an error. */
export async function sendAll(port: number, connections: number, requests: Buffer[]): Promise<JobResult> {
  const wires = await Promise.all(Array.from({ length: connections }, () => Wire.open(port)));
  try {
    return await inParallel(requests.length, connections, async (index, lane) => {
      const [wire, request] = [wires[lane], requests[index]];
      return wire !== undefined && request !== undefined && (await wire.send(request)).status === 200;
    });
  } finally {
    for (const wire of wires) wire.close();
  }
}

/** The figures that every job is given. */
export function numbers(input: JobInput): { first: number; count: number; port: number; concurrency: number } {
  const [first, count, port, concurrency] = [input.first, input.count, input.port, input.concurrency].map(Number);
  return { first: first ?? 0, count: count ?? 0, port: port ?? 0, concurrency: concurrency ?? 1 };
}
