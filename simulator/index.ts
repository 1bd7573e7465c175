import { type AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { Control } from './control.js';
import { type SimulatorCredentials } from './keyring.js';
import { environmentOf, writeOutput } from './output.js';
import { serve } from './server.js';
import { Simulation, type SimulationOptions } from './simulation.js';

export { consoleNumber, type Difference, type DifferenceOrder } from './bill-differences.js';
export { type FaultPlan, type RequestPayment, type Selection } from './control.js';
export { type FaultRule } from './faults.js';
export { type KeyChange, type KeyMode, type SimulatorCredentials } from './keyring.js';
export { type Ledger, type NoticeView } from './ledger.js';
export { type PayOptions } from './payments.js';

export interface SimulatorOptions extends SimulationOptions {
  /** Default 0: any free port. */
  port?: number;
  /** Default 127.0.0.1. Whoever reaches it can do anything to it. */
  host?: string;
  /** Where keys and a ready `.env` are written; left out: nowhere. */
  outDir?: string;
  /** Base of the shop's callback addresses in that `.env`; default http://127.0.0.1:3000. */
  notifyBase?: string;
}

/** A running simulator: its address, its keys, and every control call as a method. */
export interface Simulator extends Omit<Control, never> {
  url: string;
  /** Read afresh: after a rotation it has the new certificate too. */
  readonly credentials: SimulatorCredentials;
  /** The shop's environment variables against this simulator, for keys that `outDir` wrote to that folder. */
  environment(folder: string, notifyBase?: string): Record<string, string>;
  close(): Promise<void>;
}

/** Starts a simulator in this process. Takes about half a second: four RSA keys are made. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const sim = await Simulation.make(options);
  const server = serve(sim);
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((done, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, done);
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (options.outDir !== undefined) {
    await writeOutput(options.outDir, { url, sim, notifyBase: options.notifyBase });
  }
  return new RunningSimulator(sim, url, () => {
    sim.close();
    server.closeAllConnections();
    return new Promise((done) => server.close(() => done()));
  });
}

class RunningSimulator extends Control implements Simulator {
  readonly #sim: Simulation;

  constructor(
    sim: Simulation,
    readonly url: string,
    readonly close: () => Promise<void>,
  ) {
    super(sim);
    this.#sim = sim;
  }

  environment(folder: string, notifyBase?: string): Record<string, string> {
    return environmentOf(this.#sim, this.url, resolve(folder), notifyBase);
  }

  get credentials(): SimulatorCredentials {
    return this.#sim.keyring.credentials();
  }
}
