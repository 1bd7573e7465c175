import type { Cleanup } from '../dev/cleanup.js';
import type { Report } from './report.js';

/** What every proof is given: it opens and reports, and need neither close nor judge at the end. */
export interface Run {
  report: Report;
  cleanup: Cleanup;
  /** The options of {@link Proof.texts}. */
  texts: Record<string, string>;
}

/** One thing that must be shown: a file, a name, and a bounded time. */
export interface Proof<Options extends Record<string, number> = Record<string, number>> {
  name: string;
  about: string;
  /** Options that it takes, each a whole number, with their defaults. */
  options: Options;
  /** Further options, each any text; empty when it is left out. */
  texts?: string[];
  /** Reports what it found. @throws NotShown */
  run(options: Options, run: Run): Promise<void>;
}

/** Gives the options of a proof their types. */
export const proof = <Options extends Record<string, number>>(one: Proof<Options>): Proof<Options> => one;
