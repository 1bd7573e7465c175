import fc from 'fast-check';
import { stopwatch } from '../report.js';
import { Broken, type Life } from './life.js';
import { histories, type History, inWords } from './steps.js';

/** After how it begins. */
const STEPS = 25;
/** A history that does not hold is made shorter for so long at most. */
const SHORTEN_SECONDS = 300;

export interface SearchOptions {
  runs: number;
  seed: number;
  /** Where a run of this seed failed, as it was printed: that case alone is played again. */
  path?: string;
  /** No history begins after so many seconds; 0: all are played. */
  seconds?: number;
  /** How long a history that does not hold may be made shorter. */
  shortenSeconds?: number;
}

/** Plays histories until one does not hold, and makes that one short. Answers it in words, or null. */
export async function search(
  life: Life,
  { runs, seed, path = '', seconds = 0, shortenSeconds = SHORTEN_SECONDS }: SearchOptions,
): Promise<string | null> {
  const elapsed = stopwatch();
  let until = seconds > 0 ? seconds : Infinity;
  let failed = false;
  const property = fc.asyncProperty(histories(STEPS), async (history: History) => {
    // Those that are left out pass: so the end of the time ends the making shorter as well.
    if (elapsed() >= until) return;
    try {
      await life.live(history);
    } catch (error) {
      if (!failed) until = elapsed() + shortenSeconds;
      failed = true;
      throw error;
    }
  });
  const details = await fc.check(property, {
    seed,
    numRuns: path === '' ? runs : 1,
    ...(path !== '' && { path, endOnFailure: true }),
  });
  if (!details.failed || !details.counterexample) return null;
  const { counterexample, counterexamplePath, numRuns, numShrinks, errorInstance } = details;
  return [
    `history ${numRuns} of seed ${seed} does not hold; made shorter ${numShrinks} times, it is`,
    inWords(errorInstance instanceof Broken ? cut(counterexample[0], errorInstance.steps) : counterexample[0]),
    errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance),
    `This one again: npm run prove -- histories --seed ${seed} --path ${counterexamplePath}`,
  ].join('\n');
}

const cut = (history: History, steps: number): History => ({ ...history, steps: history.steps.slice(0, steps) });
