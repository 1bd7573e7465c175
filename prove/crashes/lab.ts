import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type BuiltProgram, runCommand } from '../../dev/built-program.js';
import type { Cleanup } from '../../dev/cleanup.js';
import { freePort } from '../../dev/embedded-postgres/free-port.js';
import { openSimulator } from '../../dev/open-simulator.js';
import type { FaultRule, Simulator } from '../../simulator/index.js';
import type { Failpoint } from '../../src/common/failpoints.js';
import { type Answer, type Api, apiAt, must, token } from '../api.js';
import { DIRECTORY, openPool } from '../place.js';
import { serviceProgram } from '../shop.js';
import { RowTime } from './row-time.js';

/** A customer's order and its payment. */
export interface Bought {
  token: string;
  orderId: string;
  paymentId: string;
  amount: number;
}

/** The process lived on: nothing came to the point at which it was to die. */
export class NotReached extends Error {
  override readonly name = 'NotReached';
}

const DIES_WITHIN = 30_000;
const LOSE: FaultRule = { at: 'notice', do: 'lose' };

/**
 * One service on one port, killed and started again, with its database and the WeChat Pay that it speaks to; beside it a
 * helper on the same database, by which everything is prepared. Notices are lost and refunds wait at the channel until a
 * way wants them to come.
 */
export class CrashLab {
  readonly time: RowTime;
  private customers = 0;
  private service: BuiltProgram | null = null;

  private constructor(
    readonly sim: Simulator,
    readonly db: pg.Pool,
    private readonly env: Record<string, string>,
    private readonly port: number,
    private readonly helping: BuiltProgram,
    /** Amounts in fen. */
    private readonly amounts: () => number,
  ) {
    this.time = new RowTime(db);
  }

  static async open(cleanup: Cleanup, databaseUrl: string, amounts: () => number = () => 1800): Promise<CrashLab> {
    mkdirSync(DIRECTORY, { recursive: true });
    const port = await freePort();
    const notifyBase = `http://127.0.0.1:${port}`;
    const { sim, env } = await openSimulator(cleanup, { notifyBase, seed: 7, refundDelayMs: null });
    await sim.faults({ rules: [LOSE] });
    const own = {
      ...env,
      NODE_ENV: 'test',
      DATABASE_URL: databaseUrl,
      DATABASE_POOL_SIZE: '5',
      JWT_SECRET: randomBytes(32).toString('hex'),
      LOG_LEVEL: 'error',
      LOGINS_PER_MINUTE: '100000',
      CHANNEL_QUERIES_PER_SECOND: '10000',
      WECHAT_PAY_TIMEOUT_MS: '10000',
    };
    const helping = serviceProgram({ ...own, JOBS_ENABLED: 'false' }, await freePort());
    cleanup.add(() => helping.end());
    await helping.start();
    const db = openPool(cleanup, { connectionString: databaseUrl, max: 2 });
    const lab = new CrashLab(sim, db, own, port, helping, amounts);
    cleanup.add(() => lab.service?.end());
    return lab;
  }

  /** The helper, which never dies. */
  helper(token?: string): Api {
    return apiAt(this.helping.url, token);
  }

  /** The service that is killed, while it runs. */
  front(token?: string): Api {
    return apiAt(`http://127.0.0.1:${this.port}`, token);
  }

  as(role: 'operator' | 'service', id = 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB'): string {
    return token(this.env.JWT_SECRET ?? '', id, role);
  }

  /** The service is started and kills itself at the point, to which this work brings it. @throws NotReached */
  crash(point: Failpoint, work: () => unknown): Promise<void> {
    return this.crashing(point, 'false', work);
  }

  /** The same over one request. */
  crashOver(point: Failpoint, token: string | undefined, path: string, body?: object, key?: string): Promise<void> {
    return this.crash(point, () => this.front(token).post(path, body, key));
  }

  /** The same by its timers, which run only here. */
  crashInTimer(point: Failpoint): Promise<void> {
    return this.crashing(point, 'true', () => undefined);
  }

  /** The same by the notice of what happens at the channel. */
  crashByNotice(point: Failpoint, happens: () => unknown): Promise<void> {
    return this.withFaults([], () => this.crash(point, () => void happens()));
  }

  private async crashing(point: Failpoint, JOBS_ENABLED: string, work: () => unknown): Promise<void> {
    const program = await this.restart({ PAYDESK_CRASH_AT: point, JOBS_ENABLED });
    const lived = (async (): Promise<string> => {
      const answer = (await work()) as Answer | undefined;
      // A request that was answered is over, but for what it left to be done.
      return sleep(answer?.status ? 2000 : DIES_WITHIN, 'alive', { ref: false });
    })();
    const how = await Promise.race([program.ended, lived]);
    if (how === 'SIGKILL') return;
    await program.end('SIGKILL');
    throw new NotReached(`nothing came to ${point}: the process is ${how === 'alive' ? how : `ended by ${how}`}`);
  }

  /** An operator's command that dies at the point. @throws NotReached */
  async crashCommand(point: Failpoint, ...words: string[]): Promise<void> {
    const how = await this.command(words, { PAYDESK_CRASH_AT: point });
    if (how !== 'SIGKILL') throw new NotReached(`nothing came to ${point}: ${words.join(' ')} ended by ${how}`);
  }

  /** An operator's command to its end; answers its exit code or the signal that ended it. */
  async command(words: string[], env: Record<string, string> = {}): Promise<string> {
    return (await runCommand(words, { ...this.env, ...env })).how;
  }

  /** The service in place of the one that runs, if any; without further settings as every day, its timers on. */
  async restart(env: Record<string, string> = {}): Promise<BuiltProgram> {
    await this.service?.end('SIGKILL');
    this.service = serviceProgram({ ...this.env, ...env }, this.port);
    await this.service.start();
    return this.service;
  }

  /** Notices come and calls fail by these rules while the work is done. */
  async withFaults<T>(rules: FaultRule[], work: () => Promise<T>): Promise<T> {
    await this.sim.faults({ rules });
    try {
      return await work();
    } finally {
      await this.sim.faults({ rules: [LOSE] });
    }
  }

  /** Calls fail by this rule, and notices are lost as ever. */
  withFault<T>(rule: FaultRule, work: () => Promise<T>): Promise<T> {
    return this.withFaults([LOSE, rule], work);
  }

  // What people do.

  async customer(): Promise<{ id: string; token: string }> {
    this.customers += 1;
    const code = `crash_${this.customers}`;
    const body = await must(
      this.helper().post<{ access_token: string; user: { id: string } }>('/auth/login/', { code }),
      200,
    );
    return { id: body.user.id, token: body.access_token };
  }

  /** A new customer's order of the shop's own backend. */
  async order(): Promise<Omit<Bought, 'paymentId'>> {
    const { id, token } = await this.customer();
    const amount = this.amounts();
    const order = { user_id: id, description: 'Two cups of tea', amount };
    const { id: orderId } = await must(this.helper(this.as('service')).post<{ id: string }>('/orders/', order), 201);
    return { token, orderId, amount };
  }

  /** As if it had been made when the shop had another merchant number. */
  async giveToAnotherMerchant(paymentId: string): Promise<void> {
    await this.db.query(`UPDATE payments SET mchid = '1900000000' WHERE id = $1`, [paymentId]);
  }

  /** A new customer's payment, in `init`. */
  async buy(): Promise<Bought> {
    const ordered = await this.order();
    const asked = this.helper(ordered.token).post<{ id: string }>('/payments/', { order_id: ordered.orderId });
    return { ...ordered, paymentId: (await must(asked, 201)).id };
  }

  async started(): Promise<Bought> {
    const bought = await this.buy();
    await this.requests(bought, 'start', 'helper');
    return bought;
  }

  /** Paid, and known to be. */
  async paid(): Promise<Bought> {
    const bought = await this.started();
    this.sim.pay(bought.paymentId);
    await this.requests(bought, 'sync', 'helper');
    return bought;
  }

  /** What its owner asks for, answered with this status: of the service that was killed, or of the helper. */
  async requests(
    { token, paymentId }: Bought,
    what: 'start' | 'cancel' | 'sync',
    by: 'front' | 'helper' = 'front',
    status = 200,
  ): Promise<void> {
    await must(this[by](token).post(`/payments/${paymentId}/${what}/`), status);
  }

  /** The payer starts at the service (again) and pays what it hands out. */
  async startsAndPays({ token, paymentId }: Bought): Promise<void> {
    const asked = this.front(token).post<{ pay_params: Parameters<Simulator['requestPayment']>[0] }>(
      `/payments/${paymentId}/start/`,
    );
    const { pay_params: params } = await must(asked, 200);
    this.sim.requestPayment(params);
    this.sim.pay(paymentId);
  }
}
