import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { BuiltProgram } from '../../dev/built-program.js';
import { waitFor } from '../../dev/wait-for.js';
import type { Chance } from '../random.js';
import { Counts } from '../report.js';
import type { Rows } from '../shop.js';

/** The embedding starts its server again only so often in a minute: a server that falls for ever is given up. */
const SERVER_KILLS = 3;

export interface KillOptions {
  /** Whether PostgreSQL and its connections are killed too. */
  database: boolean;
  /** Milliseconds between two kills, and until a killed process is started again. */
  pause: readonly [least: number, most: number];
  down: readonly [least: number, most: number];
}

/** Kills what a shop stands on, one thing after another. */
export class Killer {
  readonly killed = new Counts();

  constructor(
    private readonly db: pg.Pool,
    private readonly services: BuiltProgram[],
    private readonly chance: Chance,
    private readonly options: KillOptions,
  ) {}

  /** Until it has killed so often, or is told to stop. */
  async run(kills: number, stop: AbortSignal): Promise<void> {
    const { pause, database } = this.options;
    while (this.killed.sum < kills) {
      await this.wait(pause, stop);
      if (stop.aborted) return;
      const drawn = database ? this.chance.next() : 1;
      if (drawn < 0.25 && this.killed.of('postgres server') < SERVER_KILLS) await this.killServer();
      else if (drawn < 0.5) await this.killConnection();
      else await this.killService(stop);
    }
  }

  private async killService(stop: AbortSignal): Promise<void> {
    const victim = this.chance.pick(this.services);
    await victim.end('SIGKILL');
    this.killed.add('service');
    await this.wait(this.options.down, stop);
    await this.databaseAnswers();
    await victim.start();
  }

  /** The whole server: what it had in memory is gone, and the embedding starts it again. */
  private async killServer(): Promise<void> {
    const { rows } = await this.db.query<{ folder: string }>(`SELECT current_setting('data_directory') AS folder`);
    const [first = ''] = readFileSync(`${rows[0]?.folder ?? ''}/postmaster.pid`, 'utf8').split('\n');
    process.kill(Number(first), 'SIGKILL');
    this.killed.add('postgres server');
    await this.databaseAnswers();
  }

  /** One process of it, of a service: the server throws all others out and recovers by itself. */
  private async killConnection(): Promise<void> {
    const { rows } = await this.db.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend' ORDER BY state = 'active' DESC, xact_start NULLS LAST LIMIT 5`,
    );
    if (rows.length === 0) return;
    process.kill(this.chance.pick(rows).pid, 'SIGKILL');
    this.killed.add('postgres connection');
    await this.databaseAnswers();
  }

  private async wait([least, most]: readonly [number, number], signal: AbortSignal): Promise<void> {
    await sleep(this.chance.between(least, most), undefined, { signal }).catch(() => undefined);
  }

  private async databaseAnswers(): Promise<void> {
    await sleep(200);
    await patient(this.db).query('SELECT 1');
  }
}

/** Asks until the database answers. A row that is there already was written by a try whose answer got lost. */
export function patient(db: pg.Pool): Rows {
  return {
    async query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<{ rows: Row[] }> {
      let last: unknown;
      const ask = (): Promise<{ rows: Row[] } | null> =>
        db.query<Row>(text, values).catch((error: unknown) => {
          last = error;
          return (error as { code?: string }).code === '23505' ? { rows: [] } : null;
        });
      const answer = await waitFor(ask, { within: 60_000, every: 100 });
      if (answer) return answer;
      throw last;
    },
  };
}
