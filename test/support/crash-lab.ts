import { freePort, startSimulated, type Simulated } from './simulated.js';
import { type End, ServiceProcess } from './process.js';
import { TokensService } from '../../src/auth/tokens.service.js';

/**
 * A service that stays, in this process, and others beside it on the same database that are killed. Time is that on the
 * wall, since a process has no other: rows are made old instead. Refunds wait at the channel until they are told to move.
 */
export class CrashLab {
  private constructor(readonly shop: Simulated) {}

  static async open(): Promise<CrashLab> {
    return new CrashLab(await startSimulated({ simulator: { signatureClock: 'real', refundDelayMs: null } }));
  }

  /** A process of its own whose notices come to itself; it dies at the step `PAYDESK_CRASH_AT`. */
  async startService(env: Record<string, string>, port?: number): Promise<ServiceProcess> {
    const own = port ?? (await freePort());
    const base = `http://127.0.0.1:${own}/api`;
    return ServiceProcess.start(
      {
        ...this.shop.env,
        DATABASE_URL: this.shop.databaseUrl,
        JOBS_ENABLED: 'false',
        WECHAT_PAY_NOTIFY_URL: `${base}/payments/callback/wechat/`,
        WECHAT_PAY_REFUND_NOTIFY_URL: `${base}/refunds/callback/wechat/`,
        ...env,
      },
      own,
    );
  }

  /** The process is killed, by itself, over this request. */
  async dies(service: ServiceProcess, request: Promise<unknown> = Promise.resolve()): Promise<void> {
    const answered: Promise<End> = request.then(
      () => service.ended,
      () => service.ended,
    );
    expect(await answered).toBe('SIGKILL');
  }

  async operatorToken(): Promise<string> {
    const { token } = await this.shop.app
      .get(TokensService)
      .issue({ id: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB', role: 'operator' });
    return token;
  }

  /** What is under way is due, and what a dead process had in hand is given back: as if minutes had passed. */
  async makeOld(): Promise<void> {
    for (const table of ['payments', 'refunds']) {
      await this.shop.db.query(
        `UPDATE ${table} SET next_check_at = now() - interval '1 second', lease_until = NULL
         WHERE status IN ('init', 'processing', 'abnormal')`,
      );
    }
  }

  close(): Promise<void> {
    return this.shop.close();
  }
}
