import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../bench/service.js';
import { emptyFolder, openPlace, type Place } from './place.js';
import { Balancer, Program, startSimulatorProgram, tell } from './processes.js';
import { type Proof, Report, stopwatch } from './proof.js';
import { Chance } from './random.js';
import { balance } from './soak-books.js';
import { type Fate, NOT_CLOSED, OTHER_AMOUNT, SoakShop } from './soak-shop.js';

const PROCESSES = 3;
const LANES = 32;
/** Lanes for those who only wait until a payment has expired. */
const PATIENT_LANES = 400;
const REST_WITHIN = 240_000;

/** A third of the notices dropped, a third doubled or late; calls that fail, before and after their work was done. */
const FAULTS = {
  rules: [
    { at: 'payment_notice', do: 'lose', probability: 1 / 3 },
    { at: 'payment_notice', do: 'hold_back', seconds: 20, probability: 1 / 4 },
    { at: 'payment_notice', do: 'double', probability: 1 / 3 },
    { at: 'refund_notice', do: 'lose', probability: 1 / 10 },
    { at: 'payment_notice', do: 'wrong_amount', match: OTHER_AMOUNT },
    { at: 'query', do: 'wrong_amount', match: OTHER_AMOUNT },
    { at: 'close', do: 'error', status: 404, code: 'ORDER_NOT_EXIST', match: NOT_CLOSED },
    { at: 'query', do: 'error', status: 500, code: 'SYSTEM_ERROR', probability: 0.02 },
    { at: 'close', do: 'error', status: 500, code: 'SYSTEM_ERROR', probability: 0.05, when: 'after' },
    { at: 'order', do: 'error', status: 500, code: 'SYSTEM_ERROR', probability: 0.02, when: 'after' },
    { at: 'refund', do: 'error', status: 500, code: 'SYSTEM_ERROR', probability: 0.05, when: 'after' },
  ],
};

export const soak: Proof = {
  name: 'soak',
  about:
    'callbacks dropped, doubled and late, three processes, one of them killed at random: every fen is accounted for',
  options: { payments: 10_000, seed: 1 },
  async run({ payments = 0, seed = 1 }) {
    const place = await openPlace('soak');
    const chance = new Chance(seed);
    const programs: Program[] = [];
    const living = (): Program[] => programs.filter((program) => program.alive);
    const balancer = await Balancer.listen(() => chance.pick(living())?.port ?? null);
    const folder = await emptyFolder('simulator');
    const { program: simulator, env } = await startSimulatorProgram(folder, balancer.port, {
      seed,
      refundDelaySeconds: 2,
    });
    const shopEnv: Record<string, string> = {
      ...env,
      DATABASE_URL: place.databaseUrl,
      JWT_SECRET: randomBytes(32).toString('hex'),
      PAYMENT_TTL_SECONDS: '45',
      CHANNEL_QUERIES_PER_SECOND: '300',
      LOG_LEVEL: 'error',
    };
    try {
      await tell(simulator, 'PUT', '/_sim/faults', FAULTS);
      for (let index = 0; index < PROCESSES; index += 1) {
        const port = await freePort();
        const own = { ...shopEnv, PORT: String(port) };
        programs.push(new Program('dist/src/main.js', [], own, port, '/health/ready'));
      }
      await programs[0]?.start();
      await Promise.all(programs.slice(1).map((program) => program.start()));
      const alive = (): Program => chance.pick(living().length > 0 ? living() : programs);
      const shop = new SoakShop(place.db, simulator, alive, shopEnv, chance);
      await shop.open();
      const report = new Report();
      const firstDay = chinaDay();
      await live(shop, payments, chance, programs, report);
      await rest(place, report, 'at rest after');
      // A day and a half later: every notice that was not taken has been sent again, and the bill of the day is there.
      await tell(simulator, 'POST', '/_sim/clock', { advance_seconds: 36 * 3600 });
      await tell(simulator, 'POST', '/_sim/settled', {});
      // Paydesk's clock did not move: what it sent back during the comparison would count to a day that is over there.
      await Promise.all(programs.map((program) => program.end('SIGTERM')));
      for (const day of new Set([firstDay, chinaDay()])) report.say(`the bill of ${day}`, compareBill(day, shopEnv));
      await Promise.all(programs.map((program) => program.start()));
      await rest(place, report, 'at rest again after');
      await balance(
        place.db,
        await tell(simulator, 'GET', '/_sim/ledger'),
        await tell(simulator, 'GET', '/_sim/notices'),
        report,
      );
      report.end();
    } finally {
      await Promise.all(programs.map((program) => program.end('SIGTERM')));
      await simulator.end('SIGTERM');
      await balancer.close();
      await place.close();
    }
  },
};

/** All payments live through their fates while processes are killed and started again. */
async function live(
  shop: SoakShop,
  payments: number,
  chance: Chance,
  programs: Program[],
  report: Report,
): Promise<void> {
  const seconds = stopwatch();
  const fates = Array.from({ length: payments }, () => fateOf(chance));
  const made: Record<string, number> = {};
  for (const fate of fates) made[fate] = (made[fate] ?? 0) + 1;
  const killing = new AbortController();
  const kills = killAtRandom(programs, chance, killing.signal);
  // A process that does not come back fails the proof where its kills are counted.
  kills.catch(() => undefined);
  // Those who pay when it is too late wait in lanes of their own, begun first.
  const patient = fates.flatMap((fate, index) => (fate === 'after_expiry' ? [{ fate, index }] : []));
  const brisk = fates.flatMap((fate, index) => (fate === 'after_expiry' ? [] : [{ fate, index }]));
  await Promise.all([
    inLanes(patient, PATIENT_LANES, ({ fate, index }) => shop.live(fate, index)),
    inLanes(brisk, LANES, ({ fate, index }) => shop.live(fate, index)),
  ]);
  report.say('payments begun', `${payments} in ${seconds()} s`);
  report.say('of these', JSON.stringify(made));
  killing.abort();
  report.say('times a process was killed and started again', await kills);
}

function fateOf(chance: Chance): Fate {
  const drawn = chance.next();
  if (drawn < 0.06) return 'after_expiry';
  if (drawn < 0.12) return 'twice';
  if (drawn < 0.15) return 'other_amount';
  return drawn < 0.25 ? 'unpaid' : 'prompt';
}

async function inLanes<T>(items: T[], lanes: number, work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Kills one of the processes every few seconds, and starts it again a moment later. Answers how often. */
async function killAtRandom(programs: Program[], chance: Chance, signal: AbortSignal): Promise<number> {
  let kills = 0;
  const wait = (milliseconds: number): Promise<unknown> =>
    sleep(milliseconds, undefined, { signal }).catch(() => undefined);
  for (;;) {
    await wait(chance.between(3000, 9000));
    if (signal.aborted) return kills;
    const victim = chance.pick(programs);
    await victim.end('SIGKILL');
    kills += 1;
    await wait(chance.between(200, 2000));
    await victim.start();
  }
}

/** Waits until nothing is under way but what a case holds. */
async function rest({ db }: Place, report: Report, label: string): Promise<void> {
  const seconds = stopwatch();
  const until = performance.now() + REST_WITHIN;
  for (;;) {
    await sleep(1000);
    const { rows } = await db.query<{ left: number }>(
      `SELECT (SELECT count(*) FROM payments p WHERE p.status IN ('init', 'processing') AND NOT EXISTS (
                 SELECT FROM discrepancies d WHERE d.payment_id = p.id AND d.status = 'open'))::int
            + (SELECT count(*) FROM refunds WHERE status IN ('requested', 'processing'))::int AS left`,
    );
    const left = rows[0]?.left ?? 0;
    if (left > 0 && performance.now() < until) continue;
    report.check(label, left === 0 ? `${seconds()} s` : `${left} are still under way`, left === 0);
    return;
  }
}

/** China's day now. */
export function chinaDay(): string {
  return new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 10);
}

/** What an operator does a day later. Answers what it found; cases that remain are not a failure of the command. */
export function compareBill(day: string, env: Record<string, string>): string {
  const args = ['dist/src/cli.js', 'reconcile_bill', '--date', day, '--json'];
  const { stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 });
  if (!stdout.startsWith('{')) throw new Error(`reconcile_bill: ${stderr}`);
  const { lines, healed, differences } = JSON.parse(stdout) as Record<string, unknown>;
  return JSON.stringify({ lines, healed, differences });
}
