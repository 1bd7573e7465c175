import { ConcurrencyGate, GateFull } from '../../../src/provider/wechat/gate.js';

/** Work that is begun when its turn comes and ended by the test. */
function works(gate: ConcurrencyGate, begun: string[]) {
  return (name: string): { end: () => void; result: Promise<string> } => {
    let end = (): void => undefined;
    const until = new Promise<void>((resolve) => (end = resolve));
    const result = gate.run(async () => {
      begun.push(name);
      await until;
      return name;
    });
    return { end, result };
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the gate before the channel', () => {
  it('lets so many run, so many wait in the order they came, and turns the next away', async () => {
    const begun: string[] = [];
    const work = works(new ConcurrencyGate(2, 2, 10_000), begun);
    const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map(work);
    await expect(e?.result).rejects.toThrow(GateFull);
    await settled();
    expect(begun).toEqual(['a', 'b']);
    b?.end();
    await b?.result;
    expect(begun).toEqual(['a', 'b', 'c']);
    // The place was handed over: a newcomer waits behind the one who waits already.
    const f = work('f');
    a?.end();
    await a?.result;
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
    for (const one of [c, d, f]) one?.end();
    expect(await Promise.all([c?.result, d?.result, f.result])).toEqual(['c', 'd', 'f']);
  });

  it('gives the place back when the work fails, and takes as many as before once all are gone', async () => {
    const begun: string[] = [];
    const gate = new ConcurrencyGate(1, 1, 10_000);
    await expect(gate.run(() => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
    const work = works(gate, begun);
    const [first, second] = [work('first'), work('second')];
    await settled();
    expect(begun).toEqual(['first']);
    for (const one of [first, second]) one.end();
    await Promise.all([first.result, second.result]);
    const [third, fourth] = [work('third'), work('fourth')];
    await settled();
    expect(begun).toEqual(['first', 'second', 'third']);
    for (const one of [third, fourth]) one.end();
    await Promise.all([third.result, fourth.result]);
  });

  it('turns away who waited too long, and nobody in his place', async () => {
    const begun: string[] = [];
    const work = works(new ConcurrencyGate(1, 1, 30), begun);
    const first = work('first');
    await expect(work('second').result).rejects.toMatchObject({
      name: 'GateFull',
      message: 'too many concurrent calls',
    });
    const third = work('third');
    first.end();
    third.end();
    expect(await third.result).toBe('third');
    expect(begun).toEqual(['first', 'third']);
  });
});
