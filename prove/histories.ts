import { Life } from './histories/life.js';
import { search } from './histories/search.js';
import { stepTable } from './histories/tally.js';
import { World } from './histories/world.js';
import { openPlace } from './place.js';
import { NotShown, type Report, stopwatch } from './report.js';
import { proof } from './run.js';

export const histories = proof({
  name: 'histories',
  about: 'random histories of everything that can happen, against a model: the two ledgers agree to the fen',
  options: { runs: 300, seed: 1, seconds: 0 },
  texts: ['path'],
  async run({ runs, seed, seconds }, { report, cleanup, texts: { path } }) {
    const { databaseUrl } = await openPlace(cleanup, 'histories');
    const life = new Life(await World.open(cleanup, databaseUrl));
    const elapsed = stopwatch();
    const soFar = (): void => report.say('so far', `${life.tally.histories} histories, ${elapsed()} s`);
    const progress = setInterval(soFar, 60_000);
    const found = await search(life, { runs, seed, path, seconds }).finally(() => clearInterval(progress));
    sayTally(life, report);
    if (found) throw new NotShown(found);
  },
});

function sayTally({ tally, troubles }: Life, report: Report): void {
  report.say('histories', tally.histories);
  report.say('steps', tally.steps);
  for (const [kind, done, refused, nothing] of stepTable(tally.outcomes))
    report.say(`  ${kind}`, `${done} done, ${refused} refused, ${nothing} with nothing to happen to`);
  report.say('answers', tally.answers);
  report.say('at rest', tally.ends);
  report.say('notices sent', tally.sends);
  report.say('more', tally.extra);
  report.say('faults that struck', troubles.struck);
  const idle = [...troubles.armed].filter((name) => !troubles.struck.has(name));
  report.say('faults that were set and never struck', idle.join(', ') || 'none');
  report.say('taken, and given back, in fen', `${tally.takenFen}, ${tally.refundedFen}`);
}
