import { type ChildProcess, fork } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { benchChild, type ChildRequest, type Ready, type Report } from './bench-child.js';
import { BenchMerchant, type SignedCall } from './bench-merchant.js';
import { stopwatch } from './clock.js';
import { type Ledger } from './ledger.js';
import { shareOf } from './payments.js';

/**
 * How fast the simulator is by itself, and whether its books balance over a long run:
 * `node dist/simulator/bench.js [--orders 10000]`. The simulator runs in a process of its own, requests are signed
 * before the clock starts, and the receiver of callbacks answers without looking, so that the figures are its own.
 */
const CONNECTIONS = 64;

interface Bench {
  child: ChildProcess;
  merchant: BenchMerchant;
  receiver: Server;
  notifyUrl: string;
  received: () => number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { orders: { type: 'string', default: '10000' } } });
  const count = Number(values.orders);
  const bench = await start();
  try {
    await measureSpeed(bench, count);
    await ask(bench.child, { do: 'reset' });
    await balanceBooks(bench, count);
  } finally {
    bench.child.kill();
    bench.receiver.close();
    bench.receiver.closeAllConnections();
    await bench.merchant.close();
  }
}

async function start(): Promise<Bench> {
  let received = 0;
  const receiver = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      received += 1;
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  const child = fork(process.argv[1] ?? '', ['--child']);
  const ready = await new Promise<Ready>((resolve) => child.once('message', (message) => resolve(message as Ready)));
  const merchant = new BenchMerchant(ready.url, ready.credentials, CONNECTIONS);
  return { child, merchant, receiver, notifyUrl: `http://127.0.0.1:${port}/notify`, received: () => received };
}

/** Asks the simulator's process for something and waits for its report. */
function ask(child: ChildProcess, request: ChildRequest): Promise<Report> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as Report));
    child.send(request);
  });
}

async function measureSpeed({ child, merchant, notifyUrl, received }: Bench, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, index) => `SPEED_${String(index).padStart(10, '0')}`);
  const orders = numbers.map((number) => merchant.order(number, 100, notifyUrl));
  await timed(child, 'orders placed', count, () => fireAll(merchant, orders));
  const queries = numbers.map((number) => merchant.query(number));
  await timed(child, 'orders queried', count, () => fireAll(merchant, queries));
  const before = received();
  await timed(child, 'payments called back', count, () => ask(child, { do: 'pay', numbers }));
  expectSame('callbacks received', received() - before, count);
}

async function timed(child: ChildProcess, what: string, count: number, work: () => Promise<unknown>): Promise<void> {
  const cpuBefore = (await ask(child, { do: 'usage' })).cpuMs;
  const elapsed = stopwatch();
  await work();
  const ms = elapsed();
  const { cpuMs, rssMb } = await ask(child, { do: 'usage' });
  const rate = Math.round((count * 1000) / ms);
  const perCall = Math.round(((cpuMs - cpuBefore) * 1000) / count);
  console.log(`${what.padEnd(22)} ${rate}/s   ${perCall} µs CPU each   (${count} in ${ms} ms, RSS ${rssMb} MB)`);
}

/** Places, pays and refunds orders of many amounts; adds everything up beside the simulator and compares. */
async function balanceBooks({ child, merchant, notifyUrl, received }: Bench, count: number): Promise<void> {
  const before = received();
  const elapsed = stopwatch();
  const orders = Array.from({ length: count }, (_, index) => ({
    number: `BOOKS_${String(index).padStart(10, '0')}`,
    // From one fen to some hundred yuan, no two steps alike.
    total: ((index * 7919) % 50_000) + 1,
    refund: index % 3,
  }));
  await fireAll(
    merchant,
    orders.map(({ number, total }) => merchant.order(number, total, notifyUrl)),
  );
  await ask(child, { do: 'pay', numbers: orders.map((order) => order.number) });
  // A third in full, a third in part, a third not at all.
  const refunded = orders.flatMap((order) => {
    if (order.refund === 2) return [];
    return [{ ...order, fen: order.refund === 0 ? order.total : Math.ceil(order.total / 2) }];
  });
  await fireAll(
    merchant,
    refunded.map((one) => merchant.refund(one.number, one.total, one.fen, notifyUrl)),
  );
  await ask(child, { do: 'advance', seconds: 600 });
  const ms = elapsed();
  const { ledger, rssMb } = await ask(child, { do: 'ledger' });
  if (!ledger) throw new Error('No ledger came');
  const fee = (fen: number): number => shareOf(fen, 60, 10_000);
  const taken = sum(orders.map((order) => order.total));
  const back = sum(refunded.map((one) => one.fen));
  const fees = sum(orders.map((order) => fee(order.total)));
  const feesBack = sum(refunded.map((one) => (one.fen === one.total ? fee(one.total) : feeBack(one, fee(one.total)))));
  console.log(`\n${count} orders placed, paid, ${refunded.length} refunded, all notified in ${ms} ms; RSS ${rssMb} MB`);
  expectSame('notices received', received() - before, count + refunded.length);
  expectSame('fen taken', ledger.totals.taken, taken);
  expectSame('fen refunded', ledger.totals.refunded, back);
  expectSame('fees kept, in fen', ledger.totals.fees, fees - feesBack);
  expectSame('balance, in fen', ledger.totals.balance, taken - back - (fees - feesBack));
  expectSame('orders that differ', differing(ledger, orders, refunded), 0);
}

function feeBack(one: { fen: number; total: number }, fee: number): number {
  return shareOf(fee, one.fen, one.total);
}

function differing(
  ledger: Ledger,
  orders: readonly { number: string; total: number }[],
  refunds: readonly { number: string; fen: number }[],
): number {
  const booked = new Map(ledger.transactions.map((one) => [one.out_trade_no, one]));
  const back = new Map(refunds.map((one) => [one.number, one.fen]));
  return orders.filter(({ number, total }) => {
    const entry = booked.get(number);
    return entry?.total !== total || entry.paid_at === null || entry.refunded !== (back.get(number) ?? 0);
  }).length;
}

async function fireAll(merchant: BenchMerchant, calls: readonly SignedCall[]): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let call = calls[next++]; call !== undefined; call = calls[next++]) await merchant.fire(call);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
}

function expectSame(what: string, seen: number, expected: number): void {
  console.log(`${what.padEnd(22)} ${seen}${seen === expected ? '' : `   EXPECTED ${expected}`}`);
  if (seen !== expected) process.exitCode = 1;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

const work = process.argv.includes('--child') ? benchChild() : main();
work.catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
