import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { BuiltProgram } from '../../dev/built-program.js';
import { freePort } from '../../dev/embedded-postgres/free-port.js';
import { type FaultRule, type Simulator, startSimulator } from '../../simulator/index.js';
import type { Failpoint } from '../../src/common/failpoints.js';
import { DIRECTORY } from '../place.js';
import { serviceProgram } from '../processes.js';
import { type Api, apiAt, must, token } from '../shop.js';
import { setAside, takeUp, wait } from './time.js';

/** Who speaks to a process that is about to die, and hears of it. */
export interface Doomed {
  api(token?: string): Api;
  /** Resolves when it has killed itself at its point, over this request or by its own timers. @throws NotReached */
  dies(request?: Promise<unknown>): Promise<void>;
}

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
 * helper on the same database, by which everything is prepared. Time is that on the wall, since a process has no other:
 * rows are made old instead. Notices are lost and refunds wait at the channel until a way wants them to come.
 */
export class CrashLab {
  private customers = 0;
  private service: BuiltProgram | null = null;

  private constructor(
    readonly sim: Simulator,
    readonly db: pg.Pool,
    private readonly env: Record<string, string>,
    private readonly port: number,
    private readonly helping: BuiltProgram,
    private readonly keys: string,
    /** Amounts in fen. */
    private readonly amounts: () => number,
  ) {}

  static async open(databaseUrl: string, amounts: () => number = () => 1800): Promise<CrashLab> {
    mkdirSync(DIRECTORY, { recursive: true });
    const keys = await mkdtemp(join(tmpdir(), 'paydesk-keys-'));
    const sim = await startSimulator({ outDir: keys, seed: 7, refundDelayMs: null, openingBalanceFen: 100_000_000 });
    await sim.faults({ rules: [LOSE] });
    const port = await freePort();
    const env = {
      ...sim.environment(keys, `http://127.0.0.1:${port}`),
      NODE_ENV: 'test',
      DATABASE_URL: databaseUrl,
      DATABASE_POOL_SIZE: '5',
      JWT_SECRET: randomBytes(32).toString('hex'),
      LOG_LEVEL: 'error',
      LOGINS_PER_MINUTE: '100000',
      CHANNEL_QUERIES_PER_SECOND: '10000',
      WECHAT_PAY_TIMEOUT_MS: '10000',
    };
    const helping = serviceProgram({ ...env, JOBS_ENABLED: 'false' }, await freePort());
    await helping.start();
    const db = new pg.Pool({ connectionString: databaseUrl, max: 2 });
    db.on('error', () => undefined);
    return new CrashLab(sim, db, env, port, helping, keys, amounts);
  }

  /** The helper, who never dies. */
  helper(token?: string): Api {
    return apiAt(this.helping.url, token);
  }

  /** The service as everybody knows it, while it runs. */
  front(token?: string): Api {
    return apiAt(`http://127.0.0.1:${this.port}`, token);
  }

  as(role: 'operator' | 'service', id = 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB'): string {
    return token(this.env.JWT_SECRET ?? '', id, role);
  }

  /** Starts the service; it dies at the point. Its timers run only where it is they that come to it. */
  async startWithFailpoint(point: Failpoint, { jobs = false } = {}): Promise<Doomed> {
    // One that a way left alive, since something else went wrong on it.
    await this.service?.end('SIGKILL');
    const program = this.program({ PAYDESK_CRASH_AT: point, JOBS_ENABLED: String(jobs) });
    this.service = program;
    await program.start();
    return {
      api: (token) => this.front(token),
      async dies(request) {
        // Its timers have not come to anything yet; a request is over when it is answered or its process is dead.
        const lived = request ? request.then(() => sleep(2000)) : sleep(DIES_WITHIN);
        const how = await Promise.race([program.ended, lived.catch(() => sleep(2000)).then(() => 'alive')]);
        if (how === 'SIGKILL') return;
        await program.end('SIGKILL');
        throw new NotReached(`nothing came to ${point}: the process is ${how === 'alive' ? how : `ended by ${how}`}`);
      },
    };
  }

  /** An operator's command that dies at the point. @throws NotReached */
  async runWithFailpoint(point: Failpoint, ...words: string[]): Promise<void> {
    const how = await this.command(words, { PAYDESK_CRASH_AT: point });
    if (how !== 'SIGKILL') throw new NotReached(`nothing came to ${point}: ${words.join(' ')} ended by ${how}`);
  }

  /** An operator's command to its end; answers its exit code or the signal that ended it. */
  async command(words: string[], env: Record<string, string> = {}): Promise<string> {
    const { port } = this;
    const own = { ...this.env, ...env };
    const program = new BuiltProgram({ script: 'dist/src/cli.js', args: words, env: own, port, folder: DIRECTORY });
    program.launch();
    return program.ended;
  }

  /** The service as it is started every day, its timers on. */
  async restart(): Promise<void> {
    await this.service?.end('SIGKILL');
    this.service = this.program({});
    await this.service.start();
  }

  private program(env: Record<string, string>): BuiltProgram {
    return serviceProgram({ ...this.env, ...env }, this.port);
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

  /** A new customer's payment, in `init`. */
  async buy(): Promise<Bought> {
    const ordered = await this.order();
    const asked = this.helper(ordered.token).post<{ id: string }>('/payments/', { order_id: ordered.orderId });
    return { ...ordered, paymentId: (await must(asked, 201)).id };
  }

  async started(): Promise<Bought> {
    const bought = await this.buy();
    await must(this.helper(bought.token).post(`/payments/${bought.paymentId}/start/`), 200);
    return bought;
  }

  /** Paid, and known to be. */
  async paid(): Promise<Bought> {
    const bought = await this.started();
    this.sim.pay(bought.paymentId);
    await must(this.helper(bought.token).post(`/payments/${bought.paymentId}/sync/`), 200);
    return bought;
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

  // Time.

  /** What was under way before is no business of what comes now, until it is taken up again. */
  setAside(): Promise<void> {
    return setAside(this.db);
  }

  takeUp(): Promise<void> {
    return takeUp(this.db);
  }

  /** As if so many minutes had passed for what is under way. */
  wait(minutes: number): Promise<void> {
    return wait(this.db, minutes);
  }

  /** The time of an order and its payments is over. */
  async endLife(orderId: string): Promise<void> {
    for (const [table, key] of [
      ['payments', 'order_id'],
      ['orders', 'id'],
    ]) {
      await this.db.query(
        `UPDATE ${table} SET created_at = created_at - interval '1 day', expires_at = expires_at - interval '1 day'
         WHERE ${key} = $1`,
        [orderId],
      );
    }
    await this.wait(60);
  }

  async close(): Promise<void> {
    await this.service?.end();
    await this.helping.end();
    await this.db.end();
    await this.sim.close();
    await rm(this.keys, { recursive: true, force: true });
  }
}
