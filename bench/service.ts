import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuiltProgram, memoryOf } from '../dev/built-program.js';
import { freePort } from '../dev/embedded-postgres/free-port.js';
import type { JobResult } from './job.js';
import type { Round } from './statistics.js';

/** Ticks of `/proc/PID/stat` in a second: fixed on Linux for programs. */
const TICKS = 100;

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
  const { directory, profile, build = '.' } = options;
  const program = new BuiltProgram({
    script: resolve(build, 'dist/src/main.js'),
    nodeFlags: profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profile)}`],
    env: { ...environment, PORT: String(port) },
    port,
    folder: directory,
    log: 'service.log',
  });
  await program.start();
  return {
    port,
    cpuSeconds: () => cpuSeconds(program.pid ?? 0),
    memory: () => memoryOf(program.pid),
    stop: () => program.end('SIGTERM'),
  };
}

function cpuSeconds(pid: number): number | null {
  if (process.platform !== 'linux') return null;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the program's name in brackets and may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** One round of requests, with the CPU seconds that the service spent on it. */
export async function withCpu(service: Service, run: () => Promise<JobResult>): Promise<Round> {
  const before = service.cpuSeconds();
  const result = await run();
  const after = service.cpuSeconds();
  return { ...result, cpuSeconds: before === null || after === null ? null : after - before };
}
