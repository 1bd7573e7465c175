import { type Failpoint, FAILPOINTS } from '../../src/common/failpoints.js';
import { openPlace, type Place } from '../place.js';
import { type Proof, Report, stopwatch } from '../proof.js';
import { Chance } from '../random.js';
import type { Comparison } from './books.js';
import { CrashLab } from './lab.js';
import { recover } from './recovery.js';
import type { Outcome } from './way.js';
import { BILL_CASES, type Case, die, failpointsWithoutWay, ORDINARY_CASES } from './ways.js';

/** What a lane has seen. */
interface Seen {
  died: Failpoint[];
  lived: string[];
  books: Comparison[];
}

export const crashes: Proof = {
  name: 'crashes',
  about: 'a process killed at every failpoint on every way that passes it: every fen is accounted for',
  // `ways`: how many ways that pass a point are walked in a run, drawn from the seed; 0: all of them.
  options: { runs: 1, ways: 0, seed: 1, lanes: 2 },
  async run({ runs = 1, ways = 0, seed = 1, lanes = 2 }) {
    const seconds = stopwatch();
    const chance = new Chance(seed);
    const report = new Report();
    const seen: Seen[] = [];
    for (let run = 1; run <= runs; run += 1) seen.push(...(await once(lanes, chosen(ways, chance), chance)));
    tell(seen, report);
    report.say('seconds', seconds());
    report.end();
  },
};

/** Every point on every way, shared out among lanes, each with a service, a database and a channel of its own. */
async function once(lanes: number, drawn: Case[], chance: Chance): Promise<Seen[]> {
  const place = await openPlace('crashes', lanes + 1);
  try {
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
        const own = [await walk(place, lane, lot, seeds[lane] as Chance)];
        if (lane === 0) own.push(await walk(place, lanes, ofBills, seeds[0] as Chance));
        return own;
      }),
    );
    return seen.flat();
  } finally {
    await place.close();
  }
}

async function walk(place: Place, lane: number, cases: readonly Case[], chance: Chance): Promise<Seen> {
  const lab = await CrashLab.open(place.databaseUrls[lane] as string, () => chance.between(400, 50_000));
  try {
    const outcomes: Outcome[] = [];
    const seen: Seen = { died: [], lived: [], books: [] };
    for (const one of cases) {
      const seconds = stopwatch();
      try {
        outcomes.push(await die(lab, one));
        seen.died.push(one.point);
        process.stdout.write(`  died at ${one.point.padEnd(36)} ${one.way.name.padEnd(20)} ${seconds()} s\n`);
      } catch (error) {
        // Whatever went wrong on one way, the others are walked.
        seen.lived.push(`${one.point} (${one.way.name}: ${one.way.about}): ${(error as Error).message}`);
      }
    }
    seen.books.push(await recover(lab, outcomes));
    return seen;
  } finally {
    await lab.close();
  }
}

function tell(seen: Seen[], report: Report): void {
  const died = seen.flatMap((one) => one.died);
  const lived = seen.flatMap((one) => one.lived);
  const reached = new Set(died);
  report.expect('points at which a process died', reached.size, FAILPOINTS.length);
  for (const point of FAILPOINTS.filter((one) => !reached.has(one))) report.say('never reached', point);
  for (const point of failpointsWithoutWay()) report.say('on no way', point);
  report.say('ways × points', ORDINARY_CASES.length + BILL_CASES.length);
  report.say('processes killed', died.length);
  for (const one of lived) report.say('not as it should be', one);
  report.expect('ways on which nothing died', lived.length, 0);
  const sums = { taken: 0, delivered: 0, refunded: 0, inCases: 0 };
  for (const books of seen.flatMap((one) => one.books))
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += books[name];
  report.say('taken, by the ledger of the simulator, in fen', sums.taken);
  report.say('delivered', sums.delivered);
  report.say('refunded', sums.refunded);
  report.say('in open cases', sums.inCases);
  const wrong = seen.flatMap((one) => one.books.flatMap((books) => books.wrong));
  for (const line of wrong.slice(0, 30)) report.say('wrong', line);
  report.expect('what the books do not agree in', wrong.length, 0);
}

/** In an order of their own: as many ways of each point as are wanted, or all. */
function chosen(ways: number, chance: Chance): Case[] {
  const walked = new Map<Failpoint, number>();
  return chance.shuffled([...ORDINARY_CASES, ...BILL_CASES]).filter(({ point }) => {
    const count = (walked.get(point) ?? 0) + 1;
    walked.set(point, count);
    return ways === 0 || count <= ways;
  });
}
