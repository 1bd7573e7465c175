import { setTimeout as sleep } from 'node:timers/promises';
import { timed } from './health-watch.js';

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
    if (good === inARow) return Math.round((began - since) / 100) / 10;
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
