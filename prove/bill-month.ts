import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type pg from 'pg';
import type { Cleanup } from '../dev/cleanup.js';
import { freePort } from '../dev/embedded-postgres/free-port.js';
import { openSimulator } from '../dev/open-simulator.js';
import { consoleNumber, type Difference, type Simulator } from '../simulator/index.js';
import { byCommand, byTimer } from '../src/common/cause.js';
import { type Clock, DAY, HOUR, MINUTE, SECOND } from '../src/common/clock.js';
import { newId } from '../src/common/ids.js';
import { parseSettings } from '../src/config/settings.js';
import { createHttpApp } from '../src/http-app.js';
import { PaymentStarter } from '../src/payments/payment-starter.js';
import { PaymentsService } from '../src/payments/payments.service.js';
import { BillService } from '../src/reconciliation/bill.service.js';
import { RefundExecutor } from '../src/refunds/refund-executor.js';
import { RefundsService } from '../src/refunds/refunds.service.js';
import { openPlace } from './place.js';
import { Chance } from './random.js';
import { proof } from './run.js';
import { customerId, insertPayment, makeCustomers } from './shop.js';
import { SimulatorClock } from './simulator.js';

const CAUSE = byCommand('prove');
const USER = customerId(0);
/** Kinds of differences, of payments and refunds: at most one of each on a day. */
const KINDS = [
  'missing',
  'extra',
  'amount',
  'status',
  'fee',
  'duplicate',
  'renumbered',
  'unreadable',
  'console',
] as const;
/** Lines of another shop on the same merchant number on a day. */
const MOST_FOREIGN = 4;
/** What the bill's own line hides is missed here only if it is known here. */
const HIDES_PAYMENT: readonly Difference['kind'][] = ['missing', 'renumbered', 'unreadable'];

/** The case that a difference must become, `type number`; null: it must become none. */
const CASES: Record<Difference['kind'], (number: string) => string | null> = {
  missing: (number) => `missing_there ${number}`,
  extra: (number) => `missing_here ${number}`,
  amount: (number) => `amount ${number}`,
  status: (number) => `state ${number}`,
  fee: (number) => `fee ${number}`,
  duplicate: (number) => `duplicate ${number}`,
  renumbered: (number) => `state ${number}`,
  unreadable: (number) => `unreadable_line ${number}`,
  console: (number) => `missing_here ${consoleNumber(number)}`,
  foreign: () => null,
};

export const billMonth = proof({
  name: 'bill-month',
  about:
    'a month of random days with differences of all kinds and another shop in its bills: each found once, none invented',
  options: { days: 30, payments: 16, seed: 1 },
  async run({ days, payments, seed }, { report, cleanup }) {
    const month = await Month.open(cleanup, seed);
    for (let day = 0; day < days; day += 1) await month.day(month.chance.between(payments / 2, payments * 1.5));
    // The last hour of the last day waits for the bill of the next.
    for (let day = 0; day < 2; day += 1) {
      await month.untilChina(10.5);
      await month.compare();
    }
    const { compared, seeded, kinds } = month;
    const found = await month.cases();
    report.expect('days compared', compared.days, days + 1);
    report.say('lines compared', compared.lines);
    report.say('lost notices healed by asking', compared.healed);
    report.expect('lines of the other shop counted, and no cases', compared.foreign.count, month.foreign);
    report.say('of the other shop, in fen', compared.foreign.fen);
    report.say('differences seeded', seeded.length);
    report.check('kinds of them, of payments and refunds apart', kinds.size, kinds.size >= 12);
    report.none(
      'not found',
      seeded.filter((one) => !found.includes(one)),
      10,
    );
    report.none(
      'invented',
      found.filter((one) => !seeded.includes(one)),
      10,
    );
    report.expect('opened twice', found.length - new Set(found).size, 0);
    report.expect('payments left in the dark', await month.openPayments(), 0);
  },
});

/** A shop and a WeChat Pay on one virtual clock. */
class Month {
  readonly compared = { days: 0, lines: 0, healed: 0, foreign: { count: 0, fen: 0 } };
  /** The cases that there must be. */
  readonly seeded: string[] = [];
  readonly kinds = new Set<string>();
  /** Lines of the other shop. */
  foreign = 0;

  private constructor(
    private readonly sim: Simulator,
    private readonly app: NestFastifyApplication,
    private readonly db: pg.Pool,
    private readonly clock: Clock,
    readonly chance: Chance,
  ) {}

  static async open(cleanup: Cleanup, seed: number): Promise<Month> {
    const { db, databaseUrl } = await openPlace(cleanup, 'bill_month');
    const port = await freePort();
    const notifyBase = `http://127.0.0.1:${port}`;
    const { sim, env } = await openSimulator(cleanup, { notifyBase, seed, signatureClock: 'virtual' });
    const clock = new SimulatorClock(sim);
    const own = { JOBS_ENABLED: 'false', LOG_LEVEL: 'fatal', CHANNEL_QUERIES_PER_SECOND: '10000' };
    const app = await createHttpApp({ settings: parseSettings({ ...env, ...own }), databaseUrl, clock });
    cleanup.add(() => app.close());
    await app.listen(port, '127.0.0.1');
    await makeCustomers(db, sim.credentials.appid, 1);
    // A third of the notices never come: the bill finds them.
    await sim.faults({ rules: [{ at: 'notice', do: 'lose', probability: 1 / 3 }] });
    return new Month(sim, app, db, clock, new Chance(seed));
  }

  /** Payments and refunds all day long, some of them around midnight; then its bill is made to differ. */
  async day(payments: number): Promise<void> {
    await this.untilChina(0.001);
    const day = new Date(this.clock.now().getTime() + 8 * HOUR).toISOString().slice(0, 10);
    const gap = (24 * HOUR - MINUTE) / payments;
    for (let index = 0; index < payments; index += 1) {
      const id = await this.pay();
      if (this.chance.next() < 0.3) await this.giveBack(id);
      if (index < payments - 1) await this.sim.advance(Math.floor(gap / SECOND));
      await this.compare();
    }
    const count = Object.fromEntries(KINDS.map((kind) => [kind, this.chance.between(0, 2)]));
    const foreign = this.chance.between(0, MOST_FOREIGN + 1);
    const seed = this.chance.between(0, 1_000_000);
    for (const { kind, number } of this.sim.billDifferences(day, { count: { ...count, foreign }, seed })) {
      const isPayment = number.startsWith('pay_');
      if (isPayment && HIDES_PAYMENT.includes(kind)) await this.app.get(PaymentsService).sync(number, CAUSE);
      const found = CASES[kind](number);
      if (found === null) continue;
      this.seeded.push(found);
      this.kinds.add(`${kind} ${isPayment}`);
    }
    this.foreign += foreign;
  }

  /** What the daily timer does. */
  async compare(): Promise<void> {
    for (const report of await this.app.get(BillService).runDaily(byTimer('reconcile_bill'))) {
      this.compared.days += 1;
      this.compared.lines += report.lines;
      this.compared.healed += report.healed;
      const { payments, refunds, unreadable } = report.foreign;
      this.compared.foreign.count += payments.count + refunds.count + unreadable;
      this.compared.foreign.fen += payments.fen + refunds.fen;
    }
  }

  async cases(): Promise<string[]> {
    const { rows } = await this.db.query<{ name: string }>(
      `SELECT type || ' ' || coalesce(out_refund_no, out_trade_no) AS name FROM discrepancies`,
    );
    return rows.map((row) => row.name);
  }

  async openPayments(): Promise<number> {
    const { rows } = await this.db.query<{ count: number }>(
      `SELECT count(*)::int FROM payments WHERE status <> 'succeeded' AND id NOT IN (
         SELECT out_trade_no FROM discrepancies WHERE out_trade_no IS NOT NULL)`,
    );
    return rows[0]?.count ?? -1;
  }

  /** Moves on to the next time that the clocks in China show this hour. */
  async untilChina(hour: number): Promise<void> {
    const inDay = (this.clock.now().getTime() + 8 * HOUR) % DAY;
    const wanted = hour * HOUR;
    await this.sim.advance(Math.ceil((wanted - inDay + (wanted <= inDay ? DAY : 0)) / SECOND));
    await this.sim.settled();
  }

  private async pay(): Promise<string> {
    const [orderId, paymentId] = [newId('ord', this.clock), newId('pay', this.clock)];
    const { mchid, appid } = this.sim.credentials;
    const life = { createdAt: this.clock.now(), ttlSeconds: 1800, amountFen: this.chance.between(1, 100_000) };
    await insertPayment(this.db, { orderId, paymentId, userId: USER, mchid, appid, ...life });
    await this.app.get(PaymentStarter).start(paymentId, CAUSE);
    this.sim.pay(paymentId);
    await this.sim.settled();
    return paymentId;
  }

  /** All of it or a part, where it is known to be paid. */
  private async giveBack(paymentId: string): Promise<void> {
    const { rows } = await this.db.query<{ amount: number }>(
      `SELECT amount_fen AS amount FROM payments WHERE id = $1 AND status = 'succeeded'`,
      [paymentId],
    );
    const amount = rows[0]?.amount;
    if (amount === undefined) return;
    const id = newId('ref', this.clock);
    const amountFen = this.chance.between(1, amount + 1);
    const request = { id, paymentId, amountFen, reason: null, requestedBy: 'prove' };
    await this.app.get(RefundsService).request(request, CAUSE);
    await this.app.get(RefundExecutor).approve(id, CAUSE);
  }
}
