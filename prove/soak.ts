import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../dev/wait-for.js';
import { inParallel } from '../src/common/parallel.js';
import { PARTLY_REFUNDED_OR_CASE } from './books.js';
import { reportBooks, underWay } from './compare-books.js';
import { openPlace } from './place.js';
import { Chance } from './random.js';
import { Counts, type Report, stopwatch } from './report.js';
import { proof, type Run } from './run.js';
import { type Rows, Shop } from './shop.js';
import { Customers, type Fate, NOT_CLOSED, OTHER_AMOUNT } from './soak/customers.js';
import { Killer, type KillOptions, patient } from './soak/killer.js';

const CUSTOMERS = 50;
/** Lanes for those who only wait until a payment has expired. */
const PATIENT_LANES = 400;
const REST_WITHIN = 240_000;

/** What two proofs differ in that let many payments happen while the processes of the service are killed. */
interface Setting {
  payments: number;
  seed: number;
  processes: number;
  lanes: number;
  refundDelaySeconds: number;
  rules: object[];
  /** Fates by the part of all payments; the others are prompt. */
  fates: Partial<Record<Fate, number>>;
  /** How often something is killed; null: as long as payments begin. */
  kills: number | null;
  killing: KillOptions;
  /** Places of one payment's money at once that are right. */
  together: string[];
}

export const soak = proof({
  name: 'soak',
  about:
    'callbacks dropped, doubled and late, three processes, one of them killed at random: every fen is accounted for',
  options: { payments: 10_000, seed: 1 },
  run: ({ payments, seed }, run) =>
    liveThrough('soak', run, {
      ...{ payments, seed, processes: 3, lanes: 32, refundDelaySeconds: 2 },
      // A third of the notices dropped, a third doubled or late; calls that fail, before and after their work was done.
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
      fates: { after_expiry: 0.06, twice: 0.06, other_amount: 0.03, unpaid: 0.1 },
      kills: null,
      killing: { database: false, pause: [3000, 9000], down: [200, 2000] },
      together: [],
    }),
});

export const crashStorm = proof({
  name: 'crash-storm',
  about: 'services, PostgreSQL and single connections of it killed at random moments under load: the same equality',
  options: { payments: 400, kills: 12, seed: 1 },
  run: ({ payments, kills, seed }, run) =>
    liveThrough('storm', run, {
      ...{ payments, seed, processes: 2, lanes: 12, refundDelaySeconds: 1 },
      rules: [
        { at: 'payment_notice', do: 'lose', probability: 1 / 3 },
        { at: 'payment_notice', do: 'double', probability: 1 / 3 },
        { at: 'close', do: 'error', status: 404, code: 'ORDER_NOT_EXIST', match: NOT_CLOSED },
        { at: 'order', do: 'error', status: 500, code: 'SYSTEM_ERROR', probability: 0.05, when: 'after' },
        { at: 'refund', do: 'error', status: 500, code: 'SYSTEM_ERROR', probability: 0.1, when: 'after' },
      ],
      fates: { twice: 0.2, unpaid: 0.1 },
      kills,
      killing: { database: true, pause: [500, 3000], down: [50, 1500] },
      together: PARTLY_REFUNDED_OR_CASE.filter((places) => places.startsWith('delivered')),
    }),
});

/** All payments live through their fates; then everything comes to rest, and the bills and the books are compared. */
async function liveThrough(name: string, { report, cleanup }: Run, setting: Setting): Promise<void> {
  const { payments, seed, processes, refundDelaySeconds, rules, killing, kills } = setting;
  const chance = new Chance(seed);
  const { db: pool, databaseUrl } = await openPlace(cleanup, name);
  const db = patient(pool);
  const env = { PAYMENT_TTL_SECONDS: '45', CHANNEL_QUERIES_PER_SECOND: '300' };
  const options = { databaseUrl, db, seed, customers: CUSTOMERS, processes, refundDelaySeconds, env };
  const shop = await Shop.open(cleanup, { ...options, faults: { rules } });
  const killer = new Killer(pool, shop.services, chance, killing);
  const stop = new AbortController();
  const killed = killer.run(kills ?? Infinity, stop.signal);
  let over = kills === null;
  // One that does not come back fails the proof below.
  killed.then(() => (over = true)).catch(() => undefined);

  const elapsed = stopwatch();
  const customers = new Customers(db, shop, chance);
  const fates = Array.from({ length: payments }, (_, index) => ({ fate: fateOf(setting.fates, chance), index }));
  const isLate = ({ fate }: { fate: Fate }): boolean => fate === 'after_expiry';
  // Those who pay when it is too late wait in lanes of their own, begun first.
  await Promise.all([
    inParallel(fates.filter(isLate), PATIENT_LANES, ({ fate, index }) => customers.live(fate, index)),
    inParallel(
      fates.filter((one) => !isLate(one)),
      setting.lanes,
      async ({ fate, index }) => {
        await customers.live(fate, index);
        // The load lasts as long as there is something to be killed.
        if (!over) await sleep(chance.between(0, 400));
      },
    ),
  ]);
  report.say('payments begun', `${payments} in ${elapsed()} s`);
  report.say('of these', Counts.of(fates.map(({ fate }) => fate)));
  if (kills === null) stop.abort();
  await killed;
  report.say('killed, and back again', killer.killed);
  await untilAtRest(db, report, 'at rest after');
  await shop.compareBills(report);
  await untilAtRest(db, report, 'at rest again after');
  await reportBooks(report, pool, shop.simulator, setting.together);
}

function fateOf(parts: Setting['fates'], chance: Chance): Fate {
  let drawn = chance.next();
  for (const [fate, part] of Object.entries(parts) as [Fate, number][]) {
    drawn -= part;
    if (drawn < 0) return fate;
  }
  return 'prompt';
}

async function untilAtRest(db: Rows, report: Report, label: string): Promise<void> {
  const elapsed = stopwatch();
  let left: string[] = [];
  const atRest = async (): Promise<boolean> => {
    await sleep(1000);
    left = await underWay(db);
    return left.length === 0;
  };
  const came = await waitFor(atRest, { within: REST_WITHIN });
  report.check(label, came ? `${elapsed()} s` : `${left.length} are still under way: ${left[0]}`, came !== null);
}
