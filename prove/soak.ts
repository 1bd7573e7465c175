import { setTimeout as sleep } from 'node:timers/promises';
import type { BuiltProgram } from '../dev/built-program.js';
import { reportBooks } from './books.js';
import { Fleet, inLanes, untilAtRest } from './fleet.js';
import { type Proof, Report, stopwatch } from './proof.js';
import { Chance } from './random.js';
import { type Fate, NOT_CLOSED, OTHER_AMOUNT, SoakShop } from './soak-shop.js';

const PROCESSES = 3;
const LANES = 32;
/** Lanes for those who only wait until a payment has expired. */
const PATIENT_LANES = 400;

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

/** What is under way and no case holds. */
const UNDER_WAY = `SELECT (SELECT count(*) FROM payments p WHERE p.status IN ('init', 'processing') AND NOT EXISTS (
                 SELECT FROM discrepancies d WHERE d.payment_id = p.id AND d.status = 'open'))::int
            + (SELECT count(*) FROM refunds WHERE status IN ('requested', 'processing'))::int AS left`;

export const soak: Proof = {
  name: 'soak',
  about:
    'callbacks dropped, doubled and late, three processes, one of them killed at random: every fen is accounted for',
  options: { payments: 10_000, seed: 1 },
  async run({ payments = 0, seed = 1 }) {
    const chance = new Chance(seed);
    const options = { processes: PROCESSES, seed, refundDelaySeconds: 2, faults: FAULTS };
    const fleet = await Fleet.open('soak', options, chance);
    const { place, programs, simulator, alive, env } = fleet;
    try {
      const shop = new SoakShop(place.db, simulator, alive, env, chance);
      await shop.open();
      const report = new Report();
      await live(shop, payments, chance, programs, report);
      await untilAtRest(place.db, UNDER_WAY, report, 'at rest after');
      await fleet.compareBills(report);
      await untilAtRest(place.db, UNDER_WAY, report, 'at rest again after');
      await reportBooks(place.db, simulator, report);
      report.end();
    } finally {
      await fleet.close();
    }
  },
};

/** All payments live through their fates while processes are killed and started again. */
async function live(
  shop: SoakShop,
  payments: number,
  chance: Chance,
  programs: BuiltProgram[],
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

/** Kills one of the processes every few seconds, and starts it again a moment later. Answers how often. */
async function killAtRandom(programs: BuiltProgram[], chance: Chance, signal: AbortSignal): Promise<number> {
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
