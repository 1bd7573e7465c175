import { CallBudget } from '../../../src/common/call-budget.js';
import { DomainError } from '../../../src/common/errors.js';
import { GroupCommitQueue } from '../../../src/common/group-commit-queue.js';

/** Work that stands still until it is let go. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('a group commit queue', () => {
  const LIMITS = { maxBatch: 10, maxWaiting: 100, keyOf: (item: number) => String(item) };

  it('serves a single caller at once, alone', async () => {
    const batches: number[][] = [];
    const queue = new GroupCommitQueue<number, number>((batch) => {
      batches.push(batch);
      return Promise.resolve(batch.map((item) => item * 2));
    }, LIMITS);
    expect([await queue.submit(1), await queue.submit(2)]).toEqual([2, 4]);
    expect(batches).toEqual([[1], [2]]);
  });

  it('does together what came while the last batch ran, at most so many, each with its own answer', async () => {
    const { opened, open } = gate();
    const sizes: number[] = [];
    const queue = new GroupCommitQueue<number, number>(
      async (batch) => {
        await opened;
        return batch.map((item) => item * 2);
      },
      { ...LIMITS, onBatch: (size) => sizes.push(size) },
    );
    const answers = Array.from({ length: 26 }, (_, item) => queue.submit(item));
    open();
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 26 }, (_, item) => item * 2));
    expect(sizes).toEqual([1, 10, 10, 5]);
  });

  it('does not run a batch again that took long to fail', async () => {
    jest.useFakeTimers({ now: 0, doNotFake: ['setTimeout', 'nextTick', 'setImmediate', 'queueMicrotask'] });
    try {
      const failing = (afterMs: number): [GroupCommitQueue<number, number>, () => number] => {
        let runs = 0;
        const queue = new GroupCommitQueue<number, number>(() => {
          runs += 1;
          jest.setSystemTime(Date.now() + afterMs);
          jest.advanceTimersByTime(afterMs);
          return Promise.reject(new Error('gone'));
        }, LIMITS);
        return [queue, () => runs];
      };
      const [slow, slowRuns] = failing(2000);
      await expect(slow.submit(1)).rejects.toThrow('gone');
      const [quick, quickRuns] = failing(1999);
      await expect(quick.submit(1)).rejects.toThrow('gone');
      expect([slowRuns(), quickRuns()]).toEqual([1, 2]);
    } finally {
      jest.useRealTimers();
    }
  });

  it('does two at once when many wait, if it may', async () => {
    const gates = [gate(), gate(), gate()];
    const batches: number[][] = [];
    const queue = new GroupCommitQueue<number, number>(
      async (batch) => {
        await gates[batches.push(batch) - 1]?.opened;
        return batch;
      },
      { ...LIMITS, atOnce: 2 },
    );
    const answers = Array.from({ length: 12 }, (_, item) => queue.submit(item));
    // The first alone, the second when eight wait, and never a third beside them.
    expect(batches).toEqual([[0], [1, 2, 3, 4, 5, 6, 7, 8]]);
    gates[1]?.open();
    await expect(answers[8]).resolves.toBe(8);
    // Three are too few for a second one: they wait for the first.
    expect(batches).toHaveLength(2);
    gates[0]?.open();
    gates[2]?.open();
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 12 }, (_, item) => item));
    expect(batches[2]).toEqual([9, 10, 11]);
  });

  it('tries the members of a failed batch one by one, so that a bad one hurts nobody else', async () => {
    const { opened, open } = gate();
    const queue = new GroupCommitQueue<number, number>(async (batch) => {
      await opened;
      if (batch.includes(7)) throw new Error('seven');
      return batch;
    }, LIMITS);
    const answers = Array.from({ length: 11 }, (_, item) => queue.submit(item));
    open();
    const settled = await Promise.allSettled(answers);
    expect(settled.map((one) => one.status === 'fulfilled')).toEqual(settled.map((_, item) => item !== 7));
    expect(settled[7]).toMatchObject({ reason: { message: 'seven' } });
    await expect(queue.submit(3)).resolves.toBe(3);
  });

  it('holds up no other item for one that waits for a lock, and tries what is about the same thing once', async () => {
    const { opened, open } = gate();
    const isolated: number[][] = [];
    const queue = new GroupCommitQueue<number, number>(
      async (batch, waitForLocks) => {
        if (!batch.some((item) => item >= 100)) return batch;
        if (!waitForLocks) throw new Error('locked');
        isolated.push(batch);
        await opened;
        throw new Error('still locked');
      },
      { ...LIMITS, keyOf: (item) => String(item >= 100 ? 'same' : item) },
    );
    const locked = [100, 101, 102].map((item) => queue.submit(item));
    const refused = Promise.allSettled(locked);
    expect(await Promise.all([1, 2, 3].map((item) => queue.submit(item)))).toEqual([1, 2, 3]);
    open();
    expect((await refused).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(isolated).toEqual([[100], [101, 102]]);
  });

  it('refuses whoever comes when too many wait', async () => {
    const { opened, open } = gate();
    const queue = new GroupCommitQueue<number, number>(
      async (batch) => {
        await opened;
        return batch;
      },
      { ...LIMITS, maxBatch: 2, maxWaiting: 3 },
    );
    const first = queue.submit(0);
    const waiting = [1, 2, 3].map((item) => queue.submit(item));
    await expect(queue.submit(4)).rejects.toMatchObject({ code: 'service_unavailable' } satisfies Partial<DomainError>);
    open();
    expect(await Promise.all([first, ...waiting])).toEqual([0, 1, 2, 3]);
    await expect(queue.submit(5)).resolves.toBe(5);
  });
});

describe('a call budget', () => {
  it('gives a second’s calls at once and makes the next ones wait their turn', async () => {
    const budget = new CallBudget(50);
    const began = performance.now();
    await Promise.all(Array.from({ length: 50 }, () => budget.take()));
    const atOnce = performance.now() - began;
    await Promise.all(Array.from({ length: 10 }, () => budget.take()));
    const all = performance.now() - began;
    expect(atOnce).toBeLessThan(150);
    // Ten more at fifty a second: a fifth of a second, a little less for what came back meanwhile.
    expect(all).toBeGreaterThanOrEqual(140);
  });
});
