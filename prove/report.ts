/** What was to be shown is not so. */
export class NotShown extends Error {
  override readonly name = 'NotShown';
}

/** Prints a line of a report, and remembers whether it is as it should be. */
export class Report {
  private readonly wrong: string[] = [];

  say(what: string, value: unknown): void {
    process.stdout.write(`  ${what.padEnd(58)} ${String(value)}\n`);
  }

  /** A figure that must be exactly so. */
  expect(what: string, seen: string | number, expected: string | number): void {
    this.say(what, seen === expected ? seen : `${seen}   EXPECTED ${expected}`);
    if (seen !== expected) this.wrong.push(what);
  }

  /** A condition with its evidence. */
  check(what: string, evidence: unknown, holds: boolean): void {
    this.say(what, holds ? evidence : `${String(evidence)}   NOT SO`);
    if (!holds) this.wrong.push(what);
  }

  /** Something of which there must be none: the first of them are printed, and how many there are. */
  none(what: string, found: readonly string[], most = 30): void {
    for (const line of found.slice(0, most)) this.say('wrong', line);
    this.expect(what, found.length, 0);
  }

  /** @throws NotShown when anything was not as it should be */
  end(): void {
    if (this.wrong.length > 0) throw new NotShown(this.wrong.join('; '));
  }
}

/** How often each of these came. Printed as `closed 3, expired 5`, in the order of their names. */
export class Counts<Key extends string | number = string> extends Map<Key, number> {
  static of<Key extends string | number>(keys: Iterable<Key>): Counts<Key> {
    const counts = new Counts<Key>();
    for (const key of keys) counts.add(key);
    return counts;
  }

  add(key: Key, times = 1): void {
    this.set(key, this.of(key) + times);
  }

  of(key: Key): number {
    return this.get(key) ?? 0;
  }

  get sum(): number {
    return [...this.values()].reduce((sum, count) => sum + count, 0);
  }

  override toString(): string {
    const sorted = [...this].sort(([one], [other]) => (one < other ? -1 : 1));
    return sorted.map(([key, count]) => `${key} ${count}`).join(', ') || 'none';
  }
}

/** Tenths of a second between two times of `performance.now()`, as seconds. */
export function seconds(from: number, to = performance.now()): number {
  return Math.round((to - from) / 100) / 10;
}

/** Seconds since this was made, with one decimal. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => seconds(start);
}
