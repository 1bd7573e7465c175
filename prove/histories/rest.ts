import { PLENTY_FEN } from '../../dev/open-simulator.js';
import { DAY, HOUR, SECOND } from '../../src/common/clock.js';
import {
  type Books,
  channelOf,
  isOpen,
  PARTLY_REFUNDED_OR_CASE,
  readBooks,
  refundByNumber,
  stateText,
} from '../books.js';
import { compareBooks } from '../compare-books.js';
import type { Model } from './model.js';
import type { Troubles } from './troubles.js';
import type { World } from './world.js';

const ROUNDS = 60;
const HALF_AN_HOUR_SECONDS = 1801;
/** Longer than the channel goes on sending a notice. */
const LAST_RETRY_SECONDS = 90_000;

/** What still has to come to an end: neither a lie that stands nor a refund that was not approved is waited for. */
function underWay(books: Books, model: Model): { what: string; at: number }[] {
  const { payments, refunds, orders } = books;
  const open = [...payments.values()].filter((one) => isOpen(one) && !isLiedAbout(one.id, books, model));
  const waiting = [...refunds.values()].filter(({ status }) => status === 'processing' || status === 'abnormal');
  // An order without an open payment is cancelled at its end, which cannot be seen from here: half an hour will do.
  const pending = [...orders.values()].filter(
    ({ id, status }) =>
      status === 'pending' && ![...payments.values()].some((one) => one.order_id === id && isOpen(one)),
  );
  return [
    ...[...open, ...waiting].map((one) => ({
      what: JSON.stringify(one),
      at: Math.max(one.next_check_at ?? 0, one.lease_until ?? 0),
    })),
    ...pending.map((one) => ({ what: JSON.stringify(one), at: Infinity })),
  ];
}

/** Paid, and the channel says so with another amount for good. */
function isLiedAbout(id: string, books: Books, model: Model): boolean {
  return model.lied.has(id) && Boolean(channelOf(books, id)?.paid_at);
}

/**
 * The channel comes to itself, has money, and every abnormal refund arrives; timers tick until nothing is under way, and
 * a day later the bills are compared. Answers the books then, and what is wrong with them.
 */
export async function comeToRest(
  world: World,
  troubles: Troubles,
  model: Model,
  withBills: boolean,
): Promise<{ books: Books; wrong: string[]; compared: boolean }> {
  const { sim, db } = world;
  await troubles.calm();
  await sim.faults({ balance_fen: PLENTY_FEN });
  const wrong = await settle(world, model);
  await world.advance(LAST_RETRY_SECONDS);
  // Money that was held back until now is on its way back.
  wrong.push(...(await settle(world, model)));
  // What the channel denied and never announced in a readable way is found in the bill, and only there.
  const found = await readBooks(db, sim);
  const unheard =
    [...found.payments.values()].some(
      ({ id, status }) => status !== 'succeeded' && Boolean(channelOf(found, id)?.paid_at),
    ) || found.channel.refunds.some((refund) => !refundByNumber(found, refund.out_refund_no));
  if (withBills || unheard) wrong.push(...(await compareBills(world, model)), ...(await settle(world, model)));
  const books = await readBooks(db, sim);
  wrong.push(...(await stirred(world, books)));
  return { books, wrong, compared: withBills || unheard };
}

/** Timers tick, at each time at which something is due, until nothing is under way. */
async function settle(world: World, model: Model): Promise<string[]> {
  const { sim, db } = world;
  for (let round = 0; ; round += 1) {
    for (const refund of sim.ledger().refunds) {
      if (refund.status === 'ABNORMAL') sim.settleRefund(refund.out_refund_no, 'SUCCESS');
    }
    await world.tick(round % 2 === 0 ? 0 : 1);
    const books = await readBooks(db, sim);
    const due = underWay(books, model);
    if (due.length === 0) return [];
    if (round === ROUNDS) return [`not at rest after ${ROUNDS} rounds: ${due.map(({ what }) => what).join('; ')}`];
    // Once at the very time, to see that it is kept; then half an hour after another, within which all is due.
    const seconds =
      round === 0 ? Math.ceil((Math.min(...due.map(({ at }) => at)) - books.now) / SECOND) : HALF_AN_HOUR_SECONDS;
    await world.advance(Math.min(Math.max(1, seconds), HALF_AN_HOUR_SECONDS));
  }
}

/** Both processes compare every day that is over. What differs is wrong, but for what the channel lied about. */
async function compareBills(world: World, model: Model): Promise<string[]> {
  const before = world.sim.nowMs();
  await world.advance(Math.max(1, Math.ceil((nextNoon(before) - before) / SECOND)));
  const reports = await Promise.all([world.bills(0), world.bills(1)]);
  return reports
    .flat()
    .flatMap((report) => report.examples)
    .filter(({ number }) => !model.lied.has(number))
    .map((difference) => `the bill differs: ${JSON.stringify(difference)}`);
}

/** Noon in China, of the next day. */
function nextNoon(now: number): number {
  return Math.ceil((now - 4 * HOUR) / DAY) * DAY + 4 * HOUR;
}

/** What is at rest stays so, whatever is announced or asked once more. */
async function stirred(world: World, books: Books): Promise<string[]> {
  for (const notice of books.notices) world.sim.resend(notice.id);
  await world.sim.settled();
  await Promise.all([world.tick(0), world.tick(1)]);
  await world.reconcile(0, true);
  const after = await readBooks(world.db, world.sim);
  // What was lost for good is known: all was asked about. A lie opens its case at the first notice.
  const text = (one: Books): string => stateText({ ...one, cases: [], announced: [] });
  return text(after) === text(books) ? [] : ['what was at rest moved when everything was announced once more'];
}

/**
 * At rest every fen that the channel took is in one place: delivered, given back, or the case of a person; and every
 * refund number that was sent is one refund there.
 */
export function brokenAtRest(books: Books, model: Model): string[] {
  const { wrong } = compareBooks(books, PARTLY_REFUNDED_OR_CASE);
  for (const payment of books.payments.values()) {
    const there = channelOf(books, payment.id);
    const expected = model.taken.get(payment.id) ?? 0;
    const taken = there?.paid_at ? there.total : 0;
    if (taken !== expected) wrong.push(`${taken} of ${payment.id} is in the ledger, ${expected} was paid`);
    if (isOpen(payment) && !isLiedAbout(payment.id, books, model))
      wrong.push(`${payment.id} is still ${payment.status}`);
  }
  for (const [id, { fen: amount }] of model.asked) {
    const status = books.refunds.get(id)?.status ?? 'gone';
    if (status === 'gone') wrong.push(`refund ${id} of ${amount} fen was promised, and is gone`);
    if (model.approved.has(id) && status === 'requested') wrong.push(`refund ${id} was approved and never sent`);
  }
  for (const order of books.orders.values()) {
    const lied = [...books.payments.values()].some(
      (one) => one.order_id === order.id && isLiedAbout(one.id, books, model),
    );
    if (order.status === 'pending' && !lied) wrong.push(`${order.id} is still pending`);
  }
  return wrong;
}
