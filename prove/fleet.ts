import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuiltProgram } from '../dev/built-program.js';
import { freePort } from '../dev/embedded-postgres/free-port.js';
import { openPlace, type Place } from './place.js';
import { serviceProgram, type SimulatorProgramOptions, startSimulatorProgram, tell } from './processes.js';
import { type Report, stopwatch } from './proof.js';
import type { Chance } from './random.js';
import { nowMs, type Rows } from './shop.js';
import { TcpProxy } from './tcp-proxy.js';

const REST_WITHIN = 240_000;
/** Every notice that was not taken has been sent for the last time, and the bill of the day is there. */
const A_DAY_AND_A_HALF = 36 * 3600;

export interface FleetOptions extends SimulatorProgramOptions {
  processes: number;
  /** The simulator's. */
  faults: object;
}

/** Processes of the service on one database, which a proof may kill; the simulator reaches them through a balancer. */
export class Fleet {
  private readonly openedOn = chinaDay();

  private constructor(
    readonly place: Place,
    readonly programs: BuiltProgram[],
    readonly simulator: BuiltProgram,
    /** What each of them is told, and a command beside them. */
    readonly env: Record<string, string>,
    private readonly balancer: TcpProxy,
    private readonly chance: Chance,
  ) {}

  /** Its database is called after the proof, and is empty. */
  static async open(name: string, options: FleetOptions, chance: Chance): Promise<Fleet> {
    const place = await openPlace(name);
    const programs: BuiltProgram[] = [];
    const balancer = await TcpProxy.choosing(() => chance.pick(living(programs))?.port ?? null);
    const { program, env } = await startSimulatorProgram(balancer.port, options);
    const shopEnv: Record<string, string> = {
      ...env,
      DATABASE_URL: place.databaseUrl,
      JWT_SECRET: randomBytes(32).toString('hex'),
      PAYMENT_TTL_SECONDS: '45',
      CHANNEL_QUERIES_PER_SECOND: '300',
      LOG_LEVEL: 'error',
    };
    const fleet = new Fleet(place, programs, program, shopEnv, balancer, chance);
    try {
      await tell(program, 'PUT', '/_sim/faults', options.faults);
      for (let index = 0; index < options.processes; index += 1)
        programs.push(serviceProgram(shopEnv, await freePort()));
      await fleet.start();
      return fleet;
    } catch (error) {
      await fleet.close();
      throw error;
    }
  }

  /** One that is alive, or that will be. */
  readonly alive = (): BuiltProgram => {
    const { programs } = this;
    return this.chance.pick(living(programs).length > 0 ? living(programs) : programs);
  };

  /**
   * A day and a half later by the channel's clock: the days' bills are compared. Money of a closed payment whose notice
   * was lost for good is found by them alone.
   */
  async compareBills(report: Report): Promise<void> {
    await tell(this.simulator, 'POST', '/_sim/clock', { advance_seconds: A_DAY_AND_A_HALF });
    await tell(this.simulator, 'POST', '/_sim/settled', {});
    // Paydesk's clock did not move: what it sent back during the comparison would count to a day that is over there.
    await this.end();
    for (const day of new Set([this.openedOn, chinaDay()]))
      report.say(`the bill of ${day}`, compareBill(day, this.env));
    await this.start();
  }

  async close(): Promise<void> {
    await this.end();
    await this.simulator.end();
    await this.balancer.cut();
    await this.place.close();
  }

  /** The first alone. */
  private async start(): Promise<void> {
    const [first, ...others] = this.programs;
    await first?.start();
    await Promise.all(others.map((program) => program.start()));
  }

  private async end(): Promise<void> {
    await Promise.all(this.programs.map((program) => program.end()));
  }
}

/** Does the work for every item, so many at once. */
export async function inLanes<T>(items: T[], lanes: number, work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Waits until a query counts nothing that is under way: one row with `left`. */
export async function untilAtRest(db: Rows, query: string, report: Report, label: string): Promise<void> {
  const seconds = stopwatch();
  const until = performance.now() + REST_WITHIN;
  for (;;) {
    await sleep(1000);
    const { rows } = await db.query<{ left: number }>(query);
    const left = rows[0]?.left ?? 0;
    if (left > 0 && performance.now() < until) continue;
    return report.check(label, left === 0 ? `${seconds()} s` : `${left} are still under way`, left === 0);
  }
}

const living = (programs: BuiltProgram[]): BuiltProgram[] => programs.filter((program) => program.alive);

/** China's day now. */
function chinaDay(): string {
  return new Date(nowMs() + 8 * 3_600_000).toISOString().slice(0, 10);
}

/** What an operator does a day later. Answers what it found; cases that remain are not a failure of the command. */
function compareBill(day: string, env: Record<string, string>): string {
  const args = ['dist/src/cli.js', 'reconcile_bill', '--date', day, '--json'];
  const { stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 });
  if (!stdout.startsWith('{')) throw new Error(`reconcile_bill: ${stderr}`);
  const { lines, healed, differences } = JSON.parse(stdout) as Record<string, unknown>;
  return JSON.stringify({ lines, healed, differences });
}
