import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { freePort } from '../bench/service.js';
import type { Ledger, NoticeView } from '../simulator/index.js';
import type { HoldOrder, HoldReport } from './overload-hold.js';
import type { LoadOrder, MixOrder, MixReport } from './overload-load.js';
import { emptyFolder, openPlace } from './place.js';
import { Program, startSimulatorProgram } from './processes.js';
import { type Proof, Report } from './proof.js';
import { balance } from './soak-books.js';
import { token } from './token.js';

const CUSTOMERS = 200;

export const overload: Proof = {
  name: 'overload',
  about: 'ten times the load it can carry, dribbling clients and 10,000 idle ones: refused in time, nothing lost',
  options: { connections: 2000, seconds: 20, payments: 1500, idle: 10_000, slow: 500, seed: 1 },
  async run({ connections = 0, seconds = 0, payments = 0, idle = 0, slow = 0, seed = 1 }) {
    const place = await openPlace('overload');
    const port = await freePort();
    const folder = await emptyFolder('simulator');
    const { program: simulator, env } = await startSimulatorProgram(folder, port, { seed, refundDelaySeconds: 2 });
    const shopEnv: Record<string, string> = {
      ...env,
      DATABASE_URL: place.databaseUrl,
      JWT_SECRET: randomBytes(32).toString('hex'),
      LOGINS_PER_MINUTE: '1000000',
      LOG_LEVEL: 'error',
      PORT: String(port),
    };
    const service = new Program('dist/src/main.js', [], shopEnv, port, '/health/ready');
    try {
      await service.start();
      await makeCustomers(place.db, env.WECHAT_APPID ?? '');
      const report = new Report();
      const tokens = Array.from({ length: CUSTOMERS }, (_, who) =>
        token(shopEnv.JWT_SECRET ?? '', customer(who), 'user'),
      );
      const mix = (order: Partial<MixOrder>): Promise<MixReport> =>
        load({ kind: 'mix', port, tokens, connections: 24, seconds: 5, rate: 0, seed, ...order });

      await mix({ seconds: 5, seed: seed + 1 });
      const calm = await mix({ seconds: 8, seed: seed + 2 });
      const capacity = calm.begun / calm.seconds;
      say(report, 'calm', calm);
      report.say('capacity, requests/s', Math.round(capacity));
      const rss = memory(service.pid);
      report.say('memory, calm, MB', `${rss.now.toFixed(0)} (highest ${rss.peak.toFixed(0)})`);
      const watch = watchHealth(service.url);
      const storm = await mix({ connections, seconds, rate: capacity * 10, seed: seed + 3 });
      const health = await watch();
      say(report, 'storm', storm);
      report.say('offered of capacity', `${(storm.begun / storm.seconds / capacity).toFixed(1)}`);
      report.say('health', JSON.stringify(health));
      const after = memory(service.pid);
      report.say('memory, now and highest, MB', `${after.now.toFixed(0)} ${after.peak.toFixed(0)}`);
      report.end();
    } finally {
      await service.end('SIGTERM');
      await simulator.end('SIGTERM');
      await place.close();
    }
  },
};

function say(report: Report, what: string, mix: MixReport): void {
  const { begun, waited, seconds, byStatus, accepted, refused, unsure } = mix;
  report.say(what, JSON.stringify({ begun, waited, seconds, byStatus, accepted, refused, unsure }));
}

async function makeCustomers(db: pg.Pool, appid: string): Promise<void> {
  await db.query(
    `INSERT INTO users (id, appid, openid, created_at)
     SELECT 'usr_' || lpad(g::text, 26, '0'), $1, 'oLoad' || g, now() FROM generate_series(0, $2::int - 1) g`,
    [appid, CUSTOMERS],
  );
}

function customer(who: number): string {
  return `usr_${String(who).padStart(26, '0')}`;
}

/** The load is a process of its own. */
async function load<R extends MixReport | HoldReport>(order: LoadOrder): Promise<R> {
  const child = fork('dist/prove/overload-load.js');
  child.send(order);
  const [message] = (await once(child, 'message')) as [{ report: R }];
  return message.report;
}

/** Resident memory of a process in MB, now and at its highest. */
function memory(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { now: read('VmRSS'), peak: read('VmHWM') };
}

interface Health {
  live: Record<string, number>;
  ready: Record<string, number>;
  slowest: number;
}

/** Asks for both every quarter of a second, until told to stop. */
function watchHealth(url: string): () => Promise<Health> {
  const health: Health = { live: {}, ready: {}, slowest: 0 };
  let watching = true;
  const ask = async (which: 'live' | 'ready'): Promise<void> => {
    while (watching) {
      const began = performance.now();
      const status = await fetch(`${url}/health/${which}`, { signal: AbortSignal.timeout(10_000) })
        .then(async (response) => {
          await response.arrayBuffer();
          return String(response.status);
        })
        .catch(() => 'no answer');
      health[which][status] = (health[which][status] ?? 0) + 1;
      health.slowest = Math.max(health.slowest, Math.round(performance.now() - began));
      await sleep(250);
    }
  };
  const asking = Promise.all([ask('live'), ask('ready')]);
  return async () => {
    watching = false;
    await asking;
    return health;
  };
}
