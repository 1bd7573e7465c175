import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { BuiltProgram } from '../dev/built-program.js';
import { reportBooks } from './books.js';
import { DatabasePair } from './databases/database-pair.js';
import { callbacksOf, lostOf, unsettledLater } from './databases/promises.js';
import { isForLater, Sales } from './databases/sales.js';
import { type Scene, SCENES } from './databases/scenes.js';
import { HealthWatch } from './health-watch.js';
import { openShop, type Shop } from './processes.js';
import { type Proof, Report } from './proof.js';
import { TcpProxy } from './tcp-proxy.js';

const CUSTOMERS = 200;
/** Seconds of calm before and after each trouble. */
const CALM = 1;
/** Milliseconds without a refusal after which all is taken for right again, and for how long that is waited for. */
const RIGHT_FOR = 2500;
const RIGHT_WITHIN = 60_000;
/** Milliseconds within which a trouble must meet somebody. */
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
  /** Looks at whichever server is the primary. */
  db: () => pg.Pool;
}

export const databases: Proof = {
  name: 'databases',
  about: 'fail-over, silence, standbys, locks, a full disk under sales: 503 meanwhile, nothing acknowledged is lost',
  options: { seconds: 10, lanes: 8, seed: 1 },
  texts: ['scene'],
  async run({ seconds = 10, lanes = 8, seed = 1 }, { scene = '' }) {
    const scenes = SCENES.filter((one) => scene === '' || one.name === scene);
    if (scenes.length === 0) throw new Error(`--scene is one of ${SCENES.map(({ name }) => name).join(', ')}`);
    const pair = await DatabasePair.open('prove_databases');
    const proxy = await TcpProxy.to(pair.primaryUrl);
    const pools = [pair.primaryUrl, pair.standbyUrl].map((connectionString) => new pg.Pool({ connectionString }));
    for (const pool of pools) pool.on('error', () => undefined);
    const [primary, standby] = pools as [pg.Pool, pg.Pool];
    let shop: Shop | null = null;
    try {
      shop = await openShop({ databaseUrl: proxy.url, db: primary, seed, customers: CUSTOMERS });
      const { service, simulator, tokens } = shop;
      const { pid } = service;
      const sales = new Sales(service, simulator, tokens);
      const health = new HealthWatch(service);
      const report = new Report();
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
      await checkBooks(stage);
      report.check('scenes played', `${played} of ${scenes.length}`, played > 0);
      const live = health.answers.filter(({ question, status }) => question === 'live' && status !== 200);
      report.expect('answers to /health/live that were not 200', live.length, 0);
      report.expect('times the service was restarted', service.pid === pid ? 0 : 1, 0);
      report.end();
    } finally {
      await shop?.close();
      await Promise.all(pools.map((pool) => pool.end()));
      await proxy.cut();
      await pair.close();
    }
  },
};

/** Plays one scene and reports of it. Answers false where it cannot be played. */
async function play(stage: Stage, scene: Scene, seconds: number): Promise<boolean> {
  const { sales, simulator, report, db } = stage;
  process.stdout.write(`${scene.name}: ${scene.about}\n`);
  const since = performance.now();
  const before = { callbacks: await callbacksOf(simulator), told: countsOf(sales), odd: sales.odd.length };
  await sleep(CALM * 1000);
  const mend = await scene.begin(stage);
  if (!mend) {
    report.say('!!! SKIPPED', 'this user may not mount a small disk: run it as root');
    return false;
  }
  const from = performance.now();
  await sleep(Math.max(seconds, scene.least) * 1000);
  await untilRefused(stage, from);
  await mend();
  const back = performance.now();
  const right = await untilRight(stage, back);
  await sleep(CALM * 1000);

  const callbacks = await callbacksOf(simulator);
  const told = countsOf(sales);
  for (const kind of Object.keys(told) as (keyof typeof told)[]) {
    report.say(`acknowledged: ${kind}`, told[kind] - before.told[kind]);
  }
  const taken = callbacks.acknowledged.length - before.callbacks.acknowledged.length;
  report.check('acknowledged: callbacks', taken, taken > 0);
  const lost = await lostOf(db(), { ...sales.acknowledged, callbacks: callbacks.acknowledged });
  for (const one of lost.slice(0, 10)) report.say('lost', one);
  report.expect('of all that was acknowledged so far, lost', lost.length, 0);
  sayAnswers(stage, { since, from, back });
  for (const one of sales.odd.slice(before.odd).slice(0, 10)) report.say('odd', one);
  report.expect('answers other than 2xx, 503, 429 and "still running"', sales.odd.length - before.odd, 0);
  sayCallbacks(report, callbacks.byStatus, before.callbacks.byStatus);
  checkReadiness(stage, scene, { from, back });
  report.check('seconds until right again after the database is', right ?? 'never', right !== null);
  return true;
}

/** A trouble that no customer has met yet has shown nothing. */
async function untilRefused({ sales }: Stage, from: number): Promise<void> {
  while (
    performance.now() < from + MET_WITHIN &&
    !sales.answers.some(({ at, status }) => at > from && status === 503)
  ) {
    await sleep(50);
  }
}

/** Seconds from `back` to the last refusal, or to the first sales and the first readiness if that is later. */
async function untilRight({ sales, health }: Stage, back: number): Promise<number | null> {
  while (performance.now() < back + RIGHT_WITHIN) {
    await sleep(50);
    const refused = sales.answers.filter((one) => one.at > back && isForLater(one)).at(-1)?.at ?? back;
    const ready = health.answers.find(
      ({ question, begun, status }) => question === 'ready' && begun > back && status === 200,
    )?.at;
    const sold = sales.sold.filter(({ begun }) => begun > back).at(RIGHT_SALES - 1)?.ended;
    if (ready === undefined || sold === undefined || performance.now() < refused + RIGHT_FOR) continue;
    return Math.round((Math.max(refused, ready, sold) - back) / 100) / 10;
  }
  return null;
}

function sayAnswers(
  { sales, report }: Stage,
  { since, from, back }: { since: number; from: number; back: number },
): void {
  const seen = sales.answers.filter(({ at }) => at > since);
  const byStatus: Record<string, number> = {};
  for (const { status, code } of seen) {
    const name = status === 409 ? `409 ${code}` : `${status}`;
    byStatus[name] = (byStatus[name] ?? 0) + 1;
  }
  report.say('answers to customers by status', JSON.stringify(byStatus));
  const refused = seen.filter(({ status }) => status === 503).length;
  report.check('of these 503', refused, refused > 0);
  const slowest = Math.max(0, ...seen.map(({ begun, at }) => at - begun));
  report.say('slowest answer, in seconds', Math.round(slowest / 100) / 10);
  report.say('the trouble lasted, in seconds', Math.round((back - from) / 100) / 10);
}

/** 500 is what WeChat Pay is told of our own failure, by contract: it sends the notice again. */
function sayCallbacks(report: Report, now: Record<string, number>, before: Record<string, number>): void {
  const byStatus = Object.fromEntries(
    Object.entries(now)
      .map(([status, count]) => [status, count - (before[status] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
  report.say('answers to callbacks by status', JSON.stringify(byStatus));
  const odd = Object.keys(byStatus).filter((status) => !['0', '200', '500', '503'].includes(status));
  report.expect('kinds of them that mean neither "taken" nor "again"', odd.length, 0);
}

function checkReadiness(
  { health, report }: Stage,
  { unready }: Scene,
  { from, back }: { from: number; back: number },
): void {
  const meanwhile = health.answers.filter(
    ({ question, begun, at }) => question === 'ready' && begun > from && at < back,
  );
  const count = (wanted: number): number => meanwhile.filter(({ status }) => status === wanted).length;
  const evidence = `200: ${count(200)}, 503: ${count(503)}, other: ${meanwhile.length - count(200) - count(503)}`;
  if (unready) report.check('/health/ready meanwhile', evidence, count(503) > 0 && count(503) === meanwhile.length);
  else report.check('/health/ready meanwhile', evidence, count(200) + count(503) === meanwhile.length);
}

function countsOf({ acknowledged }: Sales): Record<'orders' | 'payments' | 'started' | 'succeeded', number> {
  const { orders, payments, started, succeeded } = acknowledged;
  return {
    orders: orders.length,
    payments: payments.length,
    started: started.length,
    succeeded: succeeded.length,
  };
}

async function checkBooks({ simulator, report, db }: Stage): Promise<void> {
  process.stdout.write('books: when WeChat Pay has sent every notice again\n');
  report.expect('payments that were paid and are not settled', await unsettledLater(db(), simulator), 0);
  await reportBooks(db(), simulator, report);
}
