import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BuiltProgram, memoryOf } from '../dev/built-program.js';
import { HealthWatch, metric, untilServed } from './health-watch.js';
import { checkRows, settle } from './overload/books.js';
import type { HoldOrder, HoldReport } from './overload/hold.js';
import type { LoadOrder, MixOrder, MixReport } from './overload/load.js';
import { openPlace, type Place } from './place.js';
import type { Report } from './report.js';
import { proof } from './run.js';
import { Shop } from './shop.js';
import { pay } from './simulator.js';

const CUSTOMERS = 200;
/** Connections that use the service up without a queue. */
const CALM = 24;
const TIMES_ITS_CAPACITY = 10;
/** What a served customer may have waited in the storm, at least. */
const PATIENCE_MS = 10_000;
/** As many as may be in work in the two bulkheads: a slow machine takes twice its time for them. */
const FULL_HOUSE = 200;
/** Of its capacity, what it still has to serve in the storm. */
const STILL_SERVED = 0.5;

const SHOP_LOAD = { login: 8, products: 16, orders: 20, order: 24, payment: 16, start: 12, forged: 4 };
const SALES = { order: 1, payment: 1, start: 1 };
const LOOKS = { products: 1, orders: 1 };

const GET_LIVE = 'GET /health/live HTTP/1.1\r\nHost: paydesk\r\n\r\n';
const HALF_A_HEAD = 'GET /api/products/ HTTP/1.1\r\nHost: paydesk\r\nX-Slow: ';
const HALF_A_BODY =
  'POST /api/orders/ HTTP/1.1\r\nHost: paydesk\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n';

/** Everything that the parts of this proof share. */
interface Stage {
  place: Place;
  service: BuiltProgram;
  simulator: BuiltProgram;
  report: Report;
  mix: (order: Partial<MixOrder>) => Promise<MixReport>;
  /** Every load that was made, for the books. */
  loads: MixReport[];
}

interface Calm {
  perSecond: number;
  p99: number;
  memory: number;
}

export const overload = proof({
  name: 'overload',
  about: 'ten times the load it can carry, dribbling clients, 10,000 idle ones: excess refused in time, nothing lost',
  options: { connections: 2000, seconds: 20, idle: 10_000, slow: 500, seed: 1 },
  async run({ connections, seconds, idle, slow, seed }, { report, cleanup }) {
    const place = await openPlace(cleanup, 'overload');
    const { databaseUrl, db } = place;
    const env = { LOGINS_PER_MINUTE: '1000000' };
    const shop = await Shop.open(cleanup, { databaseUrl, db, seed, customers: CUSTOMERS, env });
    const { service, simulator, tokens } = shop;
    const { port } = service;
    const loads: MixReport[] = [];
    const mix = async (order: Partial<MixOrder>): Promise<MixReport> => {
      const own = { kind: 'mix' as const, port, tokens, connections: CALM, seconds: 5, rate: 0, weights: SHOP_LOAD };
      loads.push(await load<MixReport>({ ...own, seed: seed * 100 + loads.length, ...order }));
      return loads.at(-1) as MixReport;
    };
    const stage: Stage = { place, service, simulator, report, mix, loads };
    const calm = await measureCalm(stage);
    const paid = await storm(stage, calm, { connections, seconds });
    await checkBooks(stage, paid);
    await holdOpen(stage, calm, { idle, slow });
  },
});

async function measureCalm({ mix, service, report }: Stage): Promise<Calm> {
  await mix({});
  const seen = await mix({ seconds: 8 });
  const { now } = memory(service);
  const perSecond = seen.begun / seen.seconds;
  report.say(`capacity, ${CALM} connections, requests/s`, Math.round(perSecond));
  sayMix(report, 'calm', seen);
  report.check('requests refused in calm', seen.refused.count, seen.refused.count === 0);
  report.say('memory in calm, MB', now);
  return { perSecond, p99: seen.own.p99, memory: now };
}

/** Ten times as much as it can carry, while payments that were begun before are paid. Answers those. */
async function storm(
  { mix, service, simulator, report }: Stage,
  calm: Calm,
  { connections, seconds }: { connections: number; seconds: number },
): Promise<string[]> {
  const sold = await mix({ weights: SALES, seconds: 8 });
  const begun = sold.made.started;
  const health = new HealthWatch(service);
  health.begin();
  const rate = calm.perSecond * TIMES_ITS_CAPACITY;
  const [seen] = await Promise.all([
    mix({ connections, seconds, rate }),
    payAll(simulator, begun, (seconds * 1000 * 0.8) / Math.max(1, begun.length)),
  ]);
  const recovered = await untilServed(service.url, { inARow: 20, withinMs: Math.max(100, calm.p99), patience: 30_000 });
  await health.end();
  const offered = (seen.begun + seen.waited) / seen.seconds;
  report.say(`offered over ${connections} connections, requests/s`, Math.round(offered));
  report.check('that is, of the capacity', (offered / calm.perSecond).toFixed(1), offered >= calm.perSecond * 8);
  report.say('of these held off: each connection still waited', seen.waited);
  sayMix(report, 'storm', seen);
  const { refused } = seen;
  report.check('refused', refused.count, refused.count > 0);
  report.expect('of these with Retry-After', refused.withRetryAfter, refused.count);
  report.expect('of these as documented', refused.asDocumented, refused.count);
  report.check('connections lost', seen.byStatus['0'] ?? 0, (seen.byStatus['0'] ?? 0) === 0);
  report.check('500s', seen.byStatus['500'] ?? 0, (seen.byStatus['500'] ?? 0) === 0);
  const served = (seen.own.count + seen.channel.count) / seen.seconds;
  const share = served / calm.perSecond;
  report.check('served, of the capacity', share.toFixed(2), share >= STILL_SERVED);
  const patience = Math.max(PATIENCE_MS, (2 * FULL_HOUSE * 1000) / calm.perSecond);
  report.check('p99 of the served, ms', seen.own.p99, seen.own.p99 <= patience);
  const { peak } = memory(service);
  report.check('memory at its highest, MB', peak, peak <= calm.memory * 2);
  const slowest = Math.max(0, ...health.answers.map(({ begun, at }) => Math.round(at - begun)));
  report.say('health, slowest answer in ms', slowest);
  const live = health.byStatus('live');
  report.check('/health/live', live, [...live.keys()].join() === '200');
  report.say('/health/ready', health.byStatus('ready'));
  report.check('seconds until all is served as in calm', recovered ?? 'never', recovered !== null && recovered <= 10);
  const lost = await metric(service.url, 'paydesk_requests_refused_total{kind="callback"}');
  report.expect('callbacks refused', lost, 0);
  return begun;
}

/** In whole MB. */
function memory({ pid }: BuiltProgram): { now: number; peak: number } {
  const { now = NaN, peak = NaN } = memoryOf(pid) ?? {};
  return { now: Math.round(now), peak: Math.round(peak) };
}

/** The payers pay, one after the other; WeChat Pay tells of each. */
async function payAll(simulator: BuiltProgram, ids: string[], apartMs: number): Promise<void> {
  for (const id of ids) {
    await pay(simulator, id);
    await sleep(apartMs);
  }
}

async function checkBooks({ place, simulator, service, loads, report }: Stage, paid: string[]): Promise<void> {
  await settle(place.db, simulator, paid, report);
  await checkRows(place.db, loads, CUSTOMERS, report);
  for (const kind of ['own', 'channel', 'callback']) {
    const inWork = await metric(service.url, `paydesk_requests_in_flight{kind="${kind}"}`);
    report.expect(`in work at rest, ${kind}`, inWork, 0);
  }
}

/** Connections that only hold a place, beside customers who look around. */
async function holdOpen(
  { mix, service, report }: Stage,
  calm: Calm,
  { idle, slow }: { idle: number; slow: number },
): Promise<void> {
  const alone = await mix({ weights: LOOKS });
  sayMix(report, 'customers who only look', alone);
  const bound = Math.max(3000, alone.own.p99 * 5);
  const held = { dribble: false, patience: 60_000 };
  const slowly = { ...held, connections: slow, dribble: true };
  const silently = { ...held, connections: idle };
  const parts: [string, Omit<HoldOrder, 'kind' | 'port'>, number][] = [
    [`${slow} headers, a byte a second`, { ...slowly, opening: HALF_A_HEAD }, 20],
    [`${slow} bodies, a byte a second`, { ...slowly, opening: HALF_A_BODY }, 25],
    [`${idle} connections without a word`, { ...silently, opening: '' }, 30],
    [`${idle} connections after one answer`, { ...silently, opening: GET_LIVE, patience: 120_000 }, 90],
  ];
  for (const [what, order, within] of parts.filter(([, order]) => order.connections > 0)) {
    const holding = holdConnections({ kind: 'hold', port: service.port, ...order });
    const opened = await holding.opened;
    const beside = await mix({ weights: LOOKS });
    const seen = await holding.done;
    report.check(what, opened, opened === order.connections);
    const undisturbed = beside.own.p99 <= bound && beside.refused.count === 0;
    report.check('  p99 of others meanwhile, ms', beside.own.p99, undisturbed);
    const took = `${seen.closed} after ${seen.shortest} to ${seen.longest} s`;
    report.check('  cut off by the server', took, seen.closed === opened && seen.longest <= within);
  }
  const { now, peak } = memory(service);
  report.check('memory, now and at its highest, MB', `${now} / ${peak}`, peak <= calm.memory * 3);
}

function sayMix(report: Report, what: string, { byStatus, own, channel, refused }: MixReport): void {
  report.say(`${what}: answers by status`, JSON.stringify(byStatus));
  for (const [kind, { count, p50, p99 }] of Object.entries({ own, 'that call the channel': channel, refused })) {
    if (count > 0) report.say(`  ${kind}: count, p50, p99 in ms`, `${count}, ${p50}, ${p99}`);
  }
}

/** The load is made by a process of its own, which answers with this when it is done, or first with what it holds. */
function begin(order: LoadOrder): () => Promise<{ report: unknown; holding: number }> {
  const child = fork('dist/prove/overload/load.js');
  child.send(order);
  return async () => ((await once(child, 'message')) as [{ report: unknown; holding: number }])[0];
}

async function load<R>(order: LoadOrder): Promise<R> {
  return (await begin(order)()).report as R;
}

function holdConnections(order: HoldOrder): { opened: Promise<number>; done: Promise<HoldReport> } {
  const next = begin(order);
  const opened = next().then(({ holding }) => holding);
  return { opened, done: opened.then(next).then(({ report }) => report as HoldReport) };
}
