// Holds an embedded PostgreSQL as the service or a command does, in a process that a test can kill.
// Arguments: start|attach FOLDER. Prints one JSON line when it is up; stops on SIGTERM, ends without stopping when
// anything comes in on standard input.
import { attachEmbeddedPostgres, startEmbeddedPostgres } from '../../dist/dev/embedded-postgres.js';

const [how, directory, outside] = process.argv.slice(2);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

try {
  const open = how === 'attach' ? attachEmbeddedPostgres : startEmbeddedPostgres;
  const database = await open({
    directory,
    outside,
    log: (line) => say({ log: line }),
    onUnexpectedExit: (reason) => say({ lost: reason }),
  });
  say({ up: true, url: database.url, startedHere: database.startedHere });
  const stop = async () => {
    say({ stopping: true });
    await database.stop();
    process.exit(0);
  };
  process.once('SIGTERM', stop);
  process.stdin.once('data', () => process.exit(3));
} catch (error) {
  say({ error: error.name, message: error.message });
  process.exit(1);
}
