import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** One PostgreSQL server for the whole run, in a temporary folder and on a free port: runs do not meet each other. */
export default async function globalSetup() {
  if (!existsSync(new URL('../../dist/dev/embedded-postgres.js', import.meta.url))) {
    throw new Error('The tests need the built service: run `npm run build` first (`npm test` does).');
  }
  const script = fileURLToPath(new URL('temporary-postgres.mjs', import.meta.url));
  // Detached: Ctrl-C in the terminal must not reach it before the tests have ended.
  const server = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const [line] = await Promise.race([
    once(createInterface({ input: server.stdout }), 'line'),
    once(server, 'exit').then(() => {
      throw new Error('The PostgreSQL server of the tests did not start; its output is above.');
    }),
  ]);
  process.env.PAYDESK_TEST_DATABASE = line;
  globalThis.paydeskTestServer = server;
}
