import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

interface Lock {
  packages: Record<string, Record<string, unknown>>;
}
interface Manifest {
  dependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
}

/** Runs a check on this project's own files, changed so. */
function run(
  script: 'lockfile' | 'licences' | 'audit',
  change: { lock?: (lock: Lock) => void; manifest?: (manifest: Manifest) => void; npmrc?: string } = {},
): { status: number | null; text: string } {
  const folder = mkdtempSync(join(tmpdir(), 'paydesk-supply-'));
  try {
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock;
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
    change.lock?.(lock);
    change.manifest?.(manifest);
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    copyFileSync('.npmrc', join(folder, '.npmrc'));
    if (change.npmrc !== undefined) writeFileSync(join(folder, '.npmrc'), change.npmrc);
    const env = { PATH: script === 'audit' ? folder : '/usr/bin:/bin' };
    const done = spawnSync(process.execPath, [resolve('supply', `${script}.mjs`)], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    return { status: done.status, text: `${done.stdout}${done.stderr}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const added = (entry: Record<string, unknown>) => ({
  lock: (lock: Lock): void => {
    lock.packages['node_modules/newcomer'] = { version: '1.0.0', license: 'MIT', integrity: 'sha512-AA==', ...entry };
  },
});

describe('what is installed', () => {
  it('is exactly what was looked at, under licences that we accept', () => {
    expect(run('lockfile')).toMatchObject({ status: 0, text: expect.stringContaining('0 problems') as string });
    expect(run('licences')).toMatchObject({ status: 0, text: expect.stringContaining('0 problems') as string });
    expect(run('lockfile', added({})).status).toBe(0);
  });

  it.each<[string, Parameters<typeof run>[1], RegExp]>([
    ['a package runs a program at installation', added({ hasInstallScript: true }), /newcomer runs a program/],
    ['a package has no hash', added({ integrity: undefined }), /newcomer has no sha512/],
    [
      'a package comes from elsewhere',
      added({ resolved: 'https://example.org/x.tgz' }),
      /comes from https:\/\/example/,
    ],
    ['a package is a link', added({ link: true }), /newcomer is a link/],
    ['scripts are not switched off', { npmrc: 'save-exact=true\n' }, /ignore-scripts/],
    ['a script is allowed', { manifest: ({ allowScripts }) => (allowScripts['@scarf/scarf'] = true) }, /is allowed/],
    ['a range is wanted', { manifest: ({ dependencies }) => (dependencies.pg = '^8.23.1') }, /pg is wanted as \^8/],
    ['another version is locked', { manifest: ({ dependencies }) => (dependencies.pg = '8.0.0') }, /pg differs/],
  ])('is refused when %s', (_, change, problem) => {
    const { status, text } = run('lockfile', change);
    expect(text).toMatch(problem);
    expect(status).toBe(1);
  });

  it.each([
    ['AGPL-3.0', 1],
    ['MIT AND GPL-3.0', 1],
    ['(MIT OR GPL-3.0)', 0],
    ['Python-2.0', 1],
    [undefined, 1],
  ])('comes under licences that are on the list: %s', (license, status) => {
    expect(run('licences', added({ license })).status).toBe(status);
  });

  it('has been asked about, or the check says loudly that it could not: never in silence', () => {
    // No npm here to ask with.
    const { status, text } = run('audit');
    expect(text).toContain('THE AUDIT COULD NOT RUN');
    expect(status).toBe(3);
  });
});
