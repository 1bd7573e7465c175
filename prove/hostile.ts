import { attack, type Campaign } from './hostile/campaign.js';
import { type ProviderName, startTarget } from './hostile/target.js';
import { inWords, type Vitals } from './hostile/vitals.js';
import { openPlace } from './place.js';
import { type Proof, Report, stopwatch } from './proof.js';
import { Chance } from './random.js';

/** How much more a service may hold at the end than when it had met a tenth of it all. */
const MORE_MB = { resident: 48, heap: 8 };
const MORE_HANDLES = 4;
const POOL = 10;

/** Below this, what a process needs to get going is most of what it takes: nothing is said of its memory. */
const ENOUGH_FOR_MEMORY = 20_000;

export const hostile: Proof = {
  name: 'hostile',
  about: 'no input makes the service fail, tell anything or move a row; --requests for each of the two providers',
  options: { requests: 100_000, seed: 1 },
  async run({ requests = 0, seed = 1 }) {
    const report = new Report();
    for (const provider of ['wechat', 'mock'] as const) await against(provider, requests, seed, report);
    report.end();
  },
};

async function against(provider: ProviderName, requests: number, seed: number, report: Report): Promise<void> {
  const place = await openPlace(`hostile_${provider}`);
  try {
    const target = await startTarget(provider, place.databaseUrl, seed);
    let wrong = true;
    try {
      const seconds = stopwatch();
      const campaign = await attack(target, requests, new Chance(seed));
      process.stdout.write(`provider ${provider}, seed ${seed}, ${seconds()} s\n`);
      tell(campaign, report);
      wrong = campaign.judge.wrongCount > 0;
      if (requests >= ENOUGH_FOR_MEMORY) compareVitals(campaign.vitals, report);
    } finally {
      await target.close(wrong);
    }
  } finally {
    await place.close();
  }
}

function tell({ judge, routes, strangersIds }: Campaign, report: Report): void {
  for (const [kind, statuses] of [...judge.byKind].sort(([one], [other]) => one.localeCompare(other))) {
    const sum = [...statuses.values()].reduce((all, count) => all + count, 0);
    const answers = [...statuses].sort(([one], [other]) => one - other).map(([status, count]) => `${status} ×${count}`);
    report.say(kind, `${String(sum).padEnd(7)} ${answers.join('  ')}`);
  }
  for (const { name } of routes) report.say(name, judge.byRoute.get(name) ?? 0);
  const statuses = [...judge.byStatus].sort(([one], [other]) => one - other);
  report.say('answers by status', statuses.map(([status, count]) => `${status} ×${count}`).join('  '));
  report.say("pairs of a stranger's id and nobody's", strangersIds);
  report.say('refused with 503 and Retry-After', judge.throttled);
  // A busy machine may be late with a few, which are sent again. Many would be a lane that stands still.
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
  const more = (name: 'residentMb' | 'heapMb' | 'handles'): number => end[name] - warm[name];
  report.check('MB resident more than after a tenth', more('residentMb'), more('residentMb') <= MORE_MB.resident);
  report.check('MB heap more than after a tenth', more('heapMb'), more('heapMb') <= MORE_MB.heap);
  report.check('open handles more than after a tenth', more('handles'), more('handles') <= MORE_HANDLES);
  report.check('connections to the database', end.connections, end.connections <= POOL);
}
