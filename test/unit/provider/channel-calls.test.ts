import { setTimeout as pause } from 'node:timers/promises';
import { ManualClock } from '../../../src/common/clock.js';
import { SharedCalls } from '../../../src/provider/channel-calls.js';

const GAP_MS = 100;

/** A channel whose answers are given by the test, one for each call in their order. */
class Slow {
  readonly beganAt: number[] = [];
  private readonly answers: { resolve: (answer: string) => void; reject: (error: Error) => void }[] = [];

  readonly call = (): Promise<string> => {
    this.beganAt.push(performance.now());
    return new Promise((resolve, reject) => this.answers.push({ resolve, reject }));
  };

  answer(index: number, answer: string | Error): void {
    const given = this.answers[index];
    if (answer instanceof Error) given?.reject(answer);
    else given?.resolve(answer);
  }
}

describe('calls about one number', () => {
  let calls: SharedCalls<string>;
  let channel: Slow;
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock(new Date());
    calls = new SharedCalls(GAP_MS, clock);
    channel = new Slow();
  });
  const begun = async (count: number): Promise<void> => {
    while (channel.beganAt.length < count) await pause(5);
  };

  it('that come while one is under way get its answer, or its error', async () => {
    const first = [1, 2, 3].map(() => calls.join('a', channel.call));
    channel.answer(0, 'open');
    expect(await Promise.all(first)).toEqual(['open', 'open', 'open']);
    const second = [1, 2, 3].map(() => calls.join('a', channel.call).catch((error: Error) => error.message));
    await begun(2);
    channel.answer(1, new Error('no answer'));
    expect(await Promise.all(second)).toEqual(['no answer', 'no answer', 'no answer']);
    expect(channel.beganAt).toHaveLength(2);
  });

  it('begin a gap apart, however fast they are answered and however many wait', async () => {
    const asking = (async () => {
      for (let round = 0; round < 4; round += 1) {
        const some = Array.from({ length: 50 }, () => calls.join('a', channel.call));
        await begun(round + 1);
        channel.answer(round, `answer ${round}`);
        expect(new Set(await Promise.all(some))).toEqual(new Set([`answer ${round}`]));
      }
    })();
    await asking;
    const gaps = channel.beganAt.slice(1).map((at, index) => at - (channel.beganAt[index] ?? 0));
    // A timer may come a millisecond early.
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(GAP_MS - 2);
  });

  it('do not wait for those about another number', () => {
    void calls.join('a', channel.call);
    void calls.join('b', channel.call);
    void calls.fresh('c', channel.call);
    expect(channel.beganAt).toHaveLength(3);
    for (const index of [0, 1, 2]) channel.answer(index, 'open');
  });

  it('that must be fresh are never answered by one that began before', async () => {
    const old = calls.join('a', channel.call);
    const fresh = [calls.fresh('a', channel.call), calls.fresh('a', channel.call)];
    // Who can ask again is content with the one under way.
    const joined = calls.join('a', channel.call);
    expect(channel.beganAt).toHaveLength(1);
    channel.answer(0, 'open');
    expect(await Promise.all([old, joined])).toEqual(['open', 'open']);
    await begun(2);
    channel.answer(1, 'paid');
    expect(await Promise.all(fresh)).toEqual(['paid', 'paid']);
    expect(channel.beganAt).toHaveLength(2);
  });

  it('do not wait for one that the channel keeps for longer than the gap', async () => {
    const stuck = calls.fresh('a', channel.call);
    await pause(GAP_MS + 10);
    const fresh = calls.fresh('a', channel.call);
    expect(channel.beganAt).toHaveLength(2);
    channel.answer(1, 'paid');
    expect(await fresh).toBe('paid');
    channel.answer(0, 'open');
    expect(await stuck).toBe('open');
  });

  it('wait no longer when the clock of the application has passed the gap, nor when it was set back', async () => {
    void calls.join('a', channel.call);
    channel.answer(0, 'open');
    clock.advance(GAP_MS);
    void calls.fresh('a', channel.call);
    expect(channel.beganAt).toHaveLength(2);
    channel.answer(1, 'open');
    clock.advance(-10 * GAP_MS);
    const next = calls.fresh('a', channel.call);
    await begun(3);
    channel.answer(2, 'paid');
    expect(await next).toBe('paid');
  });

  it('leave nothing behind', async () => {
    for (let number = 0; number < 100; number += 1) {
      const call = calls.join(String(number), channel.call);
      channel.answer(number, 'open');
      await call;
    }
    const kept = (calls as unknown as { calls: Map<string, unknown> }).calls;
    expect(kept.size).toBeGreaterThan(0);
    while (kept.size > 0) await pause(20);
  });

  it('wait for nothing where the channel wants no gap', async () => {
    const instant = new SharedCalls<string>(0, clock);
    for (const answer of ['open', 'paid']) expect(await instant.join('a', () => Promise.resolve(answer))).toBe(answer);
  });
});
