import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type pg from 'pg';
import { memoryOf } from '../../dev/built-program.js';

/** What a service must be started with for its vitals to be read: it collects its garbage when told. */
export const NODE_OPTIONS = `--import ${pathToFileURL(resolve('dist/prove/hostile/collects.js')).href}`;
/** Twice, with a moment in between: what waits to be finalised goes with the second. */
const COLLECTIONS = 2;
const SETTLE_MS = 500;

/** What a service holds that it could hold ever more of. */
export interface Vitals {
  inputs: number;
  residentMb: number;
  heapMb: number;
  handles: number;
  connections: number;
}

/** Reads it from outside, garbage collected first; null where there is no /proc. */
export async function vitals(pid: number, url: string, db: pg.Pool, inputs: number): Promise<Vitals | null> {
  if (process.platform !== 'linux') return null;
  for (let left = COLLECTIONS; left > 0; left -= 1) {
    process.kill(pid, 'SIGUSR2');
    await sleep(SETTLE_MS);
  }
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const heap = Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(metrics)?.[1] ?? 0);
  const { rows } = await db.query<{ count: string }>(
    `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND application_name <> $1`,
    [PROOF],
  );
  return {
    inputs,
    residentMb: Math.round(memoryOf(pid)?.now ?? NaN),
    heapMb: Math.round(heap / 1024 ** 2),
    handles: readdirSync(`/proc/${pid}/fd`).length,
    connections: Number(rows[0]?.count),
  };
}

/** The proof's own connections, by `application_name`: they are not the service's. */
export const PROOF = 'hostile';

export const inWords = ({ inputs, residentMb, heapMb, handles, connections }: Vitals): string =>
  `after ${inputs} inputs: ${residentMb} MB resident, ${heapMb} MB heap, ${handles} handles, ${connections} connections`;
