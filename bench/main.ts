import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { argumentsOrUsage, UsageError, wholeNumber } from '../dev/arguments.js';
import type { Bench } from './bench.js';
import { callback, CALLBACK_JOBS } from './callback.js';
import { CHANNEL_JOBS } from './channel.js';
import { reconcile, RECONCILE_JOBS } from './reconcile.js';
import { refund, REFUND_JOBS } from './refund.js';
import { type BenchOptions, type BenchResult, runBench } from './run.js';
import { start, START_JOBS } from './start.js';
import { serveJobs } from './worker.js';

/** Every benchmark: one file each, which says what a request is and what it is compared with. */
const BENCHES: readonly Bench[] = [callback, start, refund, reconcile];
const JOBS = { ...CHANNEL_JOBS, ...CALLBACK_JOBS, ...START_JOBS, ...REFUND_JOBS, ...RECONCILE_JOBS };

const USAGE = `Usage: npm run bench -- [NAME] [options]

Starts the built service on a PostgreSQL of its own and measures it against a baseline, turn by turn.

${BENCHES.map(({ name, about }) => `  ${name.padEnd(18)} ${about}`).join('\n')}
                     no name: all of them, one after another

  --seconds N        how long one round of the service takes (4)
  --rounds N         how many rounds (3)
  --rows N[,N]       settled payments in the database (10000); several sizes are measured side by side
  --concurrency N    requests in flight (32)
  --channel-ms N     how long WeChat Pay takes to answer (0)
  --profile DIR      write a CPU profile of the service there
  --build DIR        measure the built service of another checkout, to compare two versions in one sitting
  --json             print JSON
  --help             this text
`;

function readArguments(args: string[]): { benches: readonly Bench[]; options: BenchOptions; json: boolean } | 'help' {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      rows: { type: 'string', default: '10000' },
      concurrency: { type: 'string', default: '32' },
      'channel-ms': { type: 'string', default: '0' },
      profile: { type: 'string' },
      build: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return 'help';
  const [name, more] = positionals;
  const benches = name === undefined ? BENCHES : BENCHES.filter((bench) => bench.name === name);
  if (benches.length === 0 || more !== undefined)
    throw new UsageError(`one name at most: ${BENCHES.map((bench) => bench.name).join(', ')}`);
  const options = {
    seconds: wholeNumber('seconds', values.seconds, 1, 3600),
    rounds: wholeNumber('rounds', values.rounds, 1, 100),
    rows: values.rows.split(',').map((text) => wholeNumber('rows', text, 0, 20_000_000)),
    concurrency: wholeNumber('concurrency', values.concurrency, 1, 1000),
    channelMs: wholeNumber('channel-ms', values['channel-ms'], 0, 60_000),
    profile: values.profile,
    build: values.build,
    directory: 'var/bench',
    script: fileURLToPath(import.meta.url),
    say: (line: string) => void process.stderr.write(`${line}\n`),
  };
  return { benches, options, json: values.json };
}

function table(result: BenchResult): string {
  const { name, about, rounds, ...figures } = result;
  const lines = Object.entries({ ...figures, rounds: rounds.length }).filter(([, value]) => value !== null);
  return [`${name}: ${about}`, ...lines.map(([label, value]) => `  ${label.padEnd(22)} ${value}`), ''].join('\n');
}

async function main(): Promise<void> {
  const { benches, options, json } = argumentsOrUsage(USAGE, readArguments);
  const results: BenchResult[] = [];
  for (const bench of benches) results.push(...(await runBench(bench, options)));
  const text = json ? JSON.stringify(results, null, 2) : results.map(table).join('\n');
  process.stdout.write(`${text}\n`);
  if (results.some((result) => result.errors > 0)) process.exitCode = 1;
}

if (process.argv[2] === 'worker') serveJobs(JOBS);
else await main();
