import { parseArgs } from 'node:util';
import { type SimulatorOptions, startSimulator } from './index.js';
import { KEY_MODES, type KeyMode } from './keyring.js';
import { DEFAULT_NOTIFY_BASE } from './output.js';

const USAGE = `Usage: npm run simulator -- [options]

  --port N            port to listen on; 0: any (SIM_PORT, or 8787)
  --host ADDRESS      address to listen on (127.0.0.1)
  --out DIR           write keys, certificates and a ready .env there
  --mode MODE         public_key (default), certificate or both
  --notify-base URL   where the shop listens for callbacks (${DEFAULT_NOTIFY_BASE})
  --refund-delay S    seconds until a refund arrives; "never": until told to (300)
  --seed N            course of everything left to chance
  --help              this text
`;

const DEFAULT_PORT = 8787;
const WRONG_USAGE = 2;

class UsageError extends Error {}

function readOptions(args: string[], environment: NodeJS.ProcessEnv): SimulatorOptions | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      out: { type: 'string' },
      mode: { type: 'string' },
      'notify-base': { type: 'string' },
      'refund-delay': { type: 'string' },
      seed: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return 'help';
  const port = values.port ?? environment.SIM_PORT;
  return {
    port: port === undefined || port === '' ? DEFAULT_PORT : wholeNumber('port', port, 65_535),
    host: values.host,
    outDir: values.out,
    mode: modeOf(values.mode),
    notifyBase: baseOf(values['notify-base']),
    refundDelayMs: refundDelay(values['refund-delay']),
    seed: values.seed === undefined ? undefined : wholeNumber('seed', values.seed, 0xffff_ffff),
  };
}

function wholeNumber(name: string, text: string, most: number): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > most)
    throw new UsageError(`--${name}: "${text}" is not a number to ${most}`);
  return Number(text);
}

function modeOf(text: string | undefined): KeyMode | undefined {
  const mode = KEY_MODES.find((one) => one === text);
  if (text !== undefined && !mode) throw new UsageError(`--mode: "${text}" is none of ${KEY_MODES.join(', ')}`);
  return mode;
}

function baseOf(text: string | undefined): string | undefined {
  if (text !== undefined && !URL.canParse(text)) throw new UsageError(`--notify-base: "${text}" is not an address`);
  return text;
}

function refundDelay(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  return text === 'never' ? null : wholeNumber('refund-delay', text, 10_000_000) * 1000;
}

/** What to do next, for someone who has just started it. */
function introduction(url: string, options: SimulatorOptions, mchid: string): string {
  const env = options.outDir === undefined ? null : `${options.outDir.replace(/\/$/, '')}/.env`;
  return [
    '',
    `  WeChat Pay simulator     ${url}   (mchid ${mchid}, ${options.mode ?? 'public_key'} mode, no real money)`,
    '',
    env === null
      ? '  1. Keys live in memory only. Start again with --out DIR to get them and a ready .env.'
      : `  1. Point your shop at it:   node --env-file=${env} your-shop.js`,
    '  2. Place an order, then pay it on the payment sheet:',
    `       ${url}/_sim/cashier?prepay_id=<prepay_id>`,
    `     or by hand:   curl -X POST ${url}/_sim/transactions/<out_trade_no>/pay`,
    `  3. Look at the books:       ${url}/_sim/ledger     and the notices: ${url}/_sim/notices`,
    `  4. Let two hours pass:      curl -X POST ${url}/_sim/clock -H 'Content-Type: application/json' -d '{"advance_seconds":7200}'`,
    `  5. Make it misbehave:       curl -X PUT ${url}/_sim/faults -H 'Content-Type: application/json' \\`,
    `       -d '{"rules":[{"at":"payment_notice","do":"double","times":1}]}'`,
    '',
    '  All of it: simulator/README.md. Ctrl-C ends it.',
    '',
  ].join('\n');
}

async function main(): Promise<void> {
  let options: SimulatorOptions | 'help';
  try {
    options = readOptions(process.argv.slice(2), process.env);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exitCode = WRONG_USAGE;
    return;
  }
  if (options === 'help') return console.log(USAGE);
  const simulator = await startSimulator(options);
  console.log(introduction(simulator.url, options, simulator.credentials.mchid));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void simulator.close());
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
