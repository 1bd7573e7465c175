// Known vulnerabilities of the packages in package-lock.json. Exit code 0: none; 1: some; 3: nobody could be asked.
import { spawnSync } from 'node:child_process';

const COULD_NOT_RUN = 3;

/** Advisories that were looked at and do not concern us: the address of each, with the reason and a day to look again. */
const EXPLAINED = {};

const { stdout } = spawnSync('npm', ['audit', '--json', '--audit=true'], {
  encoding: 'utf8',
  maxBuffer: 64 * 1024 ** 2,
});
let answer = null;
try {
  answer = JSON.parse(stdout);
} catch {
  // Said below: an answer that cannot be read is none.
}
if (!answer?.metadata?.vulnerabilities || !answer.vulnerabilities) {
  const why = answer?.message ?? answer?.error?.summary ?? 'npm audit gave no answer that can be read';
  console.error('!!! THE AUDIT COULD NOT RUN: nothing is known about vulnerabilities of these packages.');
  console.error(`!!! ${why}`);
  console.error('!!! Run `npm run audit:check` where the registry answers audits, before anything is released.');
  process.exit(COULD_NOT_RUN);
}

const advisories = Object.values(answer.vulnerabilities).flatMap(({ via }) =>
  via.filter((one) => typeof one === 'object'),
);
const open = new Map(advisories.filter(({ url }) => !(url in EXPLAINED)).map((one) => [one.url, one]));
for (const { url, severity, name, title } of open.values()) console.error(`${severity}: ${name}: ${title} ${url}`);
console.log(
  `audit: ${answer.metadata.dependencies?.total ?? '?'} packages, ${open.size} advisories, ` +
    `${Object.keys(EXPLAINED).length} explained`,
);
process.exit(open.size === 0 ? 0 : 1);
