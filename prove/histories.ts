import { Life } from './histories/life.js';
import { search } from './histories/search.js';
import { listed, stepTable, type Tally } from './histories/tally.js';
import { World } from './histories/world.js';
import { emptyFolder, openPlace } from './place.js';
import { NotShown, type Proof, Report, stopwatch } from './proof.js';

export const histories: Proof = {
  name: 'histories',
  about: 'random histories of everything that can happen, against a model: the two ledgers agree to the fen',
  options: { runs: 300, seed: 1, seconds: 0 },
  texts: ['path'],
  async run({ runs = 0, seed = 0, seconds = 0 }, { path = '' }) {
    const place = await openPlace('histories');
    const world = await World.open(place.databaseUrl, await emptyFolder('histories'));
    try {
      const life = new Life(world);
      const elapsed = stopwatch();
      const report = new Report();
      const soFar = (): void => report.say('so far', `${life.tally.histories} histories, ${elapsed()} s`);
      const progress = setInterval(soFar, 60_000);
      const found = await search(life, { runs, seed, path, seconds }).finally(() => clearInterval(progress));
      sayTally(life, report);
      report.say('seconds', elapsed());
      if (found) throw new NotShown(found);
      report.end();
    } finally {
      await world.close();
      await place.close();
    }
  },
};

function sayTally({ tally, troubles }: Life, report: Report): void {
  report.say('histories', tally.histories);
  report.say('steps', tally.steps);
  for (const line of stepLines(tally)) report.say(...line);
  report.say('answers', listed(tally.answers));
  report.say('at rest', listed(tally.ends));
  report.say('notices sent', listed(tally.sends));
  report.say('more', listed(tally.extra));
  report.say('faults that struck', listed(troubles.struck));
  const idle = [...troubles.armed.keys()].filter((name) => !troubles.struck.has(name));
  report.say('faults that were set and never struck', idle.length === 0 ? 'none' : idle.join(', '));
  report.say('taken, and given back, in fen', `${tally.takenFen}, ${tally.refundedFen}`);
}

function stepLines(tally: Tally): [string, string][] {
  return stepTable(tally.outcomes).map(([kind, done, refused, nothing]) => [
    `  ${kind}`,
    `${done} done, ${refused} refused, ${nothing} with nothing to happen to`,
  ]);
}
