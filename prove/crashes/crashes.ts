import { Cleanup } from '../../dev/cleanup.js';
import { type Failpoint, FAILPOINTS } from '../../src/common/failpoints.js';
import { type Comparison, reportComparisons } from '../compare-books.js';
import { openPlace } from '../place.js';
import { Chance } from '../random.js';
import { Counts, type Report, stopwatch } from '../report.js';
import { proof } from '../run.js';
import { CrashLab } from './lab.js';
import { recover } from './recovery.js';
import type { Outcome } from './way.js';
import { BILL_CASES, type Case, die, failpointsWithoutWay, ORDINARY_CASES } from './ways.js';

/** What a lane has seen. */
interface Seen {
  died: Failpoint[];
  lived: string[];
  books: Comparison;
}

export const crashes = proof({
  name: 'crashes',
  about: 'a process killed at every failpoint on every way that passes it: every fen is accounted for',
  // `ways`: how many ways that pass a point are walked in a run, drawn from the seed; 0: all of them.
  options: { runs: 1, ways: 0, seed: 1, lanes: 2 },
  async run({ runs, ways, seed, lanes }, { report }) {
    const chance = new Chance(seed);
    const seen: Seen[] = [];
    for (let run = 1; run <= runs; run += 1) seen.push(...(await once(lanes, chosen(ways, chance), chance)));
    tell(seen, report);
  },
});

/** Every point on every way, shared out among lanes, each with a service, a database and a channel of its own. */
async function once(lanes: number, drawn: Case[], chance: Chance): Promise<Seen[]> {
  const cleanup = new Cleanup();
  try {
    const { databaseUrls } = await openPlace(cleanup, 'crashes', lanes + 1);
    const ofBills = drawn.filter((one) => BILL_CASES.includes(one));
    const cases = drawn.filter((one) => !BILL_CASES.includes(one));
    const lots: Case[][] = Array.from({ length: lanes }, () => []);
    // The lane that compares bills afterwards has fewer ways of the others.
    const share = drawn.length / lanes;
    lots[0] = cases.splice(0, Math.max(0, Math.round(share) - ofBills.length));
    cases.forEach((one, index) => lots[lanes === 1 ? 0 : 1 + (index % (lanes - 1))]?.push(one));
    const seeds = lots.map(() => new Chance(chance.between(1, 2 ** 31)));
    const seen = await Promise.all(
      lots.map(async (lot, lane) => {
        const own = [await walk(databaseUrls[lane] as string, lot, seeds[lane] as Chance)];
        if (lane === 0) own.push(await walk(databaseUrls[lanes] as string, ofBills, seeds[0] as Chance));
        return own;
      }),
    );
    return seen.flat();
  } finally {
    await cleanup.run();
  }
}

async function walk(databaseUrl: string, cases: readonly Case[], chance: Chance): Promise<Seen> {
  const cleanup = new Cleanup();
  try {
    const lab = await CrashLab.open(cleanup, databaseUrl, () => chance.between(400, 50_000));
    const outcomes: Outcome[] = [];
    const seen: Omit<Seen, 'books'> = { died: [], lived: [] };
    for (const one of cases) {
      const elapsed = stopwatch();
      try {
        outcomes.push(await die(lab, one));
        seen.died.push(one.point);
        process.stdout.write(`  died at ${one.point.padEnd(36)} ${one.way.name.padEnd(20)} ${elapsed()} s\n`);
      } catch (error) {
        // When something goes wrong on one way, the others are walked all the same.
        seen.lived.push(`${one.point} (${one.way.name}: ${one.way.about}): ${(error as Error).message}`);
      }
    }
    return { ...seen, books: await recover(lab, outcomes) };
  } finally {
    await cleanup.run();
  }
}

function tell(seen: Seen[], report: Report): void {
  const died = seen.flatMap((one) => one.died);
  const reached = new Set(died);
  report.expect('points at which a process died', reached.size, FAILPOINTS.length);
  for (const point of FAILPOINTS.filter((one) => !reached.has(one))) report.say('never reached', point);
  for (const point of failpointsWithoutWay()) report.say('on no way', point);
  report.say('ways × points', ORDINARY_CASES.length + BILL_CASES.length);
  report.say('processes killed', died.length);
  report.none(
    'ways on which nothing died',
    seen.flatMap((one) => one.lived),
    Infinity,
  );
  reportComparisons(
    report,
    seen.map((one) => one.books),
  );
}

/** In an order of their own: as many ways of each point as are wanted, or all. */
function chosen(ways: number, chance: Chance): Case[] {
  const walked = new Counts<Failpoint>();
  return chance.shuffled([...ORDINARY_CASES, ...BILL_CASES]).filter(({ point }) => {
    walked.add(point);
    return ways === 0 || walked.of(point) <= ways;
  });
}
