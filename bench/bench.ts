import type pg from 'pg';
import type { BenchKeys } from './keys.js';
import type { Service } from './service.js';
import type { Round } from './statistics.js';
import type { Worker } from './worker.js';

/** What a bench works with: a filled database, the built service on it, and a process that makes the load. */
export interface Bed {
  /** How many settled payments the database holds. */
  rows: number;
  databaseUrl: string;
  db: pg.Client;
  keys: BenchKeys;
  service: Service;
  load: Worker;
  concurrency: number;
}

/** One benchmark: the same work by the service and by a baseline that does only what cannot be saved. */
export interface Bench {
  name: string;
  /** What a request is, and what the baseline does, a line for people. */
  about: string;
  /** `range` names so many fresh things to work on: each number is used once in a bed. */
  service(bed: Bed, range: Range): Promise<Round>;
  baseline(bed: Bed, range: Range): Promise<Round>;
  /** After all rounds: throws when the database does not show what was measured. */
  check(bed: Bed, served: Range[]): Promise<void>;
}

export interface Range {
  first: number;
  count: number;
}
