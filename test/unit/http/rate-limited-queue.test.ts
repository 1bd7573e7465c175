import { setTimeout } from 'node:timers/promises';
import { RateLimitedQueue } from '../../../src/http/rate-limited-queue.js';

describe('a rate-limited queue', () => {
  it('does so much at once, and the rest in its turn and order', async () => {
    const queue = new RateLimitedQueue(3, 100);
    const done: number[] = [];
    for (let index = 0; index < 8; index += 1) expect(queue.run(() => done.push(index))).toBe(true);
    expect(done).toEqual([0, 1, 2]);
    while (done.length < 6) await setTimeout(1);
    expect(done).toEqual([0, 1, 2, 3, 4, 5]);
    while (done.length < 8) await setTimeout(1);
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('lets only so many wait', async () => {
    const queue = new RateLimitedQueue(1, 2);
    let done = 0;
    const run = (): boolean => queue.run(() => (done += 1));
    expect([run(), run(), run(), run()]).toEqual([true, true, true, false]);
    while (done < 3) await setTimeout(1);
    expect(run()).toBe(true);
    while (done < 4) await setTimeout(1);
  });
});
