import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseEnv } from 'node:util';
import type pg from 'pg';
import { BuiltProgram } from '../dev/built-program.js';
import { freePort } from '../dev/embedded-postgres/free-port.js';
import { DIRECTORY, emptyFolder } from './place.js';
import { customerId, makeCustomers, token } from './shop.js';

/** The built service on this port; it knows nothing but this environment. */
export function serviceProgram(env: Record<string, string>, port: number): BuiltProgram {
  return new BuiltProgram({ env: { ...env, PORT: String(port) }, port, folder: DIRECTORY });
}

export interface SimulatorProgramOptions {
  seed: number;
  refundDelaySeconds: number;
}

/** The simulator, and the environment that a service needs to speak to it. */
export async function startSimulatorProgram(
  notifyPort: number,
  { seed, refundDelaySeconds }: SimulatorProgramOptions,
): Promise<{ program: BuiltProgram; env: Record<string, string> }> {
  const port = await freePort();
  const folder = await emptyFolder('simulator');
  const args = [`--port=${port}`, `--out=${resolve(folder)}`, `--notify-base=http://127.0.0.1:${notifyPort}`];
  args.push(`--seed=${seed}`, `--refund-delay=${refundDelaySeconds}`);
  const script = 'dist/simulator/main.js';
  const program = new BuiltProgram({ script, args, env: {}, port, ready: '/_sim/clock', folder: DIRECTORY });
  await program.start();
  // It answers a moment before its keys are written.
  while (!existsSync(`${folder}/.env`)) await sleep(50);
  return { program, env: parseEnv(readFileSync(`${folder}/.env`, 'utf8')) as Record<string, string> };
}

/** The simulator and one service that speaks to it, with customers who are logged in. */
export interface Shop {
  service: BuiltProgram;
  simulator: BuiltProgram;
  tokens: string[];
  close(): Promise<void>;
}

/** @param options `db`: where the customers are written; `env`: further settings of the service */
export async function openShop(options: {
  databaseUrl: string;
  db: pg.Pool;
  seed: number;
  customers: number;
  env?: Record<string, string>;
}): Promise<Shop> {
  const { databaseUrl, db, seed, customers } = options;
  const port = await freePort();
  const { program: simulator, env } = await startSimulatorProgram(port, { seed, refundDelaySeconds: 2 });
  const secret = randomBytes(32).toString('hex');
  const own = { ...env, DATABASE_URL: databaseUrl, JWT_SECRET: secret, LOG_LEVEL: 'error', ...options.env };
  const service = serviceProgram(own, port);
  const close = async (): Promise<void> => {
    await service.end();
    await simulator.end();
  };
  try {
    await service.start();
    await makeCustomers(db, env.WECHAT_APPID ?? '', customers);
  } catch (error) {
    await close();
    throw error;
  }
  const tokens = Array.from({ length: customers }, (_, index) => token(secret, customerId(index), 'user'));
  return { service, simulator, tokens, close };
}

/** Asks the simulator, or tells it to do something. @throws Error when it refuses */
export async function tell<T>(simulator: BuiltProgram, method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${simulator.url}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}
