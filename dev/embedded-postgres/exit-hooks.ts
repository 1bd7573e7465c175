import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const servers = new Set<ChildProcess>();

/**
 * Sends the server the signal to shut down when this process ends without having stopped it: by an uncaught error,
 * `process.exit`, or a signal without another handler, as while the application is still starting.
 */
export function stopServerOnExit(server: ChildProcess): void {
  if (servers.size === 0) {
    process.on('exit', stopServers);
    for (const name of SIGNALS) process.on(name, onSignal);
  }
  servers.add(server);
  server.once('close', () => {
    servers.delete(server);
    if (servers.size > 0) return;
    process.off('exit', stopServers);
    for (const name of SIGNALS) process.off(name, onSignal);
  });
}

function stopServers(): void {
  for (const server of servers) server.kill('SIGINT');
}

/** Where the application handles the signal, it stops the server itself when its requests have finished. */
function onSignal(name: NodeJS.Signals): void {
  if (process.listenerCount(name) === 1) process.exit(128 + constants.signals[name]);
}
