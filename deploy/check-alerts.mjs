// The alert rules and their tests. Exit code 0: all right; 1: not; 3: there is no promtool to ask.
import { spawnSync } from 'node:child_process';

const COULD_NOT_RUN = 3;

for (const words of [
  ['check', 'rules', 'alerts.yml'],
  ['test', 'rules', 'alerts.test.yml'],
]) {
  const { status, error } = spawnSync('promtool', words, { cwd: import.meta.dirname, stdio: 'inherit' });
  if (error?.code === 'ENOENT') {
    console.error('!!! THE ALERT RULES WERE NOT CHECKED: there is no promtool on this machine.');
    console.error('!!! It comes with Prometheus; on Debian and Ubuntu: apt-get install prometheus.');
    process.exit(COULD_NOT_RUN);
  }
  if (error || status !== 0) process.exit(1);
}
