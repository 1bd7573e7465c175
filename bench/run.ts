import pg from 'pg';
import { makeDatabase, runStatements } from '../dev/databases.js';
import { type EmbeddedDatabase, startEmbeddedPostgres } from '../dev/embedded-postgres.js';
import type { Bed, Bench, Range } from './bench.js';
import { startChannel } from './channel.js';
import { type BenchKeys, makeKeys, serviceEnvironment } from './keys.js';
import { fillSettled } from './rows.js';
import { startService } from './service.js';
import { median, rate, type Round, rounded } from './statistics.js';
import { Worker } from './worker.js';

export interface BenchOptions {
  /** How long one round of the service takes. */
  seconds: number;
  /** Settled payments in the database; several: databases side by side, their rounds alternating. */
  rows: number[];
  concurrency: number;
  rounds: number;
  /** How long the stand-in for WeChat Pay takes to answer. */
  channelMs: number;
  /** Where the database and the service's log lie. */
  directory: string;
  /** The program to run as the load process. */
  script: string;
  /** A folder for CPU profiles of the service. */
  profile?: string;
  /** Another checkout, whose built service is measured instead of this one's: to compare two versions in one sitting. */
  build?: string;
  say: (line: string) => void;
}

export interface BenchResult {
  name: string;
  about: string;
  rows: number;
  concurrency: number;
  requests_per_second: number;
  p50_ms: number | null;
  p99_ms: number | null;
  cpu_ms_per_request: number | null;
  memory_mb: number | null;
  peak_memory_mb: number | null;
  baseline_per_second: number;
  ratio: number;
  /** Requests/s against those with the first of several sizes. */
  of_first_size: number | null;
  errors: number;
  rounds: { service: number; baseline: number }[];
}

/** As many requests as make a service that has just started as fast as it gets; fewer where they take too long. */
const WARM_UP = 5000;
const WARM_UP_SECONDS = 5;
const FEWEST = 500;

/** Runs one bench on databases of each size: warm-up, then service and baseline in turn; medians of all rounds. */
export async function runBench(bench: Bench, options: BenchOptions): Promise<BenchResult[]> {
  const server = await startEmbeddedPostgres({ directory: options.directory, database: 'postgres' });
  const beds: OpenBed[] = [];
  try {
    for (const rows of options.rows) beds.push(await OpenBed.open(server, bench, rows, options));
    for (const bed of beds) await bed.warmUp(options.seconds);
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const bed of beds) options.say(await bed.round(round));
    }
    const results: BenchResult[] = [];
    for (const bed of beds) results.push(await bed.result(results[0] ?? null));
    return results;
  } finally {
    for (const bed of beds) await bed.close();
    await server.stop();
  }
}

/** A database of one size with its service, and what was measured on it. */
class OpenBed {
  private readonly services: Round[] = [];
  private readonly baselines: Round[] = [];
  private next = 1;
  private readonly served: Range[] = [];
  private perRound = FEWEST;

  private constructor(
    private readonly bench: Bench,
    private readonly bed: Bed,
    private readonly stop: () => Promise<void>,
  ) {}

  static async open(server: EmbeddedDatabase, bench: Bench, rows: number, options: BenchOptions): Promise<OpenBed> {
    options.say(`${bench.name}: a database with ${rows.toLocaleString('en')} settled payments`);
    const keys = makeKeys();
    const name = `bench_${bench.name}_${rows}`;
    const databaseUrl = await makeDatabase(server.url, name);
    const db = await fill(databaseUrl, keys, rows);
    const load = Worker.start(options.script);
    const channel = await startChannel(options.script, keys, options.channelMs);
    const environment = { ...serviceEnvironment(keys, channel.port), DATABASE_URL: databaseUrl };
    const service = await startService(environment, options);
    const { concurrency } = options;
    const stop = async (): Promise<void> => {
      await service.stop();
      await Promise.all([load.stop(), channel.stop(), db.end()]);
      await runStatements(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    };
    return new OpenBed(bench, { rows, databaseUrl, db, keys, service, load, concurrency }, stop);
  }

  async warmUp(seconds: number): Promise<void> {
    await this.bench.baseline(this.bed, this.range(FEWEST));
    const cold = rate(await this.serve(FEWEST));
    const speed = rate(await this.serve(Math.round(Math.min(WARM_UP, Math.max(FEWEST, cold * WARM_UP_SECONDS)))));
    this.perRound = Math.max(FEWEST, Math.round(speed * seconds));
  }

  async round(number: number): Promise<string> {
    const service = await this.serve(this.perRound);
    const baseline = await this.bench.baseline(this.bed, this.range(this.perRound));
    if (baseline.errors > 0) throw new Error(`${baseline.errors} failures in the baseline`);
    this.services.push(service);
    this.baselines.push(baseline);
    return `  round ${number}: ${rounded(rate(service), 0)}/s, baseline ${rounded(rate(baseline), 0)}/s`;
  }

  async result(first: BenchResult | null): Promise<BenchResult> {
    const { bench, bed, services, baselines } = this;
    await bench.check(bed, this.served);
    const memory = bed.service.memory();
    const of = (pick: (round: Round) => number): number => median(services.map(pick));
    // Null where no round has it: no answer was waited for.
    const latency = (pick: (round: Round) => number | null): number | null => {
      const values = services.flatMap((round) => pick(round) ?? []);
      return values.length === 0 ? null : rounded(median(values));
    };
    const perSecond = of(rate);
    const baseline = median(baselines.map(rate));
    const counted = services.every((round) => round.cpuSeconds !== null);
    return {
      name: bench.name,
      about: bench.about,
      rows: bed.rows,
      concurrency: bed.concurrency,
      requests_per_second: rounded(perSecond, 0),
      p50_ms: latency((round) => round.p50),
      p99_ms: latency((round) => round.p99),
      cpu_ms_per_request: counted
        ? rounded(
            of((round) => ((round.cpuSeconds ?? 0) * 1000) / round.count),
            3,
          )
        : null,
      memory_mb: memory && rounded(memory.now, 0),
      peak_memory_mb: memory && rounded(memory.peak, 0),
      baseline_per_second: rounded(baseline, 0),
      ratio: rounded(median(services.map((round, index) => rate(round) / rate(baselines[index] ?? round))), 2),
      of_first_size: first && rounded(perSecond / first.requests_per_second, 2),
      errors: services.reduce((sum, round) => sum + round.errors, 0),
      rounds: services.map((round, index) => ({
        service: rounded(rate(round), 0),
        baseline: rounded(rate(baselines[index] ?? round), 0),
      })),
    };
  }

  close(): Promise<void> {
    return this.stop();
  }

  private async serve(count: number): Promise<Round> {
    const range = this.range(count);
    this.served.push(range);
    return this.bench.service(this.bed, range);
  }

  private range(count: number): Range {
    const first = this.next;
    this.next += count;
    return { first, count };
  }
}

async function fill(url: string, keys: BenchKeys, rows: number): Promise<pg.Client> {
  const db = new pg.Client({ connectionString: url });
  await db.connect();
  await fillSettled(db, keys, rows);
  await db.query('VACUUM (ANALYZE)');
  await db.query('CHECKPOINT');
  return db;
}
