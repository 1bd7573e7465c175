import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { seconds } from '../report.js';

/** Connections that ask nothing, or dribble a request byte by byte; until the server has closed them all. */
export interface HoldOrder {
  kind: 'hold';
  port: number;
  connections: number;
  /** Said at once on every connection; then one byte of a header or a body each second, if `dribble`. */
  opening: string;
  dribble: boolean;
  /** Milliseconds after which it gives up. */
  patience: number;
}

export interface HoldReport {
  opened: number;
  closed: number;
  /** Seconds that the one lived that was cut off soonest, and the one that was cut off last. */
  shortest: number;
  longest: number;
}

const TOGETHER = 100;

/** Opens the connections, says so to the parent process, and waits until they are closed. */
export async function hold({ port, connections, opening, dribble, patience }: HoldOrder): Promise<HoldReport> {
  const open = new Set<Socket>();
  const since = performance.now();
  const report: HoldReport = { opened: 0, closed: 0, shortest: Infinity, longest: 0 };
  const openOne = async (): Promise<void> => {
    let opened = 0;
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.on('close', () => {
      if (!open.delete(socket)) return;
      report.closed += 1;
      const lived = seconds(opened);
      report.shortest = Math.min(report.shortest, lived);
      report.longest = Math.max(report.longest, lived);
    });
    await once(socket, 'connect');
    opened = performance.now();
    report.opened += 1;
    open.add(socket);
    if (opening) socket.write(opening);
  };
  // Some at a time: the server's queue of connections is finite.
  for (let left = connections; left > 0; left -= TOGETHER) {
    await Promise.allSettled(Array.from({ length: Math.min(TOGETHER, left) }, openOne));
  }
  process.send?.({ holding: report.opened });
  while (open.size > 0 && performance.now() - since < patience) {
    await sleep(1000);
    if (dribble) for (const socket of open) socket.write('x');
  }
  for (const socket of open) socket.destroy();
  return report;
}
