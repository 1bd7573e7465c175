import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import pg from 'pg';
import type { Cleanup } from '../../dev/cleanup.js';
import { openSimulator } from '../../dev/open-simulator.js';
import { type Simulator } from '../../simulator/index.js';
import { TokensService } from '../../src/auth/tokens.service.js';
import { byTimer } from '../../src/common/cause.js';
import { DAY, HOUR, SECOND } from '../../src/common/clock.js';
import { parseSettings } from '../../src/config/settings.js';
import { createHttpApp } from '../../src/http-app.js';
import { DuePayments } from '../../src/payments/due-payments.js';
import { StaleOrders } from '../../src/payments/stale-orders.js';
import { type BillReport, BillService } from '../../src/reconciliation/bill.service.js';
import { ConsoleRefunds } from '../../src/refunds/console-refunds.js';
import { DueRefunds } from '../../src/refunds/due-refunds.js';
import type { Answer } from '../api.js';
import { openPool } from '../place.js';
import { SimulatorClock } from '../simulator.js';
import { FrontDoor } from './front-door.js';

export type Process = 0 | 1;
export type Who = 'one' | 'other' | 'shop' | 'operator';

/** Who asks: two payers, the shop's backend, an operator. */
const PEOPLE: Record<Who, { id: string; role: 'user' | 'service' | 'operator' }> = {
  one: { id: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7C1', role: 'user' },
  other: { id: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7C2', role: 'user' },
  shop: { id: 'shop-backend', role: 'service' },
  operator: { id: 'an-operator', role: 'operator' },
};
export const payerId = (who: Who): string => PEOPLE[who].id;

const TABLES = [
  ...['refunds', 'payments', 'orders', 'payment_events', 'events', 'event_outbox'],
  ...['callbacks', 'users_notification', 'discrepancies'],
  ...['reconciliation_runs', 'bill_matches', 'idempotency_keys'],
];
const MORNING = 8;
const PER_TICK = 1000;
const CHINA_OFFSET = 8 * HOUR;

/**
 * What a history is lived in: the channel, two processes of the service on one database, and the way of the notices to
 * one or the other. Built once for many histories; each finds it empty, at eight in the morning.
 */
export class World {
  private apps: (NestFastifyApplication | null)[] = [null, null];
  private policy: 'refund' | 'hold' = 'refund';
  private readonly tokens = new Map<Who, string>();
  private readonly owners = new Map<string, Who>();
  private retired = false;
  /** Serials of the platform keys that every process has from the start. */
  readonly knownSerials: ReadonlySet<string>;

  private constructor(
    readonly sim: Simulator,
    readonly db: pg.Pool,
    private readonly door: FrontDoor,
    private readonly databaseUrl: string,
    private readonly env: Record<string, string>,
  ) {
    const { publicKeyId, platformCertificates } = sim.credentials;
    this.knownSerials = new Set([publicKeyId, ...platformCertificates.map(({ serial }) => serial)]);
  }

  static async open(cleanup: Cleanup, databaseUrl: string): Promise<World> {
    const door = await FrontDoor.open();
    cleanup.add(() => door.close());
    const { sim, env } = await openSimulator(cleanup, {
      notifyBase: door.url,
      mode: 'both',
      signatureClock: 'virtual',
      // A notice is due seconds after what it tells of, so that a question or a cancellation may come before it.
      notifyDelayMs: 3000,
    });
    const settings = {
      ...env,
      NODE_ENV: 'test',
      JOBS_ENABLED: 'false',
      LOG_LEVEL: 'silent',
      JWT_TTL_SECONDS: '2592000',
      CHANNEL_QUERIES_PER_SECOND: '10000',
      BAD_CALLBACKS_PER_MINUTE: '1000000',
      WECHAT_PAY_TIMEOUT_MS: '1500',
      DATABASE_POOL_SIZE: '8',
    };
    const db = openPool(cleanup, { connectionString: databaseUrl, max: 2 });
    const world = new World(sim, db, door, databaseUrl, settings);
    cleanup.add(() => Promise.all(world.apps.flatMap((app) => app?.close() ?? [])));
    door.receivers = () => world.apps.filter((app) => app !== null);
    // Before the processes connect. No process crashes here, so none has to wait for the disk.
    await world.db.query(
      `ALTER DATABASE ${pg.escapeIdentifier(new URL(databaseUrl).pathname.slice(1))} SET synchronous_commit = off`,
    );
    await world.addPayers();
    await Promise.all([world.restart(0), world.restart(1)]);
    return world;
  }

  /** Ends a process in good order, if it runs, and starts another one in its place. */
  async restart(process: Process): Promise<void> {
    const old = this.apps[process];
    this.apps[process] = null;
    await old?.close();
    const settings = parseSettings(this.env);
    // Each history has a policy of its own, and a start takes a second.
    Object.defineProperty(settings, 'latePaymentPolicy', { get: () => this.policy });
    const app = await createHttpApp({ settings, databaseUrl: this.databaseUrl, clock: new SimulatorClock(this.sim) });
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
    this.apps[process] = app;
  }

  /** Empty books on both sides, no faults, the next morning in China. */
  async begin(policy: 'refund' | 'hold', seed: number): Promise<void> {
    const reached = this.sim.nowMs();
    this.sim.reset();
    const morning = Math.ceil((reached + CHINA_OFFSET) / DAY) * DAY - CHINA_OFFSET + MORNING * HOUR;
    await this.sim.advance(Math.ceil((morning - this.sim.nowMs()) / SECOND));
    await this.sim.faults({ seed, keys: { switch_day: 4, rotation_share: 0 } });
    // Else the processes would take no notice any more that a certificate signed.
    if (this.retired) await Promise.all([this.restart(0), this.restart(1)]);
    this.retired = false;
    this.owners.clear();
    await this.db.query(TABLES.map((table) => `DELETE FROM ${table}`).join('; '));
    this.policy = policy;
    this.door.turn = 0;
    for (const who of Object.keys(PEOPLE) as Who[]) {
      const { token } = await this.app(0).get(TokensService).issue(PEOPLE[who]);
      this.tokens.set(who, token);
    }
  }

  /** Remembers whose order it is, so that steps about it are taken in that payer's name. */
  own(orderId: string, who: 'one' | 'other'): void {
    this.owners.set(orderId, who);
  }

  ownerOf(orderId: string): Who {
    return this.owners.get(orderId) ?? 'one';
  }

  /** Platform keys: a new certificate takes over the notices, the old ones end, or the public key signs them all. */
  async changeKeys(change: 'rotate' | 'retire_old' | 'switch'): Promise<void> {
    if (change === 'rotate') await this.sim.faults({ keys: { rotate: true, rotation_share: 1 } });
    if (change === 'switch') await this.sim.faults({ keys: { switch_day: 7 } });
    if (change !== 'retire_old') return;
    this.retired = true;
    await this.sim.faults({ keys: { retire_old: true } });
  }

  call(by: Process, who: Who, path: string, body: object = {}): Promise<Answer> {
    const authorization = `Bearer ${this.tokens.get(who) ?? ''}`;
    const headers = { authorization, 'content-type': 'application/json' };
    return this.post(by, `/api${path}`, headers, JSON.stringify(body));
  }

  /** A notice that the channel never sent. */
  forge(by: Process, entity: 'payments' | 'refunds', headers: Record<string, string>, body: string): Promise<Answer> {
    return this.post(by, `/api/${entity}/callback/wechat/`, headers, body);
  }

  private async post(by: Process, url: string, headers: Record<string, string>, payload: string): Promise<Answer> {
    const response = await this.app(by).inject({ method: 'POST', url, headers, payload });
    return { status: response.statusCode, body: JSON.parse(response.body || '{}') as Answer['body'] };
  }

  /** What the timers do. */
  async tick(by: Process): Promise<void> {
    const app = this.app(by);
    const options = { scope: 'due', limit: PER_TICK } as const;
    await app.get(DuePayments).run({ ...options, cause: byTimer('check_payments') });
    await app.get(DueRefunds).run({ ...options, cause: byTimer('send_and_check_refunds') });
    await app.get(ConsoleRefunds).takeOverWaiting(byTimer('take_over_refunds'));
    await app.get(StaleOrders).cancel({ cause: byTimer('cancel_stale_orders'), limit: PER_TICK });
  }

  /** What an operator's commands do: ask about everything that is open, expire what is past its time. */
  async reconcile(by: Process, onlyExpired: boolean): Promise<void> {
    const app = this.app(by);
    const cause = { kind: 'command', actor: 'histories', requestId: null } as const;
    const scope = onlyExpired ? 'expired' : 'all';
    await app.get(DuePayments).run({ scope, cause, limit: PER_TICK });
    if (scope === 'all') await app.get(DueRefunds).run({ scope, cause, limit: PER_TICK });
    else await app.get(StaleOrders).cancel({ cause, limit: PER_TICK });
  }

  bills(by: Process): Promise<BillReport[]> {
    return this.app(by).get(BillService).runDaily(byTimer('reconcile_bill'));
  }

  /** Moves the one clock of all; done when every notice that fell due on the way was sent and answered. */
  async advance(seconds: number): Promise<void> {
    await this.sim.advance(seconds);
    await this.sim.settled();
  }

  private app(process: Process): NestFastifyApplication {
    const app = this.apps[process] ?? this.apps[1 - process];
    if (!app) throw new Error('no process is running');
    return app;
  }

  private async addPayers(): Promise<void> {
    for (const who of ['one', 'other'] as const) {
      await this.db.query(
        `INSERT INTO users (id, appid, openid, created_at) VALUES ($1, $2, $3, now()) ON CONFLICT DO NOTHING`,
        [payerId(who), this.sim.credentials.appid, `openid_of_${who}`],
      );
    }
  }
}
