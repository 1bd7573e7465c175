import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobResult } from './job.js';
import type { Round } from './statistics.js';

/** Ticks of `/proc/PID/stat` in a second: fixed on Linux for programs. */
const TICKS = 100;
const READY_WITHIN = 60_000;
const LOG = 'service.log';

/** The built service as a process of its own. */
export interface Service {
  port: number;
  /** CPU seconds that the process has used, system calls and its threads included; null where there is no /proc. */
  cpuSeconds(): number | null;
  /** Resident memory in MB, now and at its highest. */
  memory(): { now: number; peak: number } | null;
  stop(): Promise<void>;
}

/** @param options `profile`: a folder for a CPU profile, written at the end; `build`: the checkout whose build is measured */
export async function startService(
  environment: Record<string, string>,
  options: { directory: string; profile?: string; build?: string },
): Promise<Service> {
  const port = await freePort();
  const log = openSync(join(options.directory, LOG), 'a');
  const flags = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
  const child = spawn(process.execPath, [...flags, join(options.build ?? '.', 'dist/src/main.js')], {
    env: { ...environment, PORT: String(port) },
    stdio: ['ignore', log, log],
  });
  const exited = once(child, 'exit');
  const until = performance.now() + READY_WITHIN;
  while (!(await answers(`http://127.0.0.1:${port}/health/ready`))) {
    if (child.exitCode !== null || performance.now() > until)
      throw new Error(`the service did not start: see ${join(options.directory, LOG)}`);
    await sleep(100);
  }
  return {
    port,
    cpuSeconds: () => cpuSeconds(child.pid ?? 0),
    memory: () => memory(child.pid ?? 0),
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => null);
  await response?.arrayBuffer();
  return response?.status === 200;
}

function cpuSeconds(pid: number): number | null {
  if (process.platform !== 'linux') return null;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the program's name in brackets and may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function memory(pid: number): { now: number; peak: number } | null {
  if (process.platform !== 'linux') return null;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { now: read('VmRSS'), peak: read('VmHWM') };
}

/** One round of requests, with the CPU seconds that the service spent on it. */
export async function withCpu(service: Service, run: () => Promise<JobResult>): Promise<Round> {
  const before = service.cpuSeconds();
  const result = await run();
  const after = service.cpuSeconds();
  return { ...result, cpuSeconds: before === null || after === null ? null : after - before };
}
