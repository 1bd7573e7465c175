import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../dev/wait-for.js';
import { apiAt, nowMs } from '../api.js';
import type { Chance } from '../random.js';
import { customerId, insertPayment, type Rows, type Shop } from '../shop.js';
import { pay } from '../simulator.js';

/**
 * What happens to a payment. Every one has its notice dropped, doubled, late or right by chance; besides:
 * `prompt` is paid at once; `unpaid` never; `after_expiry` when Paydesk had closed it and WeChat Pay had not; `twice` by
 * two payments of its order, the first of which was cancelled; `other_amount` with an amount that is not the order's.
 */
export type Fate = 'prompt' | 'unpaid' | 'after_expiry' | 'twice' | 'other_amount';

/** Letters in a payment's number by which the simulator's faults know it: it says another amount, or lies of closing. */
export const OTHER_AMOUNT = 'WRNGAMT';
export const NOT_CLOSED = 'NXTCXSED';
const MARKS: Partial<Record<Fate, string>> = {
  after_expiry: NOT_CLOSED,
  twice: NOT_CLOSED,
  other_amount: OTHER_AMOUNT,
};

/** Seconds. */
const SHORT_LIFE = 8;
const LONG_LIFE = 45;
/** Milliseconds; a process that was killed may take long to come back on a busy machine. */
const ANSWERED_WITHIN = 120_000;

/** The mini-programs of many customers, speaking to whichever process is alive. */
export class Customers {
  constructor(
    private readonly db: Rows,
    private readonly shop: Shop,
    private readonly chance: Chance,
  ) {}

  /** Lives through one payment's fate. */
  async live(fate: Fate, index: number): Promise<void> {
    const who = index % this.shop.tokens.length;
    const { orderId, paymentId } = await this.place(who, fate);
    await this.start(who, paymentId);
    if (fate === 'unpaid') return;
    if (fate === 'after_expiry') await this.untilExpired(paymentId);
    const paid = [paymentId];
    if (fate === 'twice') {
      await this.call(who, `/payments/${paymentId}/cancel/`);
      const { id } = await this.call(who, '/payments/', { order_id: orderId }, [200, 201]);
      await this.start(who, String(id));
      paid.push(String(id));
      if (this.chance.next() < 0.5) paid.reverse();
    }
    // 404 and 409 are the payment sheet's: nothing was ordered, or it is closed.
    for (const id of paid) await pay(this.shop.simulator, id, 404, 409);
  }

  /** An order and its payment, as the shop's backend and the mini-program would have made them. */
  private async place(who: number, fate: Fate): Promise<{ orderId: string; paymentId: string }> {
    const { env } = this.shop;
    const [orderId, paymentId] = [numberOf('ord', ''), numberOf('pay', MARKS[fate] ?? '')];
    const life = fate === 'after_expiry' || fate === 'unpaid' ? SHORT_LIFE : LONG_LIFE;
    await insertPayment(this.db, {
      ...{ orderId, paymentId, userId: customerId(who), amountFen: this.chance.between(1, 50_000) },
      ...{ mchid: env.WECHAT_PAY_MCHID ?? '', appid: env.WECHAT_APPID ?? '' },
      ...{ createdAt: new Date(nowMs()), ttlSeconds: life },
    });
    return { orderId, paymentId };
  }

  private async start(who: number, paymentId: string): Promise<void> {
    // 409: its time was over before a process answered, as when all of them had just been killed.
    await this.call(who, `/payments/${paymentId}/start/`, {}, [200, 409]);
  }

  private async untilExpired(paymentId: string): Promise<void> {
    const expired = async (): Promise<boolean> => {
      const { rows } = await this.db.query('SELECT FROM payments WHERE id = $1 AND status = $2', [
        paymentId,
        'expired',
      ]);
      return rows.length > 0;
    };
    await waitFor(expired, { within: 60_000, every: 1000 });
  }

  /** Tried again until a process answers: they are being killed. */
  private async call(who: number, path: string, body: object = {}, good = [200]): Promise<Record<string, unknown>> {
    let last = '';
    for (const until = performance.now() + ANSWERED_WITHIN; performance.now() < until; await sleep(250)) {
      const answer = await apiAt(this.shop.alive().url, this.shop.tokens[who], 10_000).post(path, body);
      if (good.includes(answer.status)) return answer.body;
      last = `${answer.status} ${JSON.stringify(answer.body)}`;
      if (answer.status > 0 && answer.status < 500 && answer.status !== 409) break;
    }
    throw new Error(`${path} answered ${last}`);
  }
}

function numberOf(prefix: 'ord' | 'pay', mark: string): string {
  const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  const noise = [...randomBytes(25 - mark.length)].map((byte) => letters[byte % 32]).join('');
  return `${prefix}_0${mark}${noise}`;
}
