import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { BuiltProgram } from '../dev/built-program.js';
import type { Cleanup } from '../dev/cleanup.js';
import { freePort } from '../dev/embedded-postgres/free-port.js';
import { waitFor } from '../dev/wait-for.js';
import { Clock } from '../src/common/clock.js';
import { DIRECTORY, emptyFolder } from './place.js';

/** Business time is the simulator's: one clock for the channel and the service. */
export class SimulatorClock extends Clock {
  constructor(private readonly sim: { nowMs(): number }) {
    super();
  }

  override now(): Date {
    return new Date(this.sim.nowMs());
  }
}

export interface SimulatorProgramOptions {
  seed: number;
  refundDelaySeconds: number;
}

/** A simulator in a process of its own, and the environment that a service needs to speak to it. */
export async function startSimulatorProgram(
  cleanup: Cleanup,
  notifyPort: number,
  { seed, refundDelaySeconds }: SimulatorProgramOptions,
): Promise<{ simulator: BuiltProgram; env: Record<string, string> }> {
  const port = await freePort();
  const folder = await emptyFolder('simulator');
  const args = [`--port=${port}`, `--out=${resolve(folder)}`, `--notify-base=http://127.0.0.1:${notifyPort}`];
  args.push(`--seed=${seed}`, `--refund-delay=${refundDelaySeconds}`);
  const script = 'dist/simulator/main.js';
  const simulator = new BuiltProgram({ script, args, env: {}, port, ready: '/_sim/clock', folder: DIRECTORY });
  cleanup.add(() => simulator.end());
  await simulator.start();
  // It answers a moment before its keys are written.
  await waitFor(() => existsSync(`${folder}/.env`), { within: 10_000 });
  return { simulator, env: parseEnv(readFileSync(`${folder}/.env`, 'utf8')) as Record<string, string> };
}

/** Asks the simulator, or tells it to do something. @throws Error when it refuses */
export async function tell<T>(simulator: BuiltProgram, method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${simulator.url}/_sim${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** The payer pays. @param allowed further statuses of the payment sheet, as when the payment is closed there */
export async function pay(simulator: BuiltProgram, paymentId: string, ...allowed: number[]): Promise<void> {
  const response = await fetch(`${simulator.url}/_sim/transactions/${paymentId}/pay`, { method: 'POST' });
  const text = await response.text();
  if (!response.ok && !allowed.includes(response.status))
    throw new Error(`paying answered ${response.status}: ${text}`);
}

/** So many seconds pass by the channel's clock; done when every notice that fell due was sent and answered. */
export async function advance(simulator: BuiltProgram, seconds: number): Promise<void> {
  await tell(simulator, 'POST', '/clock', { advance_seconds: seconds });
  await tell(simulator, 'POST', '/settled', {});
}
