// The licences of all packages in package-lock.json, those of other platforms included, against the ones we accept.
import { existsSync, readFileSync } from 'node:fs';

/** Permissive: they ask for their notice and nothing else. */
const ACCEPTED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Zlib',
]);

/** One licence of one package, with the reason. */
const EXPLAINED = {
  'argparse Python-2.0': 'permissive, the licence of Python itself; a parser of YAML uses it',
  'caniuse-lite CC-BY-4.0': 'data, not code, for development only: not shipped',
};

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const nameOf = (path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** An SPDX expression of OR, AND and brackets around the whole of it: all that is found here. */
function accepts(name, expression) {
  const plain = expression.replace(/^\((.*)\)$/, '$1');
  if (/[()]/.test(plain)) return false;
  const one = (licence) => ACCEPTED.has(licence) || `${name} ${licence}` in EXPLAINED;
  return plain.split(' OR ').some((choice) => choice.split(' AND ').every((licence) => one(licence.trim())));
}

const counts = new Map();
const problems = [];
for (const [path, entry] of Object.entries(readJson('package-lock.json').packages)) {
  if (path === '') continue;
  const licence = entry.license ?? 'none';
  counts.set(licence, (counts.get(licence) ?? 0) + 1);
  if (!accepts(nameOf(path), licence)) problems.push(`${path}@${entry.version}: ${licence}`);
  const installed = existsSync(`${path}/package.json`) ? readJson(`${path}/package.json`) : null;
  const said = installed?.license?.type ?? installed?.license ?? licence;
  if (installed?.version === entry.version && said !== licence)
    problems.push(`${path}: ${licence}, but it says ${said}`);
}
for (const [licence, count] of [...counts].sort((a, b) => b[1] - a[1]))
  console.log(`${`${count}`.padStart(5)} ${licence}`);
for (const [what, why] of Object.entries(EXPLAINED)) console.log(`      ${what}: ${why}`);
for (const problem of problems) console.error(`not accepted: ${problem}`);
console.log(`licences: ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
