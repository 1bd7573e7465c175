import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { BuiltProgram } from '../dev/built-program.js';
import { TcpProxy } from '../dev/tcp-proxy.js';
import { waitFor } from '../dev/wait-for.js';
import { reportBooks, settledLater } from './compare-books.js';
import { DatabasePair } from './databases/database-pair.js';
import { callbacksOf, lostOf, paidOf } from './databases/promises.js';
import { isForLater, Sales } from './databases/sales.js';
import { type Scene, SCENES } from './databases/scenes.js';
import { HealthWatch } from './health-watch.js';
import { openPool } from './place.js';
import { Counts, type Report, seconds as secondsBetween } from './report.js';
import { proof } from './run.js';
import { Shop } from './shop.js';

const CUSTOMERS = 200;
/** Seconds of calm before and after each trouble. */
const CALM = 1;
/** Milliseconds without a refusal after which all is taken for right again, and for how long that is waited for. */
const RIGHT_FOR = 2500;
const RIGHT_WITHIN = 60_000;
/** Milliseconds within which a trouble must meet a customer. */
const MET_WITHIN = 60_000;
/** Sales that must have gone through since. */
const RIGHT_SALES = 5;

/** Everything that a scene is played with. */
interface Stage {
  pair: DatabasePair;
  proxy: TcpProxy;
  service: BuiltProgram;
  simulator: BuiltProgram;
  sales: Sales;
  health: HealthWatch;
  report: Report;
  /** Looks at the server that is the primary. */
  db: () => pg.Pool;
}

export const databases = proof({
  name: 'databases',
  about: 'fail-over, silence, standbys, locks, a full disk under sales: 503 meanwhile, nothing acknowledged is lost',
  options: { seconds: 10, lanes: 8, seed: 1 },
  texts: ['scene'],
  async run({ seconds, lanes, seed }, { report, cleanup, texts: { scene = '' } }) {
    const scenes = SCENES.filter((one) => scene === '' || one.name === scene);
    if (scenes.length === 0) throw new Error(`--scene is one of ${SCENES.map(({ name }) => name).join(', ')}`);
    const pair = await DatabasePair.open(cleanup, 'prove_databases');
    const proxy = await TcpProxy.to(pair.primaryUrl);
    cleanup.add(() => proxy.cut());
    const primary = openPool(cleanup, { connectionString: pair.primaryUrl });
    const standby = openPool(cleanup, { connectionString: pair.standbyUrl });
    const shop = await Shop.open(cleanup, { databaseUrl: proxy.url, db: primary, seed, customers: CUSTOMERS });
    const { service, simulator, tokens } = shop;
    const { pid } = service;
    const sales = new Sales(service, simulator, tokens);
    const health = new HealthWatch(service);
    const failedOver = scenes.some(({ name }) => name === 'fail-over');
    let after = false;
    const db = (): pg.Pool => (after ? standby : primary);
    const stage = { pair, proxy, service, simulator, sales, health, report, db };
    sales.begin(lanes);
    health.begin();
    let played = 0;
    for (const one of scenes) {
      const playing = play(stage, one, seconds);
      after = failedOver && one === scenes.at(-1);
      if (await playing) played += 1;
    }
    await health.end();
    await sales.end();
    process.stdout.write('books: when WeChat Pay has sent every notice again\n');
    const paid = await paidOf(simulator);
    report.expect('payments that were paid and are settled', await settledLater(db(), simulator, paid), paid.length);
    await reportBooks(report, db(), simulator);
    report.check('scenes played', `${played} of ${scenes.length}`, played > 0);
    const live = health.answers.filter(({ question, status }) => question === 'live' && status !== 200);
    report.expect('answers to /health/live that were not 200', live.length, 0);
    report.expect('times the service was restarted', service.pid === pid ? 0 : 1, 0);
  },
});

/** Plays one scene and reports of it. Answers false where it cannot be played. */
async function play(stage: Stage, scene: Scene, seconds: number): Promise<boolean> {
  const { sales, simulator, report, db } = stage;
  process.stdout.write(`${scene.name}: ${scene.about}\n`);
  const since = performance.now();
  const before = { callbacks: await callbacksOf(simulator), told: sales.told, odd: sales.odd.length };
  await sleep(CALM * 1000);
  const mend = await scene.begin(stage);
  if (!mend) {
    report.say('!!! SKIPPED', 'this user may not mount a small disk: run it as root');
    return false;
  }
  const from = performance.now();
  await sleep(Math.max(seconds, scene.least) * 1000);
  // A trouble that no customer has met yet has shown nothing.
  await waitFor(() => sales.answers.some(({ at, status }) => at > from && status === 503), { within: MET_WITHIN });
  await mend();
  const back = performance.now();
  const right = await waitFor(() => rightAgain(stage, back), { within: RIGHT_WITHIN });
  await sleep(CALM * 1000);

  const callbacks = await callbacksOf(simulator);
  for (const [kind, count] of sales.told) report.say(`acknowledged: ${kind}`, count - before.told.of(kind));
  const taken = callbacks.acknowledged.length - before.callbacks.acknowledged.length;
  report.check('acknowledged: callbacks', taken, taken > 0);
  const lost = await lostOf(db(), { ...sales.acknowledged, callbacks: callbacks.acknowledged });
  report.none('of all that was acknowledged so far, lost', lost, 10);
  sayAnswers(stage, { since, from, back });
  report.none('answers other than 2xx, 503, 429 and "still running"', sales.odd.slice(before.odd), 10);
  sayCallbacks(report, callbacks.byStatus, before.callbacks.byStatus);
  checkReadiness(stage, scene, { from, back });
  report.check('seconds until right again after the database is', right ?? 'never', right !== null);
  return true;
}

/** Seconds from `back` to the last refusal, or to the first sales and the first readiness if that is later. */
function rightAgain({ sales, health }: Stage, back: number): number | null {
  const refused = sales.answers.filter((one) => one.at > back && isForLater(one)).at(-1)?.at ?? back;
  const ready = health.answers.find(
    ({ question, begun, status }) => question === 'ready' && begun > back && status === 200,
  )?.at;
  const sold = sales.sold.filter(({ begun }) => begun > back).at(RIGHT_SALES - 1)?.ended;
  if (ready === undefined || sold === undefined || performance.now() < refused + RIGHT_FOR) return null;
  return secondsBetween(back, Math.max(refused, ready, sold));
}

function sayAnswers(
  { sales, report }: Stage,
  { since, from, back }: { since: number; from: number; back: number },
): void {
  const seen = sales.answers.filter(({ at }) => at > since);
  const byStatus = Counts.of(seen.map(({ status, code }) => (status === 409 ? `409 ${code}` : `${status}`)));
  report.say('answers to customers by status', byStatus);
  report.check('of these 503', byStatus.of('503'), byStatus.of('503') > 0);
  const slowest = Math.max(0, ...seen.map(({ begun, at }) => at - begun));
  report.say('slowest answer, in seconds', secondsBetween(0, slowest));
  report.say('the trouble lasted, in seconds', secondsBetween(from, back));
}

/** 500 is what WeChat Pay is told of our own failure, by contract: it sends the notice again. */
function sayCallbacks(report: Report, now: Counts<number>, before: Counts<number>): void {
  const byStatus = new Counts<number>();
  for (const [status, count] of now) if (count > before.of(status)) byStatus.add(status, count - before.of(status));
  report.say('answers to callbacks by status', byStatus);
  const odd = [...byStatus.keys()].filter((status) => ![0, 200, 500, 503].includes(status));
  report.none('kinds of them that mean neither "taken" nor "again"', odd.map(String));
}

function checkReadiness(
  { health, report }: Stage,
  { unready }: Scene,
  { from, back }: { from: number; back: number },
): void {
  const meanwhile = Counts.of(
    health.answers
      .filter(({ question, begun, at }) => question === 'ready' && begun > from && at < back)
      .map(({ status }) => status),
  );
  const refused = meanwhile.of(503);
  const right = unready ? refused > 0 && refused === meanwhile.sum : meanwhile.of(200) + refused === meanwhile.sum;
  report.check('/health/ready meanwhile', meanwhile, right);
}
