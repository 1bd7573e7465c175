// Runs each snippet of the guide against a Paydesk with the mock provider: npm run snippets [NAME…]
// With PAYDESK_URL and PAYDESK_API_KEY set it is that Paydesk, else one of its own, in a folder of its own. A snippet
// whose language is not there is skipped, loudly. Exit code 1: a snippet failed.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const BUILT = resolve('dist/src');
const HERE = import.meta.dirname;
const JACKSON = process.env.JACKSON_CLASSPATH ?? '/usr/share/java/*';
const hasJackson = process.env.JACKSON_CLASSPATH !== undefined || existsSync('/usr/share/java/jackson-databind.jar');

/** Each with what it needs: a program that ends with 0, or a condition. */
const SNIPPETS = {
  'pay.sh': { needs: [['bash', '-c', 'curl --version']], run: ['bash', 'pay.sh'] },
  'pay.mjs': { needs: [], run: [process.execPath, 'pay.mjs'] },
  'Pay.java': {
    needs: [['javac', '-version'], hasJackson || 'Jackson (libjackson2-databind-java, or JACKSON_CLASSPATH)'],
    run: ['java', '-cp', JACKSON, 'Pay.java'],
  },
  'pay.go': { needs: [['go', 'version']], run: ['go', 'run', 'pay.go'] },
  'pay.php': { needs: [['php', '-r', 'exit(extension_loaded("curl") ? 0 : 1);']], run: ['php', 'pay.php'] },
};

/** What is missing on this machine; undefined: nothing. */
const missing = ({ needs }) => {
  const lacks = needs.filter(
    (need) => need !== true && (typeof need === 'string' || spawnSync(need[0], need.slice(1)).status !== 0),
  );
  return lacks.map((need) => (typeof need === 'string' ? need : need.join(' '))).join(', ') || undefined;
};

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** A Paydesk as a new user has it: nothing set, its database in the folder. */
async function startPaydesk() {
  const folder = mkdtempSync(join(tmpdir(), 'paydesk-snippets-'));
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, PORT: `${await freePort()}` };
  const service = spawn(process.execPath, [join(BUILT, 'main.js')], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(service, 'exit');
  const stop = async () => {
    service.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  let output = '';
  service.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const isReady = () => output.includes('Paydesk is ready') || service.exitCode !== null;
  while (!isReady()) await Promise.race([once(service.stdout, 'data'), ended]);
  const words = [join(BUILT, 'cli.js'), 'create_api_key', '--name', 'shop', '--json'];
  const made = spawnSync(process.execPath, words, {
    cwd: folder,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (made.status !== 0) {
    await stop();
    throw new Error(`Paydesk did not start, or gave no key:\n${output}`);
  }
  return { url: `http://127.0.0.1:${env.PORT}`, key: JSON.parse(made.stdout).key, stop };
}

async function newestOrder({ url, key }) {
  const answer = await fetch(`${url}/api/orders/?limit=1`, { headers: { authorization: `Bearer ${key}` } });
  return (await answer.json()).items[0];
}

/** Runs one to its end; answers whether it left a new order, paid and with 18 yuan of it refunded. */
async function succeeds([program, ...words], paydesk) {
  const before = await newestOrder(paydesk);
  const env = { ...process.env, PAYDESK_URL: paydesk.url, PAYDESK_API_KEY: paydesk.key };
  const [code] = await once(spawn(program, words, { cwd: HERE, env, stdio: ['ignore', 'inherit', 'inherit'] }), 'exit');
  const after = await newestOrder(paydesk);
  return (
    code === 0 && after?.id !== before?.id && after?.status === 'partially_refunded' && after.refunded_amount === 1800
  );
}

const { PAYDESK_URL, PAYDESK_API_KEY } = process.env;
const isGiven = PAYDESK_URL !== undefined && PAYDESK_API_KEY !== undefined;
const paydesk = isGiven ? { url: PAYDESK_URL, key: PAYDESK_API_KEY, stop: () => undefined } : await startPaydesk();
const wanted = process.argv.slice(2);
const report = [];
try {
  for (const [name, snippet] of Object.entries(SNIPPETS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const lacks = missing(snippet);
    console.log(`\n=== ${name}`);
    if (lacks !== undefined) report.push(`!!! SKIPPED ${name}: this machine lacks ${lacks}`);
    else if (await succeeds(snippet.run, paydesk)) report.push(`ran         ${name}`);
    else report.push(`!!! FAILED  ${name}`);
  }
} finally {
  await paydesk.stop();
}
console.log(`\n${report.join('\n')}`);
if (report.some((line) => line.startsWith('!!! FAILED'))) process.exitCode = 1;
