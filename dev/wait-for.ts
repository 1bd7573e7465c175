import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks again and again until there is an answer: anything but null, undefined and false. Answers null when the time is
 * over.
 * @param time in milliseconds: how long it may take, and the pause between two questions (50)
 */
export async function waitFor<T>(
  ask: () => T | Promise<T>,
  { within, every = 50 }: { within: number; every?: number },
): Promise<Exclude<T, null | undefined | false> | null> {
  for (const until = performance.now() + within; ; await sleep(every)) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false)
      return answer as Exclude<T, null | undefined | false>;
    if (performance.now() > until) return null;
  }
}
