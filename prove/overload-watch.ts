import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const ANSWER_WITHIN = 10_000;

/** Resident memory of a process in MB, now and at its highest. */
export function memory(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { now: Math.round(read('VmRSS')), peak: Math.round(read('VmHWM')) };
}

/** Answers of the two health questions by status, and the slowest of them. */
export interface Health {
  live: Record<string, number>;
  ready: Record<string, number>;
  slowestMs: number;
}

/** Asks both every quarter of a second over connections of its own, until told to stop. */
export function watchHealth(url: string): () => Promise<Health> {
  const health: Health = { live: {}, ready: {}, slowestMs: 0 };
  let watching = true;
  const ask = async (which: 'live' | 'ready'): Promise<void> => {
    while (watching) {
      const { status, milliseconds } = await timed(`${url}/health/${which}`);
      health[which][status] = (health[which][status] ?? 0) + 1;
      health.slowestMs = Math.max(health.slowestMs, milliseconds);
      await sleep(250);
    }
  };
  const asking = Promise.all([ask('live'), ask('ready')]);
  return async () => {
    watching = false;
    await asking;
    return health;
  };
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
    const { status, milliseconds } = await timed(`${url}/api/products/`);
    good = status === 200 && milliseconds <= withinMs ? good + 1 : 0;
    if (good === inARow) return Math.round((began - since) / 100) / 10;
    if (good === 0) await sleep(50);
  }
  return null;
}

async function timed(url: string): Promise<{ status: number; milliseconds: number }> {
  const began = performance.now();
  const status = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN) }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status;
    },
    () => 0,
  );
  return { status, milliseconds: Math.round(performance.now() - began) };
}

/** A figure of `/metrics` by its name and label, NaN when it is not there. */
export async function metric(url: string, line: string): Promise<number> {
  const text = await fetch(`${url}/metrics`).then((response) => response.text());
  const found = text.split('\n').find((one) => one.startsWith(`${line} `));
  return found === undefined ? NaN : Number(found.slice(line.length));
}
