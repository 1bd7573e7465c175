import { parseArgs } from 'node:util';
import { billMillion } from './bill-million.js';
import { billWeek } from './bill-week.js';
import { crashes } from './crashes/crashes.js';
import { crashStorm } from './crashes/storm.js';
import { databases } from './databases.js';
import { histories } from './histories.js';
import { hostile } from './hostile.js';
import { overload } from './overload.js';
import { NotShown, type Proof } from './proof.js';
import { queryPlans } from './query-plans.js';
import { soak } from './soak.js';

const PROOFS: readonly Proof[] = [
  histories,
  crashes,
  crashStorm,
  databases,
  hostile,
  overload,
  soak,
  billWeek,
  billMillion,
  queryPlans,
];

const USAGE = `Usage: npm run prove -- NAME [options]

Shows on a PostgreSQL of its own what is claimed of Paydesk. Exit code 0: it is so, 1: it is not, 2: wrong usage.

${PROOFS.map(({ name, about, options, texts = [] }) => {
  const flags = Object.entries(options).map(([flag, value]) => `--${flag} N (${value})`);
  flags.push(...texts.map((flag) => `--${flag} TEXT`));
  return `  ${name.padEnd(14)} ${about}\n${' '.repeat(17)}${flags.join(', ')}`;
}).join('\n')}
`;

class UsageError extends Error {}

interface Chosen {
  proof: Proof;
  options: Record<string, number>;
  texts: Record<string, string>;
}

function readArguments(args: string[]): Chosen | 'help' {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help') return 'help';
  const proof = PROOFS.find((one) => one.name === name);
  if (!proof) throw new UsageError(`there is no proof "${name}"`);
  const { values } = parseArgs({
    args: rest,
    options: Object.fromEntries(
      [...Object.keys(proof.options), ...(proof.texts ?? [])].map((flag) => [flag, { type: 'string' as const }]),
    ),
  });
  const options = Object.fromEntries(
    Object.entries(proof.options).map(([flag, value]) => [flag, whole(flag, values[flag] ?? `${value}`)]),
  );
  const texts = Object.fromEntries((proof.texts ?? []).map((flag) => [flag, values[flag] ?? '']));
  return { proof, options, texts };
}

function whole(flag: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${flag} must be a whole number`);
  return Number(text);
}

let chosen: ReturnType<typeof readArguments>;
try {
  chosen = readArguments(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
  process.exit(2);
}
if (chosen === 'help') {
  process.stdout.write(USAGE);
  process.exit(0);
}
const { proof, options, texts } = chosen;
process.stdout.write(`${proof.name}: ${proof.about}\n`);
try {
  await proof.run(options, texts);
  process.stdout.write(`${proof.name}: shown\n`);
} catch (error) {
  const text = error instanceof NotShown ? `NOT shown: ${error.message}` : ((error as Error).stack ?? String(error));
  process.stderr.write(`${proof.name}: ${text}\n`);
  // Not at leisure: what a proof that broke off left open would keep the process.
  process.exit(1);
}
