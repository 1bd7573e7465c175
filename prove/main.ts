import { parseArgs } from 'node:util';
import { argumentsOrUsage, UsageError, wholeNumber } from '../dev/arguments.js';
import { Cleanup } from '../dev/cleanup.js';
import { billMillion } from './bill-million.js';
import { billMonth } from './bill-month.js';
import { crashes } from './crashes/crashes.js';
import { databases } from './databases.js';
import { histories } from './histories.js';
import { hostile } from './hostile.js';
import { overload } from './overload.js';
import { queryPlans } from './query-plans.js';
import { NotShown, Report, stopwatch } from './report.js';
import type { Proof } from './run.js';
import { crashStorm, soak } from './soak.js';

const PROOFS: readonly Proof[] = [
  histories,
  crashes,
  crashStorm,
  databases,
  hostile,
  overload,
  soak,
  billMonth,
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

const { proof, options, texts } = argumentsOrUsage(USAGE, ([name, ...args]) => {
  if (name === undefined || name === '--help') return 'help';
  const proof = PROOFS.find((one) => one.name === name);
  if (!proof) throw new UsageError(`there is no proof "${name}"`);
  const flags = [...Object.keys(proof.options), ...(proof.texts ?? [])];
  const known = Object.fromEntries(flags.map((flag) => [flag, { type: 'string' as const }]));
  const { values } = parseArgs({ args, options: known });
  const numbers = Object.entries(proof.options).map(([flag, value]) => [
    flag,
    wholeNumber(flag, values[flag] ?? `${value}`),
  ]);
  const texts = Object.fromEntries((proof.texts ?? []).map((flag) => [flag, values[flag] ?? '']));
  return { proof, options: Object.fromEntries(numbers) as Record<string, number>, texts };
});

process.stdout.write(`${proof.name}: ${proof.about}\n`);
const [report, cleanup, elapsed] = [new Report(), new Cleanup(), stopwatch()];
try {
  await proof.run(options, { report, cleanup, texts }).finally(() => cleanup.run());
  report.say('seconds', elapsed());
  report.end();
  process.stdout.write(`${proof.name}: shown\n`);
} catch (error) {
  const text = error instanceof NotShown ? `NOT shown: ${error.message}` : ((error as Error).stack ?? String(error));
  process.stderr.write(`${proof.name}: ${text}\n`);
  // At once: what a proof that broke off left open would keep the process.
  process.exit(1);
}
