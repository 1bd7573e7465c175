// The tests' database server, a process of its own: it lives as long as its standard input is open, so that nothing
// is left behind however the test run ends, kill -9 included. Prints its address as the first line.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverAccount } from '../../dist/dev/embedded-postgres/account.js';
import { findBinaries } from '../../dist/dev/embedded-postgres/binaries.js';
import { initdb, newPassword, chownTo, SUPERUSER } from '../../dist/dev/embedded-postgres/cluster.js';
import { Server } from '../../dist/dev/embedded-postgres/server.js';

const closed = new Promise((resolve) => process.stdin.once('end', resolve).once('error', resolve).resume());

const folder = await mkdtemp(join(tmpdir(), 'paydesk-test-'));
let server;
try {
  const account = await serverAccount();
  const binaries = await findBinaries(account, '/var/lib/paydesk');
  const password = newPassword();
  const passwordFile = join(folder, 'password');
  const data = join(folder, 'data');
  await writeFile(passwordFile, password, { mode: 0o600 });
  await chownTo(account, folder, passwordFile);
  await initdb({ data, passwordFile, account, binaries, flags: ['--no-sync'] });
  server = await Server.start({
    cluster: { data, password, account, binaries },
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' },
    log: (line) => process.stderr.write(`${line}\n`),
  });
  process.stdout.write(`postgresql://${SUPERUSER}:${password}@127.0.0.1:${server.port}/postgres\n`);
  await Promise.race([closed, server.ended]);
} finally {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
}
// Standard input may still be open when the server fell by itself.
process.exit();
