import { once } from 'node:events';

/** Closing its standard input tells the server to stop and to delete its folder. */
export default async function globalTeardown() {
  const server = globalThis.paydeskTestServer;
  if (!server || server.exitCode !== null) return;
  const exited = once(server, 'exit');
  server.stdin.end();
  await exited;
}
