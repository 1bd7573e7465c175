import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { BuiltProgram, runCommand } from '../dev/built-program.js';
import type { Cleanup } from '../dev/cleanup.js';
import { freePort } from '../dev/embedded-postgres/free-port.js';
import { TcpProxy } from '../dev/tcp-proxy.js';
import { nowMs, token } from './api.js';
import { DIRECTORY } from './place.js';
import { Chance } from './random.js';
import type { Report } from './report.js';
import { advance, startSimulatorProgram, tell } from './simulator.js';

/** A product of the demo catalogue. */
export const TEA = 'prd_01JD0000000000000000000TEA';

/** Seconds after which every notice that was not taken was sent for the last time, and the bill of the day is there. */
const A_DAY_AND_A_HALF = 36 * 3600;

/** Where rows are written and read. */
export interface Rows {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>;
}

/** The built service on this port; it knows nothing but this environment. */
export function serviceProgram(env: Record<string, string>, port: number): BuiltProgram {
  return new BuiltProgram({ env: { ...env, PORT: String(port) }, port, folder: DIRECTORY });
}

export interface ShopOptions {
  databaseUrl: string;
  /** Where the customers are written. */
  db: Rows;
  seed: number;
  customers: number;
  /** How many processes of the service; the simulator reaches several through a balancer. */
  processes?: number;
  refundDelaySeconds?: number;
  /** Further settings of the service. */
  env?: Record<string, string>;
  /** The simulator's. */
  faults?: object;
}

/** The simulator and processes of the service on one database, with customers who are logged in. */
export class Shop {
  private readonly openedOn = chinaDay();

  private constructor(
    readonly services: BuiltProgram[],
    readonly simulator: BuiltProgram,
    /** Of each process, and of a command beside them. */
    readonly env: Record<string, string>,
    readonly tokens: string[],
    private readonly chance: Chance,
  ) {}

  static async open(cleanup: Cleanup, options: ShopOptions): Promise<Shop> {
    const { databaseUrl, db, seed, customers, processes = 1, refundDelaySeconds = 2, faults } = options;
    const chance = new Chance(seed);
    const services: BuiltProgram[] = [];
    let notifyPort = await freePort();
    const ports = [notifyPort];
    if (processes > 1) {
      const balancer = await TcpProxy.choosing(() => chance.pick(living(services))?.port ?? null);
      cleanup.add(() => balancer.cut());
      notifyPort = balancer.port;
    }
    const { simulator, env } = await startSimulatorProgram(cleanup, notifyPort, { seed, refundDelaySeconds });
    if (faults) await tell(simulator, 'PUT', '/faults', faults);
    const secret = randomBytes(32).toString('hex');
    const own = { ...env, DATABASE_URL: databaseUrl, JWT_SECRET: secret, LOG_LEVEL: 'error', ...options.env };
    while (ports.length < processes) ports.push(await freePort());
    services.push(...ports.map((port) => serviceProgram(own, port)));
    const tokens = Array.from({ length: customers }, (_, index) => token(secret, customerId(index), 'user'));
    const shop = new Shop(services, simulator, own, tokens, chance);
    cleanup.add(() => shop.stop());
    await shop.start();
    await makeCustomers(db, env.WECHAT_APPID ?? '', customers);
    return shop;
  }

  /** The only process, or the first. */
  get service(): BuiltProgram {
    return this.services[0] as BuiltProgram;
  }

  /** A process that is alive, or that will be. */
  alive(): BuiltProgram {
    const { services } = this;
    return this.chance.pick(living(services).length > 0 ? living(services) : services);
  }

  /**
   * A day and a half later by the channel's clock: the days' bills are compared. Money of a closed payment whose notice
   * was lost for good is found by them alone.
   */
  async compareBills(report: Report): Promise<void> {
    await advance(this.simulator, A_DAY_AND_A_HALF);
    // Paydesk's clock did not move: what it sent back during the comparison would count to a day that is over there.
    await this.stop();
    for (const day of new Set([this.openedOn, chinaDay()])) {
      const words = ['reconcile_bill', '--date', day, '--json'];
      const { stdout } = await runCommand(words, this.env);
      // Cases that remain are not a failure of the command.
      if (!stdout.startsWith('{')) throw new Error(`${words.join(' ')} printed no report`);
      const { lines, healed, differences } = JSON.parse(stdout) as Record<string, unknown>;
      report.say(`the bill of ${day}`, JSON.stringify({ lines, healed, differences }));
    }
    await this.start();
  }

  /** The first alone. */
  private async start(): Promise<void> {
    await this.service.start();
    await Promise.all(this.services.slice(1).map((program) => program.start()));
  }

  private async stop(): Promise<void> {
    await Promise.all(this.services.map((program) => program.end()));
  }
}

const living = (programs: BuiltProgram[]): BuiltProgram[] => programs.filter((program) => program.alive);

/** China's day now. */
function chinaDay(): string {
  return new Date(nowMs() + 8 * 3_600_000).toISOString().slice(0, 10);
}

export function customerId(index: number): string {
  return `usr_${String(index).padStart(26, '0')}`;
}

/** Customers numbered from 0, as they are after their first login. */
export async function makeCustomers(db: Rows, appid: string, count: number): Promise<void> {
  await db.query(
    `INSERT INTO users (id, appid, openid, created_at)
     SELECT 'usr_' || lpad(g::text, 26, '0'), $1, 'oLoad' || g, now() FROM generate_series(0, $2::int - 1) g`,
    [appid, count],
  );
}

export interface NewPayment {
  orderId: string;
  paymentId: string;
  userId: string;
  mchid: string;
  appid: string;
  amountFen: number;
  createdAt: Date;
  /** How long both live, in seconds. */
  ttlSeconds: number;
}

/** An order and its payment in `init` under numbers of the proof's own. */
export async function insertPayment(db: Rows, payment: NewPayment): Promise<void> {
  const { orderId, paymentId, userId, mchid, appid, amountFen, createdAt, ttlSeconds } = payment;
  const life = [createdAt, ttlSeconds];
  await db.query(
    `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, created_by, created_at, expires_at)
     VALUES ($1, $2, 'pending', $3, 'CNY', 'tea', $2, $4, $4::timestamptz + $5 * interval '1 second')`,
    [orderId, userId, amountFen, ...life],
  );
  await db.query(
    `WITH made AS (
       INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, created_at, expires_at,
                             next_check_at)
       VALUES ($1, $2, 'wechat', $3, $4, 'init', $5, 'CNY', $6, $6::timestamptz + $7 * interval '1 second',
               $6::timestamptz + interval '5 seconds') RETURNING id, order_id, created_at)
     INSERT INTO payment_events (at, order_id, payment_id, noun, from_status, to_status, cause, actor)
     SELECT created_at, order_id, id, 'payment', NULL, 'init', 'command', 'prove' FROM made`,
    [paymentId, orderId, mchid, appid, amountFen, ...life],
  );
}
