/** What was written behind a program's name is wrong: the message says why. */
export class UsageError extends Error {}

/** Reads the words behind a program's name; where they are wrong, or ask for help, prints the usage and ends it. */
export function argumentsOrUsage<T>(usage: string, read: (words: string[]) => T | 'help'): T {
  try {
    const asked = read(process.argv.slice(2));
    if (asked !== 'help') return asked;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
  process.stdout.write(usage);
  process.exit(0);
}

/** The value of an option. @throws UsageError unless it is a whole number within these bounds */
export function wholeNumber(option: string, text: string, least = 0, most = 999_999_999): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`--${option} must be a whole number from ${least} to ${most}`);
}
