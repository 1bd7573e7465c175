import { Cleanup } from '../../dev/cleanup.js';
import { freePort } from '../../dev/embedded-postgres/free-port.js';
import { openSimulator } from '../../dev/open-simulator.js';
import type { Simulator, SimulatorOptions } from '../../simulator/index.js';
import { ManualClock } from '../../src/common/clock.js';
import { startTestApp, type TestApp } from './app.js';
import { KEY_PAIRS } from './key-pairs.js';

/** The simulator's business time. It runs like the one on the wall and is moved with {@link Simulated.advance}. */
export class SimulatedClock extends ManualClock {
  constructor(private readonly sim: Simulator) {
    super();
  }

  override now(): Date {
    return new Date(this.sim.nowMs());
  }

  override advance(): void {
    throw new Error('the shop and the simulator share one clock: call advance() of the simulated shop');
  }

  override set(): void {
    this.advance();
  }
}

/** The service with the real provider, and the WeChat Pay that it speaks to: one clock for both, books apart. */
export interface Simulated extends TestApp {
  sim: Simulator;
  /** The service's environment, for a process of its own on the same simulator. */
  env: Record<string, string>;
  /** Moves the clock of both; done when every notice that is due on the way was sent and answered. */
  advance(milliseconds: number): Promise<void>;
  /** The payer pays; done when the notice was sent and answered. */
  pay(paymentId: string): Promise<void>;
}

export interface SimulatedOptions {
  env?: Record<string, string>;
  simulator?: SimulatorOptions;
  /** The database of another service; left out: one of its own. */
  databaseUrl?: string;
  /** The address by which the service reaches its database; left out: the database's own. */
  through?: (databaseUrl: string) => string;
}

/** Starts both in this process. Calls end after a second without an answer, and no limit of our own slows tests down. */
export async function startSimulated(options: SimulatedOptions = {}): Promise<Simulated> {
  const cleanup = new Cleanup();
  const port = await freePort();
  const { sim, env: simulatorEnv } = await openSimulator(cleanup, {
    notifyBase: `http://127.0.0.1:${port}`,
    seed: 7,
    signatureClock: 'virtual',
    openingBalanceFen: 10_000_000,
    keyPairs: KEY_PAIRS,
    ...options.simulator,
  });
  const env = {
    ...simulatorEnv,
    WECHAT_PAY_TIMEOUT_MS: '1000',
    CHANNEL_QUERIES_PER_SECOND: '10000',
    JWT_TTL_SECONDS: '2592000',
    ...options.env,
  };
  const { databaseUrl, through } = options;
  const paydesk = await startTestApp({ env, clock: new SimulatedClock(sim), port, databaseUrl, through });
  return {
    ...paydesk,
    sim,
    env,
    async advance(milliseconds) {
      await sim.advance(Math.ceil(milliseconds / 1000));
      await sim.settled();
    },
    async pay(paymentId) {
      sim.pay(paymentId);
      await sim.settled();
    },
    async close() {
      await paydesk.close();
      await cleanup.run();
    },
  };
}
