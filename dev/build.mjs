// Makes `dist` what the sources say, and does nothing when it is that already: then it takes a tenth of a second and
// writes nothing, so it also works for a user who may not write here. Run by `npm run build` and every script that
// needs the built code. Arguments: none.
//
// `dist` is never half written: the compiler writes to a folder of its own, which is renamed to `dist` when it is
// complete. The stamp in it tells what it was made from, by content, since `git checkout` gives files any time, and
// which files it has, so that a lost or a left-over one is noticed.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { constants } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const COMPILER = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
const STAMP = '.stamp.json';
const BUILD_INFO = '.tsbuildinfo';
/** Folders of builds under way. A killed build leaves its own behind: it is deleted when it is an hour old. */
const DRAFT = '.dist-';
const HOUR_MILLISECONDS = 3_600_000;

/** What changes the output of every file: the compiler and its settings, and this program. */
const SETTINGS = ['tsconfig.json', 'tsconfig.build.json', 'package.json', 'package-lock.json', 'dev/build.mjs'];

/** The compiler while it runs, and the exit code that a signal asks for. */
let compiling;
let interrupted = 0;

class CannotBuild extends Error {}

/** All files below a folder, relative to it, sorted. */
function filesBelow(folder, within = folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path, within) : [relative(within, path)];
    })
    .sort();
}

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) {
    const content = readFileSync(join(ROOT, path));
    hash.update(`${path}\n${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

function sources() {
  const { include } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.build.json'), 'utf8'));
  return include
    .filter((folder) => existsSync(join(ROOT, folder)))
    .flatMap((folder) => filesBelow(join(ROOT, folder)).map((path) => join(folder, path)))
    .filter((path) => path.endsWith('.ts'));
}

/** The built files with their sizes, the stamp and the compiler's notes aside. */
function outputsIn(folder) {
  const paths = filesBelow(folder).filter((path) => path !== STAMP && path !== BUILD_INFO);
  return Object.fromEntries(paths.map((path) => [path, statSync(join(folder, path)).size]));
}

/** The stamp of a complete build; undefined where there is none, or files came, went or changed their size since. */
function stampOf(folder) {
  try {
    const stamp = JSON.parse(readFileSync(join(folder, STAMP), 'utf8'));
    return JSON.stringify(stamp.outputs) === JSON.stringify(outputsIn(folder)) ? stamp : undefined;
  } catch {
    return undefined;
  }
}

function isFresh(wanted) {
  const stamp = stampOf(DIST);
  return stamp !== undefined && stamp.settings === wanted.settings && stamp.sources === wanted.sources;
}

/** What only the last build's sources gave would still be found by whatever reads a whole folder. */
function deleteOrphans(draft, sourcePaths) {
  const made = new Set(sourcePaths.map((path) => path.slice(0, -'.ts'.length)));
  for (const path of Object.keys(outputsIn(draft))) {
    if (!made.has(path.replace(/\.js(\.map)?$/, ''))) rmSync(join(draft, path));
  }
}

/** Only what changed is compiled, if the last build is whole and was made with the same settings. */
function copyLastBuild(draft, settings) {
  const before = stampOf(DIST);
  if (before?.settings !== settings) return;
  try {
    cpSync(DIST, draft, { recursive: true });
    // Another build may have taken its place in the middle of the copy.
    if (stampOf(draft)?.id === before.id && stampOf(DIST)?.id === before.id) return rmSync(join(draft, STAMP));
  } catch {
    // It went away under us.
  }
  rmSync(draft, { recursive: true, force: true });
}

/** Exit code of the compiler, which has said what is wrong. */
async function compile(draft) {
  if (!existsSync(COMPILER)) {
    throw new CannotBuild('there is no compiler to build it anew: run npm ci, without --omit=dev');
  }
  const out = ['--outDir', draft, '--tsBuildInfoFile', join(draft, BUILD_INFO)];
  compiling = spawn(process.execPath, [COMPILER, '-p', 'tsconfig.build.json', ...out], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = await once(compiling, 'close');
  return code ?? 1;
}

/** Two renames, so two builds may meet: the later one wins, and what it replaces is whole as well. */
function replaceDist(draft) {
  const old = `${draft}-old`;
  for (let attempt = 1; ; attempt += 1) {
    try {
      if (existsSync(DIST)) renameSync(DIST, old);
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
    try {
      renameSync(draft, DIST);
      break;
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(error.code) || attempt === 20) throw error;
    } finally {
      rmSync(old, { recursive: true, force: true });
    }
  }
}

function deleteAbandonedDrafts() {
  for (const name of readdirSync(ROOT).filter((candidate) => candidate.startsWith(DRAFT))) {
    const made = statSync(join(ROOT, name), { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (made < performance.timeOrigin + performance.now() - HOUR_MILLISECONDS)
      rmSync(join(ROOT, name), { recursive: true, force: true });
  }
}

async function build(paths, wanted) {
  const id = randomBytes(6).toString('hex');
  const draft = join(ROOT, `${DRAFT}${id}`);
  try {
    mkdirSync(draft);
    deleteAbandonedDrafts();
    copyLastBuild(draft, wanted.settings);
    const code = await compile(draft);
    if (code !== 0 || interrupted !== 0) return interrupted || code;
    deleteOrphans(draft, paths);
    writeFileSync(join(draft, STAMP), JSON.stringify({ id, ...wanted, outputs: outputsIn(draft) }));
    replaceDist(draft);
    return 0;
  } catch (error) {
    const forbidden = ['EACCES', 'EPERM', 'EROFS'].includes(error.code);
    if (!forbidden && !(error instanceof CannotBuild)) throw error;
    const reason = forbidden ? `this user may not build it anew: ${error.message}` : error.message;
    process.stderr.write(`dist is missing or older than the sources, and ${reason}\n`);
    return 1;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted = 128 + constants.signals[signal];
    compiling?.kill(signal);
  });
}
const paths = sources();
const wanted = { settings: hashOf(SETTINGS), sources: hashOf(paths) };
process.exitCode = isFresh(wanted) ? 0 : await build(paths, wanted);
