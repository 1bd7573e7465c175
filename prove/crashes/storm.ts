import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { BuiltProgram } from '../../dev/built-program.js';
import { readBooksOver } from '../books.js';
import { Fleet, inLanes, untilAtRest } from '../fleet.js';
import type { Place } from '../place.js';
import { type Proof, Report, stopwatch } from '../proof.js';
import { Chance } from '../random.js';
import type { Rows } from '../shop.js';
import { type Fate, NOT_CLOSED, SoakShop } from '../soak-shop.js';
import { compareBooks } from './books.js';

const PROCESSES = 2;
const LANES = 12;
/** The embedding starts its server again only so often in a minute: a server that falls for ever is given up. */
const SERVER_KILLS = 3;

/** Payments whose notices are lost, doubled and late, while everything that they need is killed. */
const FAULTS = {
  rules: [
    { at: 'payment_notice', do: 'lose', probability: 1 / 3 },
    { at: 'payment_notice', do: 'double', probability: 1 / 3 },
    { at: 'close', do: 'error', status: 404, code: 'ORDER_NOT_EXIST', match: NOT_CLOSED },
    { at: 'order', do: 'error', status: 500, code: 'SYSTEM_ERROR', probability: 0.05, when: 'after' },
    { at: 'refund', do: 'error', status: 500, code: 'SYSTEM_ERROR', probability: 0.1, when: 'after' },
  ],
};

const UNDER_WAY = `SELECT (SELECT count(*) FROM payments WHERE status IN ('init', 'processing'))::int
            + (SELECT count(*) FROM refunds WHERE status IN ('requested', 'processing'))::int
            + (SELECT count(*) FROM orders WHERE status = 'pending' AND expires_at <= now())::int AS left`;

export const crashStorm: Proof = {
  name: 'crash-storm',
  about: 'services, PostgreSQL and single connections of it killed at random moments under load: the same equality',
  options: { payments: 400, kills: 12, seed: 1 },
  async run({ payments = 400, kills = 12, seed = 1 }) {
    const seconds = stopwatch();
    const chance = new Chance(seed);
    const options = { processes: PROCESSES, seed, refundDelaySeconds: 1, faults: FAULTS };
    const fleet = await Fleet.open('storm', options, chance);
    const { place, programs, simulator, alive, env } = fleet;
    try {
      const report = new Report();
      const db = patient(place.db);
      const shop = new SoakShop(db, simulator, alive, env, chance);
      await shop.open();
      const weather = new Weather(place, programs, chance, kills);
      await Promise.all([live(shop, payments, chance, weather), weather.rage()]);
      report.say('payments begun', payments);
      weather.tell(report);
      await untilAtRest(db, UNDER_WAY, report, 'at rest after');
      await fleet.compareBills(report);
      await untilAtRest(db, UNDER_WAY, report, 'at rest again after');
      const books = await compareBooks(place.db, await readBooksOver(place.db, simulator));
      report.say('taken, by the ledger of the simulator, in fen', books.taken);
      report.say('delivered / refunded / in open cases', `${books.delivered} / ${books.refunded} / ${books.inCases}`);
      for (const line of books.wrong.slice(0, 30)) report.say('wrong', line);
      report.expect('what the books do not agree in', books.wrong.length, 0);
      report.say('seconds', seconds());
      report.end();
    } finally {
      await fleet.close();
    }
  },
};

/** Kills what the shop stands on, one thing after another, until it has killed enough. */
class Weather {
  readonly killed = { service: 0, 'postgres server': 0, 'postgres connection': 0 };
  over = false;

  constructor(
    private readonly place: Place,
    private readonly programs: BuiltProgram[],
    private readonly chance: Chance,
    private readonly kills: number,
  ) {}

  async rage(): Promise<void> {
    for (let killed = 0; killed < this.kills; killed += 1) {
      await sleep(this.chance.between(500, 3000));
      const drawn = this.chance.next();
      if (drawn < 0.25 && this.killed['postgres server'] < SERVER_KILLS) await this.killServer();
      else if (drawn < 0.5) await this.killConnection();
      else await this.killService();
    }
    this.over = true;
  }

  tell(report: Report): void {
    for (const [what, count] of Object.entries(this.killed)) report.say(`killed: ${what}`, count);
  }

  private async killService(): Promise<void> {
    const victim = this.chance.pick(this.programs);
    await victim.end('SIGKILL');
    this.killed.service += 1;
    await sleep(this.chance.between(50, 1500));
    await this.answers();
    await victim.start();
  }

  /** The whole server: what it had in memory is gone, and the embedding starts it again. */
  private async killServer(): Promise<void> {
    const [first = ''] = readFileSync(`${await this.dataFolder()}/postmaster.pid`, 'utf8').split('\n');
    process.kill(Number(first), 'SIGKILL');
    this.killed['postgres server'] += 1;
    await this.answers();
  }

  /** One process of it, of a service: the server throws all others out and recovers by itself. */
  private async killConnection(): Promise<void> {
    const { rows } = await this.place.db.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend' ORDER BY state = 'active' DESC, xact_start NULLS LAST LIMIT 5`,
    );
    if (rows.length === 0) return;
    process.kill(this.chance.pick(rows).pid, 'SIGKILL');
    this.killed['postgres connection'] += 1;
    await this.answers();
  }

  private async dataFolder(): Promise<string> {
    const { rows } = await this.place.db.query<{ folder: string }>(
      `SELECT current_setting('data_directory') AS folder`,
    );
    return rows[0]?.folder ?? '';
  }

  private async answers(): Promise<void> {
    await sleep(200);
    await patient(this.place.db).query('SELECT 1');
  }
}

async function live(shop: SoakShop, payments: number, chance: Chance, weather: Weather): Promise<void> {
  const fates = Array.from({ length: payments }, () => fateOf(chance));
  await inLanes([...fates.entries()], LANES, async ([index, fate]) => {
    await shop.live(fate, index);
    // The load lasts as long as the weather does.
    if (!weather.over) await sleep(chance.between(0, 400));
  });
}

function fateOf(chance: Chance): Fate {
  const drawn = chance.next();
  if (drawn < 0.2) return 'twice';
  return drawn < 0.3 ? 'unpaid' : 'prompt';
}

/** Asks until the database answers. A row that is there already was written by a try whose answer got lost. */
function patient(db: pg.Pool): Rows {
  return {
    async query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<{ rows: Row[] }> {
      const until = performance.now() + 60_000;
      for (;;) {
        try {
          return await db.query<Row>(text, values);
        } catch (error) {
          if ((error as { code?: string }).code === '23505') return { rows: [] };
          if (performance.now() > until) throw error;
          await sleep(100);
        }
      }
    },
  };
}
