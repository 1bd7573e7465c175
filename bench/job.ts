import type { Round } from './statistics.js';

/** Work of the load process: made ready, then run when told to. Its inputs and results cross a process border. */
export type Job = (input: JobInput) => Promise<{ run(): Promise<JobResult> }>;
export type JobInput = Record<string, string | number>;
export type JobResult = Omit<Round, 'cpuSeconds'>;
