import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Simulator, type SimulatorOptions, startSimulator } from '../simulator/index.js';
import type { Cleanup } from './cleanup.js';

/** What the simulator's account holds at first, so that no refund waits for money, in fen. */
export const PLENTY_FEN = 100_000_000;

/** A simulator in this process, and the environment that a service needs to speak to it. */
export async function openSimulator(
  cleanup: Cleanup,
  options: SimulatorOptions & { notifyBase: string },
): Promise<{ sim: Simulator; env: Record<string, string> }> {
  const outDir = await mkdtemp(join(tmpdir(), 'paydesk-keys-'));
  cleanup.add(() => rm(outDir, { recursive: true, force: true }));
  const sim = await startSimulator({ openingBalanceFen: PLENTY_FEN, ...options, outDir });
  cleanup.add(() => sim.close());
  return { sim, env: sim.environment(outDir, options.notifyBase) };
}
