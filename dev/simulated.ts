import { startSimulator } from '../simulator/index.js';
import { readGiven, readSettings } from '../src/config/settings.js';
import { assertNoService, startEmbedded } from '../src/embedded-database.js';
import { checkWechat } from '../src/provider/provider.module.js';
import { fatal, handleSignals, start } from '../src/start.js';

/** `npm run start:simulated`: the real WeChat Pay provider against the bundled simulator, with keys made on the spot. */
const KEYS = 'var/simulator';

try {
  const { port, simulatorPort, databaseUrl } = readSettings(checkWechat, { WECHAT_PAY_ENABLE_REAL: 'false' });
  // Else the keys of the one that runs would be replaced before this one is refused.
  if (databaseUrl === null) await assertNoService();
  const notifyBase = `http://127.0.0.1:${port}`;
  const simulator = await startSimulator({ port: simulatorPort, mode: 'both', outDir: KEYS, notifyBase });
  const overrides = simulator.environment(KEYS, notifyBase);
  const read = () => readSettings(checkWechat, overrides);
  const starting = start(read(), startEmbedded(readGiven(overrides))).then((running) => ({
    ...running,
    stop: () => running.stop().finally(() => simulator.close()),
  }));
  handleSignals(starting, read);
  await starting;
  process.stdout.write(
    [
      `WeChat Pay simulator: ${simulator.url}`,
      `  what was really paid   ${simulator.url}/_sim/ledger`,
      `  notices that it sent   ${simulator.url}/_sim/notices`,
      `  cashier of an order    ${simulator.url}/_sim/cashier?prepay_id=PREPAY_ID   (from pay_params.package)`,
      '',
    ].join('\n'),
  );
} catch (error) {
  fatal(error);
}
