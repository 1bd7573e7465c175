import { NUMBERS, refuse } from './api-error.js';
import { type Books, type CouponKind, type Order, settlementFen, standing } from './books.js';
import { chinaDay, type Clock, compactTime, DAY, HOUR, MINUTE, readTime, SECOND } from './clock.js';
import { canonical } from './fields.js';
import { type OrderForm } from './forms.js';
import { type Meter } from './limits.js';
import { type Notices } from './notices.js';
import { type Random } from './random.js';
import { yuan } from './yuan.js';

const PREPAY_LIFE = 2 * HOUR;
const EXPIRE_AT_LEAST = MINUTE;
const EXPIRE_AT_MOST = 15 * DAY;
const EXPIRE_BY_DEFAULT = 7 * DAY;

/** 0.60 %, the usual rate, in ten-thousandths so that no float touches money. */
export const FEE_RATE = 60;

/** How a payer pays: everything can be left out. */
export interface PayOptions {
  /** Who pays; another one than the order was placed for is turned away, as in WeChat. */
  openid?: string;
  /** `OTHERS` is the balance. */
  bank_type?: string;
  coupon_fen?: number;
  /** NOCASH: not settled with the merchant. */
  coupon_type?: CouponKind;
}

/** Refused by the payment sheet, not by the protocol: the payer sees the message. */
export class NotPayable extends Error {
  override readonly name = 'NotPayable';
}

/** Orders: placed, paid, closed (manual, pages 4012791897, 4012791900, 4012791901). */
export class Payments {
  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly books: Books,
    private readonly notices: Notices,
    private readonly meter: Meter,
  ) {}

  /**
   * Places an order, or gives a fresh prepay id for one that is open and asked for with the same parameters (2.2).
   * @throws ApiError ORDERPAID, ORDER_CLOSED, OUT_TRADE_NO_USED, INVALID_REQUEST
   */
  place(form: OrderForm): string {
    const now = this.clock.now();
    const fingerprint = canonical(form);
    const known = this.books.order(form.out_trade_no, now);
    if (known) this.#checkRepeat(known, fingerprint, now);
    const order = known ?? this.#open(form, fingerprint, now);
    const id = `wx${compactTime(now)}${this.random.hex(20).toLowerCase()}`;
    order.prepays.push({ id, expiresAt: now + PREPAY_LIFE });
    this.books.byPrepay.set(id, order);
    return id;
  }

  /** Closes an unpaid order; again, and for a number nobody knows, without effect (2.6). @throws ApiError ORDER_PAID */
  close(outTradeNo: string): void {
    const now = this.clock.now();
    const order = this.books.order(outTradeNo, now);
    if (!order || order.state === 'CLOSED') return;
    if (order.paid) throw refuse('ORDER_PAID', '该订单已支付', NUMBERS.orderPaid);
    const minAge = (this.meter.limits.close_min_age_seconds ?? 0) * SECOND;
    if (now - order.createdAt < minAge) throw refuse('INVALID_REQUEST', '订单生成后不能马上调用关单接口');
    order.state = 'CLOSED';
    order.closedAt = now;
  }

  /** The payer pays. @throws NotPayable with what the payment sheet would say */
  pay(order: Order, options: PayOptions = {}): void {
    const now = this.clock.now();
    this.#checkPayable(order, options, now);
    const total = order.form.amount.total;
    order.paid = {
      at: now,
      transactionId: `4200${this.random.digits(6)}${chinaDay(now).replaceAll('-', '')}${this.random.digits(10)}`,
      bankType: options.bank_type ?? 'OTHERS',
      openid: order.form.payer.openid,
      coupon: options.coupon_fen ? { fen: options.coupon_fen, kind: options.coupon_type ?? 'CASH' } : null,
      feeFen: 0,
    };
    order.paid.feeFen = shareOf(settlementFen(order), FEE_RATE, 10_000);
    order.state = 'SUCCESS';
    this.books.byTransaction.set(order.paid.transactionId, order);
    this.books.events.push({ at: now, order });
    this.#book(order, total, now);
    this.notices.paid(order);
  }

  /** A payment that is tried and fails: wrong password, too little money. The order stays open. @throws NotPayable */
  fail(order: Order, reason: string): void {
    this.#checkPayable(order, {}, this.clock.now());
    order.attempts.push({ at: this.clock.now(), reason });
  }

  #open(form: OrderForm, fingerprint: string, now: number): Order {
    const order: Order = {
      outTradeNo: form.out_trade_no,
      form,
      fingerprint,
      createdAt: now,
      expiresAt: expiry(form.time_expire, now),
      prepays: [],
      state: 'NOTPAY',
      paid: null,
      closedAt: null,
      attempts: [],
      refunds: [],
    };
    this.books.orders.set(order.outTradeNo, order);
    return order;
  }

  #checkRepeat(order: Order, fingerprint: string, now: number): void {
    if (order.paid) throw refuse('ORDERPAID', '该订单已支付', NUMBERS.orderPaid);
    const same = order.fingerprint === fingerprint;
    if (order.state === 'CLOSED' && !same) throw refuse('OUT_TRADE_NO_USED', '商户订单号重复', NUMBERS.orderReentry);
    if (order.state === 'CLOSED' || now >= order.expiresAt) {
      throw refuse('ORDER_CLOSED', '该订单已失效，请更换商户订单号后重试', NUMBERS.orderDead);
    }
    if (!same) throw refuse('INVALID_REQUEST', '请求重入时参数与首次请求不一致', NUMBERS.orderReentry);
  }

  #checkPayable(order: Order, options: PayOptions, now: number): void {
    if (order.paid) throw new NotPayable('该订单已支付');
    if (order.state === 'CLOSED') throw new NotPayable('订单已关闭');
    if (now >= order.expiresAt) throw new NotPayable('订单已过期');
    if (!order.prepays.some((prepay) => now < prepay.expiresAt)) throw new NotPayable('prepay_id 已过期');
    if (options.openid !== undefined && options.openid !== order.form.payer.openid) {
      throw new NotPayable('下单账号与支付账号不一致');
    }
    if ((options.coupon_fen ?? 0) >= order.form.amount.total) throw new NotPayable('代金券金额须小于订单金额');
  }

  #book(order: Order, total: number, at: number): void {
    const { paid, form } = order;
    if (!paid) return;
    const common = { at, businessNo: paid.transactionId, applicant: 'system', voucher: order.outTradeNo };
    this.books.move({
      ...common,
      flowNo: paid.transactionId,
      name: '交易',
      type: '交易',
      income: true,
      fen: settlementFen(order),
      remark: form.description,
    });
    if (paid.feeFen === 0) return;
    this.books.move({
      ...common,
      flowNo: paid.transactionId,
      name: '交易',
      type: '扣除交易手续费',
      income: false,
      fen: paid.feeFen,
      remark: `结算总金额${yuan(total)}元;扣除手续费`,
    });
  }
}

/** `amount` × `part` ÷ `whole`, rounded half up, in whole numbers. */
export function shareOf(amount: number, part: number, whole: number): number {
  const scaled = BigInt(amount) * BigInt(part) * 2n + BigInt(whole);
  return Number(scaled / (BigInt(whole) * 2n));
}

/** Latest moment to pay: a minute at least, fifteen days at most, seven when nothing is said (2.1). */
function expiry(timeExpire: string | undefined, now: number): number {
  const asked = timeExpire === undefined ? null : readTime(timeExpire);
  if (asked === null) return now + EXPIRE_BY_DEFAULT;
  return Math.min(Math.max(asked, now + EXPIRE_AT_LEAST), now + EXPIRE_AT_MOST);
}

/** Fee that has gone back to the merchant with the refunds that stand. */
export function feeReturnedFen(order: Order): number {
  return standing(order).reduce((sum, refund) => sum + refund.feeFen, 0);
}
