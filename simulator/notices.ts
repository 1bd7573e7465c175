import { type Order, payerFen, type Refund } from './books.js';
import { chinaTime, type Clock, HOUR, MINUTE, SECOND } from './clock.js';
import { type DueQueue } from './due-queue.js';
import { type Faults, NOTICE_FAULTS } from './faults.js';
import { type JsonObject } from './fields.js';
import { nameOf, type Notice } from './notice.js';
import { type Sender } from './notice-sender.js';
import { type Random } from './random.js';
import { promotions } from './views.js';

/** Gaps between a send that was not taken and the next one: fifteen retries, 24 h 4 min in all (4.4). */
export const RETRY_GAPS = [
  15 * SECOND,
  15 * SECOND,
  30 * SECOND,
  3 * MINUTE,
  10 * MINUTE,
  20 * MINUTE,
  30 * MINUTE,
  30 * MINUTE,
  30 * MINUTE,
  60 * MINUTE,
  3 * HOUR,
  3 * HOUR,
  3 * HOUR,
  6 * HOUR,
  6 * HOUR,
] as const;

/** A notice put behind the next one goes out alone when there is none within this time. */
const REORDER_PATIENCE_SECONDS = 60;

/** What is to be announced, before it becomes a notice. */
type News = Pick<
  Notice,
  'point' | 'eventType' | 'resourceType' | 'summary' | 'url' | 'outTradeNo' | 'outRefundNo' | 'content'
>;

/** Announces payments and refunds until they are received, or the fifteen retries are used up. */
export class Notices {
  readonly all: Notice[] = [];
  /** Notices that go out right after the next other one. */
  #behindNext: Notice[] = [];
  /** Notices of payments that wait for a refund of the same order to be announced first. */
  #behindRefund: Notice[] = [];
  /** Counts resets: what was on its way at one must not come back afterwards. */
  #era = 0;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly queue: DueQueue,
    private readonly faults: Faults,
    private readonly sender: Sender,
    private readonly delayMs: number,
  ) {}

  /** Announces a payment (4.2). */
  paid(order: Order): void {
    this.#announce({
      point: 'payment_notice',
      eventType: 'TRANSACTION.SUCCESS',
      resourceType: 'transaction',
      summary: '支付成功',
      url: order.form.notify_url,
      outTradeNo: order.outTradeNo,
      outRefundNo: null,
      content: paymentContent(order),
    });
  }

  /** Announces how a refund ended (4.3); silent when the refund named no address. */
  refundEnded(refund: Refund): void {
    if (refund.form.notify_url === undefined) return;
    const summary = { SUCCESS: '退款成功', CLOSED: '退款关闭', ABNORMAL: '退款异常', PROCESSING: '退款处理中' };
    this.#announce({
      point: 'refund_notice',
      eventType: `REFUND.${refund.status}`,
      resourceType: 'refund',
      summary: summary[refund.status],
      url: refund.form.notify_url,
      outTradeNo: refund.order.outTradeNo,
      outRefundNo: refund.outRefundNo,
      content: refundContent(refund),
    });
  }

  /** The callback of the self test (1.10). */
  echo(url: string, message: string, mchid: string): void {
    this.#announce({
      point: 'echo_notice',
      eventType: 'SECURITY_ECHO.SUCCESS',
      resourceType: 'security_echo',
      summary: '回调测试',
      url,
      outTradeNo: null,
      outRefundNo: null,
      content: { mchid, echo_message: message },
    });
  }

  /** Sends a notice once more, now, whatever became of it before. */
  resend(id: string): boolean {
    const notice = this.all.find((one) => one.id === id);
    if (!notice) return false;
    this.queue.add(this.clock.now(), async () => {
      // Beside the regular retries: a resend that fails leaves their appointments as they are.
      if (!(await this.sender.send(notice))) return;
      notice.state = 'received';
      notice.nextAt = null;
    });
    return true;
  }

  clear(): void {
    this.#era += 1;
    this.all.length = 0;
    this.#behindNext = [];
    this.#behindRefund = [];
  }

  #announce(news: News): void {
    const now = this.clock.now();
    const notice: Notice = {
      ...news,
      id: this.random.uuid(),
      createdAt: now,
      state: 'waiting',
      nextAt: now + this.delayMs,
      sends: [],
    };
    this.all.push(notice);
    this.#dispatch(notice);
  }

  /** Sends it for the first time, unless a fault has other plans for the notice as a whole. */
  #dispatch(notice: Notice): void {
    const fault = this.faults.atNotice(notice.point, NOTICE_FAULTS, () => nameOf(notice))[0];
    const first = this.clock.now() + this.delayMs;
    switch (fault?.do) {
      case 'lose':
        notice.state = 'lost';
        notice.nextAt = null;
        return;
      case 'after_refund':
        notice.state = 'held';
        notice.nextAt = null;
        this.#behindRefund.push(notice);
        return;
      case 'reorder':
        notice.state = 'held';
        this.#behindNext.push(notice);
        this.#schedule(notice, first + (fault.seconds ?? REORDER_PATIENCE_SECONDS) * SECOND, 0);
        return;
      case 'hold_back':
        this.#schedule(notice, first + (fault.seconds ?? 0) * SECOND, 0);
        return;
      default:
        this.#schedule(notice, first, 0);
    }
  }

  #schedule(notice: Notice, at: number, retries: number): void {
    notice.nextAt = at;
    this.queue.add(at, (due) => {
      // A notice let go early leaves its old appointment behind.
      if (notice.nextAt === at) return this.#send(notice, retries, due);
    });
  }

  async #send(notice: Notice, retries: number, due: number): Promise<void> {
    notice.nextAt = null;
    this.#behindNext = this.#behindNext.filter((one) => one !== notice);
    const era = this.#era;
    const received = await this.sender.send(notice);
    if (era !== this.#era) return;
    if (received) notice.state = 'received';
    else this.#retry(notice, retries, due);
    this.#letGoBehind(notice);
  }

  #retry(notice: Notice, retries: number, due: number): void {
    const gap = RETRY_GAPS[retries];
    if (gap === undefined) {
      if (notice.state !== 'received') notice.state = 'given_up';
      return;
    }
    notice.state = 'waiting';
    this.#schedule(notice, due + gap, retries + 1);
  }

  /** Lets go what waited for another notice to be sent first. */
  #letGoBehind(sent: Notice): void {
    const held = this.#behindNext;
    this.#behindNext = [];
    if (sent.point === 'refund_notice') {
      const isForIt = (one: Notice): boolean => one.outTradeNo === sent.outTradeNo;
      held.push(...this.#behindRefund.filter(isForIt));
      this.#behindRefund = this.#behindRefund.filter((one) => !isForIt(one));
    }
    for (const notice of held) {
      notice.state = 'waiting';
      this.#schedule(notice, this.clock.now(), 0);
    }
  }
}

function paymentContent(order: Order): JsonObject {
  const { form, paid } = order;
  if (!paid) throw new Error(`Order ${order.outTradeNo} was never paid`);
  const promotion_detail = promotions(order);
  return {
    mchid: form.mchid,
    appid: form.appid,
    out_trade_no: order.outTradeNo,
    transaction_id: paid.transactionId,
    trade_type: 'JSAPI',
    trade_state: 'SUCCESS',
    trade_state_desc: '支付成功',
    bank_type: paid.bankType,
    attach: form.attach ?? '',
    success_time: chinaTime(paid.at),
    payer: { openid: paid.openid },
    amount: { total: form.amount.total, payer_total: payerFen(order), currency: 'CNY', payer_currency: 'CNY' },
    ...(form.scene_info?.device_id === undefined ? {} : { scene_info: { device_id: form.scene_info.device_id } }),
    ...(promotion_detail.length === 0 ? {} : { promotion_detail }),
  };
}

function refundContent(refund: Refund): JsonObject {
  return {
    mchid: refund.order.form.mchid,
    out_trade_no: refund.order.outTradeNo,
    transaction_id: refund.transactionId,
    out_refund_no: refund.outRefundNo,
    refund_id: refund.refundId,
    refund_status: refund.status,
    ...(refund.successAt === null ? {} : { success_time: chinaTime(refund.successAt) }),
    amount: {
      total: refund.order.form.amount.total,
      refund: refund.refundFen,
      payer_total: payerFen(refund.order),
      payer_refund: refund.payerRefundFen,
    },
    user_received_account: refund.receivedAccount,
  };
}
