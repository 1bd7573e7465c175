import type { JobInput } from './job.js';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { JobResult } from './job.js';
import { percentile } from './statistics.js';

/** Runs so many pieces of work, so many at once, each as soon as one before it is done. */
export async function inParallel(
  count: number,
  lanes: number,
  work: (index: number, lane: number) => Promise<boolean>,
): Promise<JobResult> {
  const times = new Float64Array(count);
  let next = 0;
  let errors = 0;
  const runLane = async (lane: number): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      const began = performance.now();
      if (!(await work(index, lane))) errors += 1;
      times[index] = performance.now() - began;
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(lane)));
  const seconds = (performance.now() - began) / 1000;
  times.sort();
  return { count, seconds, p50: percentile(times, 0.5), p99: percentile(times, 0.99), errors };
}

const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * A kept-alive HTTP connection that sends finished bytes, one request at a time, and looks at the status only: a client
 * library would cost the machine more than the service that is measured.
 */
export class Wire {
  private received: Buffer = Buffer.alloc(0);
  private answered: ((status: number) => void) | null = null;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('close', () => this.answer(0));
    socket.on('error', () => undefined);
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Wire(socket);
  }

  /** The answer's status; 0 when the connection is lost. */
  send(request: Buffer): Promise<number> {
    return new Promise((resolve) => {
      this.answered = resolve;
      this.socket.write(request);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
    const end = this.received.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.received.toString('latin1', 0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.received.length < end + HEAD_END.length + length) return;
    this.received = this.received.subarray(end + HEAD_END.length + length);
    this.answer(Number(head.slice(9, 12)));
  }

  private answer(status: number): void {
    const answered = this.answered;
    this.answered = null;
    answered?.(status);
  }
}

/** Sends finished requests over kept-alive connections; anything but 200 is an error. */
export async function sendAll(port: number, connections: number, requests: Buffer[]): Promise<JobResult> {
  const wires = await Promise.all(Array.from({ length: connections }, () => Wire.open(port)));
  try {
    return await inParallel(requests.length, connections, async (index, lane) => {
      const [wire, request] = [wires[lane], requests[index]];
      return wire !== undefined && request !== undefined && (await wire.send(request)) === 200;
    });
  } finally {
    for (const wire of wires) wire.close();
  }
}

/** A POST as it goes over the wire. */
export function httpRequest(port: number, path: string, headers: Record<string, string>, body: string): Buffer {
  const all = { Host: `127.0.0.1:${port}`, 'Content-Length': String(Buffer.byteLength(body)), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

/** The figures that every job is given. */
export function numbers(input: JobInput): { first: number; count: number; port: number; concurrency: number } {
  const [first, count, port, concurrency] = [input.first, input.count, input.port, input.concurrency].map(Number);
  return { first: first ?? 0, count: count ?? 0, port: port ?? 0, concurrency: concurrency ?? 1 };
}
