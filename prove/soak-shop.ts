import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Program } from './processes.js';
import { Chance } from './random.js';
import { token } from './token.js';

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

const SHORT_LIFE = '8 seconds';
const LONG_LIFE = '45 seconds';
const CUSTOMERS = 50;
const TRIES = 60;
/** Milliseconds; a process that was killed may take long to come back on a busy machine. */
const ANSWERED_WITHIN = 120_000;

/** Where rows are written and read. */
export interface Rows {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>;
}

/** The mini-programs of many customers, speaking to whichever process is alive. */
export class SoakShop {
  private readonly tokens: string[] = [];

  constructor(
    private readonly db: Rows,
    private readonly simulator: Program,
    private readonly alive: () => Program,
    private readonly env: Record<string, string>,
    private readonly chance: Chance,
  ) {}

  async open(): Promise<void> {
    for (let index = 0; index < CUSTOMERS; index += 1)
      this.tokens.push(token(this.env.JWT_SECRET ?? '', customer(index), 'user'));
    await this.db.query(
      `INSERT INTO users (id, appid, openid, created_at)
       SELECT 'usr_' || lpad(g::text, 26, '0'), $1, 'oSoak' || g, now() FROM generate_series(0, $2::int - 1) g`,
      [this.env.WECHAT_APPID, CUSTOMERS],
    );
  }

  /** Lives through one payment's fate. Answers how many payments it made. */
  async live(fate: Fate, index: number): Promise<number> {
    const who = index % CUSTOMERS;
    const { orderId, paymentId } = await this.place(who, fate);
    await this.startPayment(who, paymentId);
    if (fate === 'unpaid') return 1;
    if (fate === 'twice') {
      await this.call(who, `/api/payments/${paymentId}/cancel/`);
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
    const values = [orderId, customer(who), this.chance.between(1, 50_000), life];
    await this.db.query(
      `INSERT INTO orders (id, user_id, status, amount_fen, currency, description, created_by, created_at, expires_at)
       VALUES ($1, $2, 'pending', $3, 'CNY', 'soak', $2, now(), now() + $4::interval)`,
      values,
    );
    await this.db.query(
      `INSERT INTO payments (id, order_id, provider, mchid, appid, status, amount_fen, currency, created_at, expires_at,
                             next_check_at)
       VALUES ($1, $2, 'wechat', $3, $4, 'init', $5, 'CNY', now(), now() + $6::interval, now() + interval '5 seconds')`,
      [paymentId, orderId, this.env.WECHAT_PAY_MCHID, this.env.WECHAT_APPID, values[2], life],
    );
    return { orderId, paymentId };
  }

  private async startPayment(who: number, paymentId: string): Promise<void> {
    // 409: its time was over before a process answered, as when all of them had just been killed.
    await this.call(who, `/api/payments/${paymentId}/start/`, {}, [200, 409]);
  }

  private async secondPayment(who: number, orderId: string): Promise<string> {
    const answer = await this.call(who, '/api/payments/', { order_id: orderId }, [200, 201]);
    return String(answer.id);
  }

  /** The payer pays; 404 and 409 are the payment sheet's: nothing was ordered, or it is closed. */
  private async pay(paymentId: string): Promise<void> {
    const response = await fetch(`${this.simulator.url}/_sim/transactions/${paymentId}/pay`, { method: 'POST' });
    await response.arrayBuffer();
    if (![200, 404, 409].includes(response.status)) throw new Error(`the cashier answered ${response.status}`);
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
    const headers = { authorization: `Bearer ${this.tokens[who] ?? ''}`, 'content-type': 'application/json' };
    let last = '';
    for (const until = performance.now() + ANSWERED_WITHIN; performance.now() < until;) {
      const response = await fetch(`${this.alive().url}${path}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(10_000),
      }).catch((error: unknown) => String(error));
      if (typeof response !== 'string') {
        const text = await response.text().catch(() => '');
        if (good.includes(response.status) && text) return JSON.parse(text) as Record<string, unknown>;
        last = `${response.status} ${text}`;
        if (response.status < 500 && response.status !== 409) break;
      } else last = response;
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

function customer(index: number): string {
  return `usr_${String(index).padStart(26, '0')}`;
}
