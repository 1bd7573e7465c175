import { Cleanup } from '../dev/cleanup.js';
import { attack, type Campaign } from './hostile/campaign.js';
import { type ProviderName, startTarget } from './hostile/target.js';
import { inWords, type Vitals } from './hostile/vitals.js';
import { openPlace } from './place.js';
import { Chance } from './random.js';
import { type Report, stopwatch } from './report.js';
import { proof } from './run.js';

/** How much more a service may hold at the end than when it had met a tenth of it all. */
const MORE_MB = { resident: 48, heap: 8 };
const MORE_HANDLES = 4;
const POOL = 10;

/** Below this, what a process needs to get going is most of what it takes: nothing is said of its memory. */
const ENOUGH_FOR_MEMORY = 20_000;

export const hostile = proof({
  name: 'hostile',
  about: 'no input makes the service fail, tell anything or move a row; --requests for each of the two providers',
  options: { requests: 100_000, seed: 1 },
  async run(options, { report }) {
    for (const provider of ['wechat', 'mock'] as const) await against(provider, options, report);
  },
});

async function against(
  provider: ProviderName,
  { requests, seed }: { requests: number; seed: number },
  report: Report,
): Promise<void> {
  const cleanup = new Cleanup();
  try {
    const { databaseUrl } = await openPlace(cleanup, `hostile_${provider}`);
    const target = await startTarget(cleanup, provider, databaseUrl, seed);
    const elapsed = stopwatch();
    const campaign = await attack(target, requests, new Chance(seed));
    process.stdout.write(`provider ${provider}, seed ${seed}, ${elapsed()} s\n`);
    tell(campaign, report);
    target.keepLog = campaign.judge.wrongCount > 0;
    if (requests >= ENOUGH_FOR_MEMORY) compareVitals(campaign.vitals, report);
  } finally {
    await cleanup.run();
  }
}

function tell({ judge, routes, strangersIds }: Campaign, report: Report): void {
  for (const [kind, statuses] of [...judge.byKind].sort(([one], [other]) => one.localeCompare(other)))
    report.say(kind, `${String(statuses.sum).padEnd(7)} ${String(statuses)}`);
  for (const { name } of routes) report.say(name, judge.byRoute.of(name));
  report.say('answers by status', judge.byStatus);
  report.say("pairs of a stranger's id and an unknown one", strangersIds);
  report.say('refused with 503 and Retry-After', judge.throttled);
  // A busy machine may be late with a few, which are sent again. Many would be a connection that stands still.
  report.check('genuine callbacks not settled within 4.5 s', judge.late, judge.late * 1000 <= judge.inputs);
  const flood = judge.byKind.get('callback: flood')?.get(429) ?? 0;
  report.check('bad callbacks of one address stopped with 429', flood, flood > 0);
  for (const line of judge.wrong.slice(0, 60)) report.say('WRONG', line);
  report.expect('answers and rows that are wrong', judge.wrongCount, 0);
  report.check('hostile inputs', judge.inputs, judge.inputs > 0);
}

function compareVitals(seen: Vitals[], report: Report): void {
  for (const one of seen) report.say('the service', inWords(one));
  const [warm, end] = [seen[0], seen.at(-1)];
  if (!warm || !end) return report.say('memory and handles', 'not measured: there is no /proc here');
  const grown = (what: string, name: 'residentMb' | 'heapMb' | 'handles', most: number): void => {
    const more = end[name] - warm[name];
    report.check(`${what} more than after a tenth`, more, more <= most);
  };
  grown('MB resident', 'residentMb', MORE_MB.resident);
  grown('MB heap', 'heapMb', MORE_MB.heap);
  grown('open handles', 'handles', MORE_HANDLES);
  report.check('connections to the database', end.connections, end.connections <= POOL);
}
