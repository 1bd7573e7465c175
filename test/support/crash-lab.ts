import { TokensService } from '../../src/auth/tokens.service.js';
import { type Api, client } from './app.js';
import { ServiceProcess } from './service-process.js';
import { freePort, startSimulated, type Simulated } from './simulated.js';

/** A process of the service beside the one that stays. */
export interface Doomed {
  port: number;
  api(token: string): Api;
  kill(): Promise<unknown>;
  /** Resolves when it has been killed, by itself, over this request or by its own timers. */
  dies(request?: Promise<unknown>): Promise<void>;
}

/**
 * A service that stays, in this process, and others beside it on the same database that are killed. Time is that on the
 * wall, since a process has no other: rows are made old instead. Refunds wait at the channel until they are told to move.
 */
export class CrashLab {
  private constructor(readonly shop: Simulated) {}

  static async open(): Promise<CrashLab> {
    return new CrashLab(await startSimulated({ simulator: { signatureClock: 'real', refundDelayMs: null } }));
  }

  /** A process whose notices come to itself; it dies at the step `PAYDESK_CRASH_AT`. The port: one that it had before. */
  async startService(env: Record<string, string>, port?: number): Promise<Doomed> {
    const own = port ?? (await freePort());
    const base = `http://127.0.0.1:${own}/api`;
    const service = await ServiceProcess.start({
      ...this.shop.env,
      NODE_ENV: 'test',
      DATABASE_URL: this.shop.databaseUrl,
      JOBS_ENABLED: 'false',
      LOGINS_PER_MINUTE: '100000',
      PORT: String(own),
      WECHAT_PAY_NOTIFY_URL: `${base}/payments/callback/wechat/`,
      WECHAT_PAY_REFUND_NOTIFY_URL: `${base}/refunds/callback/wechat/`,
      ...env,
    });
    return {
      port: own,
      api: (token) => client(service.url, token),
      kill: () => service.end('SIGKILL'),
      async dies(request = Promise.resolve()) {
        await request.catch(() => undefined);
        expect(await service.exited).toEqual([null, 'SIGKILL']);
      },
    };
  }

  async operatorToken(): Promise<string> {
    const operator = { id: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB', role: 'operator' } as const;
    return (await this.shop.app.get(TokensService).issue(operator)).token;
  }

  /** What is under way is due, and what a dead process had in hand is given back: as if minutes had passed. */
  async makeOld(): Promise<void> {
    for (const [table, open] of [
      ['payments', `'init', 'processing'`],
      ['refunds', `'processing', 'abnormal'`],
    ]) {
      await this.shop.db.query(
        `UPDATE ${table} SET next_check_at = now() - interval '1 second', lease_until = NULL WHERE status IN (${open})`,
      );
    }
  }

  close(): Promise<void> {
    return this.shop.close();
  }
}
