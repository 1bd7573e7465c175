import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const servers = new Set<ChildProcess>();

/**
 * Tells a server to shut down when this process ends without having stopped it: by an uncaught error, `process.exit`,
 * or a signal that nobody else handles, as while the application is still starting. It then shuts down by itself.
 */
export function tellWhenWeEnd(server: ChildProcess): void {
  if (servers.size === 0) {
    process.on('exit', tell);
    for (const name of SIGNALS) process.on(name, onSignal);
  }
  servers.add(server);
  server.once('close', () => {
    servers.delete(server);
    if (servers.size > 0) return;
    process.off('exit', tell);
    for (const name of SIGNALS) process.off(name, onSignal);
  });
}

function tell(): void {
  for (const server of servers) server.kill('SIGINT');
}

/** Somebody else who handles the signal, stops the server when its requests are through: then this is none of ours. */
function onSignal(name: NodeJS.Signals): void {
  if (process.listenerCount(name) === 1) process.exit(128 + constants.signals[name]);
}
