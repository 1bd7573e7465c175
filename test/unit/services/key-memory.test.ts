import { KeyMemory } from '../../../src/services/key-memory.js';
import { times } from '../../support/app.js';

describe('what is remembered of API keys', () => {
  let now: number;
  let asked: string[];
  /** Keys that the database has. */
  let live: Set<string>;
  let memory: KeyMemory<string>;

  beforeEach(() => {
    now = 0;
    asked = [];
    live = new Set(['key']);
    const ask = async (hash: string, known: boolean): Promise<string | null> => {
      asked.push(known ? `${hash} again` : hash);
      await Promise.resolve();
      return live.has(hash) ? `row of ${hash}` : null;
    };
    memory = new KeyMemory(ask, () => now);
  });

  it('is asked for twice a second, however often a key is used', async () => {
    for (now = 0; now < 1000; now += 10) expect(await memory.of('key')).toBe('row of key');
    expect(asked).toEqual(['key', 'key again']);
  });

  it('is forgotten half a second after it was asked for: a key that was revoked is refused', async () => {
    await memory.of('key');
    live.clear();
    now = 499;
    expect(await memory.of('key')).toBe('row of key');
    now = 500;
    expect([await memory.of('key'), memory.size]).toEqual([null, 0]);
  });

  it('counts from when it was asked for: an answer that took long is not used again', async () => {
    const answers: ((row: string) => void)[] = [];
    const slow = new KeyMemory<string>(
      () => new Promise((resolve) => answers.push(resolve)),
      () => now,
    );
    const first = slow.of('key');
    now = 400;
    const waits = slow.of('key');
    expect(answers).toHaveLength(1);
    now = 600;
    const later = slow.of('key');
    expect(answers).toHaveLength(2);
    answers[0]?.('before');
    expect(await Promise.all([first, waits])).toEqual(['before', 'before']);
    answers[1]?.('after');
    expect(await later).toBe('after');
    now = 1000;
    expect(await slow.of('key')).toBe('after');
  });

  it('is asked for once, however many use a key at once', async () => {
    await times(100, () => memory.of('key'));
    expect(asked).toEqual(['key']);
  });

  it('holds no key that does not exist, and none that could not be asked about', async () => {
    await times(5000, (index) => memory.of(`invented ${index}`));
    expect(memory.size).toBe(0);
    const down = new KeyMemory<string>(
      () => Promise.reject(new Error('the database is down')),
      () => now,
    );
    await expect(down.of('key')).rejects.toThrow('the database is down');
    expect(down.size).toBe(0);
  });

  it('keeps what is in use through a flood of invented keys', async () => {
    await memory.of('key');
    await times(5000, (index) => memory.of(`invented ${index}`));
    asked = [];
    await memory.of('key');
    expect(asked).toEqual([]);
  });

  it('has an end, however many keys there are', async () => {
    for (let index = 0; index < 3000; index += 1) live.add(`${index}`);
    await times(3000, (index) => memory.of(`${index}`));
    expect(memory.size).toBe(1000);
  });
});
