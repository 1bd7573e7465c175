// Whether what `npm ci` installs is exactly what was looked at: exact versions, a hash for each package, the public
// registry, and no package that runs a program of its own when it is installed unless package.json names it.
import { existsSync, readFileSync } from 'node:fs';

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const manifest = readJson('package.json');
const lock = readJson('package-lock.json');
const npmrc = existsSync('.npmrc') ? readFileSync('.npmrc', 'utf8') : '';
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
const nameOf = (path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

const problems = [];
const check = (holds, problem) => {
  if (!holds) problems.push(problem);
};

check(lock.lockfileVersion === 3, `package-lock.json has version ${lock.lockfileVersion}, not 3`);
for (const kind of ['dependencies', 'devDependencies']) {
  for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
    check(/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version), `${name} is wanted as ${version}, which is not one version`);
    check(lock.packages['']?.[kind]?.[name] === version, `${name} differs between package.json and package-lock.json`);
    const locked = lock.packages[`node_modules/${name}`]?.version;
    check(locked === version, `${name} is wanted as ${version} and locked as ${locked}`);
  }
}
for (const [path, entry] of packages) {
  check(entry.integrity?.startsWith('sha512-'), `${path} has no sha512 hash`);
  check(!entry.link, `${path} is a link`);
  const { resolved } = entry;
  check(!resolved || resolved.startsWith('https://registry.npmjs.org/'), `${path} comes from ${resolved}`);
}

// Each is named with a decision, so that a new one is seen; npm from 11.16 obeys, and .npmrc stops the older ones.
const decided = manifest.allowScripts ?? {};
const withScript = new Set(packages.filter(([, entry]) => entry.hasInstallScript).map(([path]) => nameOf(path)));
for (const name of withScript) {
  check(name in decided, `${name} runs a program at installation and is not named in allowScripts of package.json`);
}
for (const [name, allowed] of Object.entries(decided)) {
  check(withScript.has(name), `${name} is named in allowScripts, but runs nothing at installation`);
  check(allowed === false, `${name} is allowed to run a program at installation`);
}
check(/^ignore-scripts *= *true$/m.test(npmrc), '.npmrc does not say ignore-scripts=true');

// What is installed, when something is.
for (const [path, { version }] of packages) {
  const installed = existsSync(`${path}/package.json`) ? readJson(`${path}/package.json`).version : version;
  check(installed === version, `${path} is installed as ${installed} and locked as ${version}: run npm ci`);
}

for (const problem of problems) console.error(problem);
console.log(
  `lockfile: ${packages.length} packages, ${withScript.size} with a program at installation, none of which runs; ` +
    `${problems.length} problems`,
);
process.exit(problems.length === 0 ? 0 : 1);
