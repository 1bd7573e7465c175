/** One thing that must be shown: a file, a name, and a bounded time. */
export interface Proof {
  name: string;
  about: string;
  /** Options that it takes, each a whole number, with their defaults. */
  options: Record<string, number>;
  /** Further options, each any text; empty when it is left out. */
  texts?: string[];
  /** Prints what it found. @throws NotShown */
  run(options: Record<string, number>, texts: Record<string, string>): Promise<void>;
}

/** What was to be shown is not so. */
export class NotShown extends Error {
  override readonly name = 'NotShown';
}

/** Prints a line of a report, and remembers whether it is as it should be. */
export class Report {
  private readonly wrong: string[] = [];

  say(what: string, value: string | number): void {
    process.stdout.write(`  ${what.padEnd(58)} ${value}\n`);
  }

  /** A figure that must be exactly so. */
  expect(what: string, seen: string | number, expected: string | number): void {
    this.say(what, seen === expected ? seen : `${seen}   EXPECTED ${expected}`);
    if (seen !== expected) this.wrong.push(what);
  }

  /** A condition with its evidence. */
  check(what: string, evidence: string | number, holds: boolean): void {
    this.say(what, holds ? evidence : `${evidence}   NOT SO`);
    if (!holds) this.wrong.push(what);
  }

  /** @throws NotShown when anything was not as it should be */
  end(): void {
    if (this.wrong.length > 0) throw new NotShown(this.wrong.join('; '));
  }
}

/** Seconds since this was made, with one decimal. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => Math.round((performance.now() - start) / 100) / 10;
}
