import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuiltProgram } from '../dev/built-program.js';
import { Chance } from './random.js';
import { apiAt, customerId, insertPayment, makeCustomers, nowMs, pay, type Rows, token } from './shop.js';

/**
 * What happens to a payment. Every one has its notice dropped, doubled, late or right by chance; besides:
 * `prompt` is paid at once; `unpaid` never; `after_expiry` when Paydesk had closed it and WeChat Pay had not; `twice` by
 * two payments of its order, the first of which was cancelled; `other_amount` with an amount that is not the order's.
 */
export const FATES = ['prompt', 'unpaid', 'after_expiry', 'twice', 'other_amount'] as const;
export type Fate = (typeof FATES)[number];

/** Letters in a payment's number by which the simulator's faults know it: it says another amount, or lies of closing. */
export const OTHER_AMOUNT = 'WRNGAMT';
export const NOT_CLOSED = 'NXTCXSED';
const MARKS: Record<Fate, string> = {
  prompt: '',
  unpaid: '',
  after_expiry: NOT_CLOSED,
  twice: NOT_CLOSED,
  other_amount: OTHER_AMOUNT,
};

/** Seconds. */
const SHORT_LIFE = 8;
const LONG_LIFE = 45;
const CUSTOMERS = 50;
const TRIES = 60;
/** Milliseconds; a process that was killed may take long to come back on a busy machine. */
const ANSWERED_WITHIN = 120_000;

/** The mini-programs of many customers, speaking to whichever process is alive. */
export class SoakShop {
  private readonly tokens: string[] = [];

  constructor(
    private readonly db: Rows,
    private readonly simulator: BuiltProgram,
    private readonly alive: () => BuiltProgram,
    private readonly env: Record<string, string>,
    private readonly chance: Chance,
  ) {}

  async open(): Promise<void> {
    for (let index = 0; index < CUSTOMERS; index += 1)
      this.tokens.push(token(this.env.JWT_SECRET ?? '', customerId(index), 'user'));
    await makeCustomers(this.db, this.env.WECHAT_APPID ?? '', CUSTOMERS);
  }

  /** Lives through one payment's fate. Answers how many payments it made. */
  async live(fate: Fate, index: number): Promise<number> {
    const who = index % CUSTOMERS;
    const { orderId, paymentId } = await this.place(who, fate);
    await this.startPayment(who, paymentId);
    if (fate === 'unpaid') return 1;
    if (fate === 'twice') {
      await this.call(who, `/payments/${paymentId}/cancel/`);
      const second = await this.secondPayment(who, orderId);
      await this.startPayment(who, second);
      const both = this.chance.next() < 0.5 ? [paymentId, second] : [second, paymentId];
      for (const id of both) await this.pay(id);
      return 2;
    }
    if (fate === 'after_expiry') await this.untilExpired(paymentId);
    await this.pay(paymentId);
    return 1;
  }

  /** An order and its payment, as the shop's backend and the mini-program would have made them. */
  private async place(who: number, fate: Fate): Promise<{ orderId: string; paymentId: string }> {
    const [orderId, paymentId] = [this.id('ord', ''), this.id('pay', MARKS[fate])];
    const life = fate === 'after_expiry' || fate === 'unpaid' ? SHORT_LIFE : LONG_LIFE;
    await insertPayment(this.db, {
      ...{ orderId, paymentId, userId: customerId(who), amountFen: this.chance.between(1, 50_000) },
      ...{ mchid: this.env.WECHAT_PAY_MCHID ?? '', appid: this.env.WECHAT_APPID ?? '' },
      ...{ createdAt: new Date(nowMs()), ttlSeconds: life },
    });
    return { orderId, paymentId };
  }

  private async startPayment(who: number, paymentId: string): Promise<void> {
    // 409: its time was over before a process answered, as when all of them had just been killed.
    await this.call(who, `/payments/${paymentId}/start/`, {}, [200, 409]);
  }

  private async secondPayment(who: number, orderId: string): Promise<string> {
    const answer = await this.call(who, '/payments/', { order_id: orderId }, [200, 201]);
    return String(answer.id);
  }

  /** 404 and 409 are the payment sheet's: nothing was ordered, or it is closed. */
  private pay(paymentId: string): Promise<void> {
    return pay(this.simulator, paymentId, 404, 409);
  }

  private async untilExpired(paymentId: string): Promise<void> {
    for (let tried = 0; tried < TRIES; tried += 1) {
      await sleep(1000);
      const { rows } = await this.db.query<{ status: string }>('SELECT status FROM payments WHERE id = $1', [
        paymentId,
      ]);
      if (rows[0]?.status === 'expired') return;
    }
  }

  /** Tried again until a process answers: they are being killed. */
  private async call(who: number, path: string, body: object = {}, good = [200]): Promise<Record<string, unknown>> {
    let last = '';
    for (const until = performance.now() + ANSWERED_WITHIN; performance.now() < until;) {
      const answer = await apiAt(this.alive().url, this.tokens[who], 10_000).post(path, body);
      if (good.includes(answer.status)) return answer.body;
      last = `${answer.status} ${JSON.stringify(answer.body)}`;
      if (answer.status > 0 && answer.status < 500 && answer.status !== 409) break;
      await sleep(250);
    }
    throw new Error(`${path} answered ${last}`);
  }

  private id(prefix: 'ord' | 'pay', mark: string): string {
    const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    const noise = [...randomBytes(25 - mark.length)].map((byte) => letters[byte % 32]).join('');
    return `${prefix}_0${mark}${noise}`;
  }
}
