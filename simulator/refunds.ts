import { NUMBERS, refuse } from './api-error.js';
import {
  type Books,
  type Order,
  payerFen,
  type Refund,
  refundableFen,
  type RefundStatus,
  settlementFen,
  standing,
} from './books.js';
import { chinaDay, type Clock, DAY, MINUTE } from './clock.js';
import { type DueQueue } from './due-queue.js';
import { canonical } from './fields.js';
import { type AbnormalForm, type RefundForm } from './forms.js';
import { type Notices } from './notices.js';
import { feeReturnedFen, shareOf } from './payments.js';
import { type Random } from './random.js';
import { yuan } from './yuan.js';

const MOST_PARTS = 50;
const PARTS_APART = MINUTE;
const OLDEST = 365 * DAY;

/** What may follow what (manual, page 4013071031). */
const MOVES: Record<RefundStatus, readonly RefundStatus[]> = {
  PROCESSING: ['SUCCESS', 'CLOSED', 'ABNORMAL'],
  ABNORMAL: ['SUCCESS'],
  SUCCESS: [],
  CLOSED: [],
};

/** A move the state machine does not have. */
export class WrongMove extends Error {
  override readonly name = 'WrongMove';
}

/** Refunds: accepted, then settled one way or another (manual, pages 4013071036, 4013071041, 4013071193). */
export class Refunds {
  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly books: Books,
    private readonly queue: DueQueue,
    private readonly notices: Notices,
    /** How long a refund takes, in business time; null: until it is told to move. */
    private readonly settleMs: number | null,
  ) {}

  /**
   * Accepts a refund, or answers the one that was accepted under this number with the same parameters.
   * @throws ApiError as page 4013071036 of the manual lists them
   */
  apply(form: RefundForm): Refund {
    if ((form.transaction_id === undefined) === (form.out_trade_no === undefined)) {
      throw refuse('PARAM_ERROR', 'transaction_id 和 out_trade_no 必须且只能填写一个', NUMBERS.illegalParameter);
    }
    const order = this.#orderOf(form);
    const fingerprint = canonical({ ...form, transaction_id: undefined, out_trade_no: undefined });
    const known = this.books.refunds.get(form.out_refund_no);
    if (known) return checkRepeat(known, order, form, fingerprint);
    if (!order?.paid) throw refuse('RESOURCE_NOT_EXISTS', '订单不存在', NUMBERS.refundOrderUnknown);
    this.#checkRules(order, order.paid.at, form);
    const refund = this.#draft(order, order.paid.transactionId, form, fingerprint);
    if (refund.settlementFen - refund.feeFen > this.books.balanceFen) {
      throw refuse('NOT_ENOUGH', '基本账户余额不足，请充值后重新发起', NUMBERS.refundBalance);
    }
    this.#accept(refund);
    return refund;
  }

  /** @throws WrongMove when the refund is not in a state this can follow */
  settle(refund: Refund, status: Exclude<RefundStatus, 'PROCESSING'>): void {
    if (refund.status === status) return;
    if (!MOVES[refund.status].includes(status)) {
      throw new WrongMove(`Refund ${refund.outRefundNo} is ${refund.status} and cannot become ${status}`);
    }
    const now = this.clock.now();
    refund.status = status;
    refund.retrying = false;
    refund.history.push({ status, at: now });
    if (status === 'SUCCESS') refund.successAt = now;
    if (status === 'CLOSED') this.#book(refund, '退款关闭', true, now);
    this.notices.refundEnded(refund);
  }

  /**
   * Sends an abnormal refund off to another account (3.5). It stays ABNORMAL until it has arrived.
   * @throws ApiError INVALID_REQUEST when it is not abnormal, FREQUENCY_LIMITED when it is already on its way
   */
  retryAbnormal(refund: Refund, form: AbnormalForm): void {
    if (refund.outRefundNo !== form.out_refund_no) throw refuse('INVALID_REQUEST', '退款单号校验不一致');
    if (refund.status !== 'ABNORMAL') {
      throw refuse('INVALID_REQUEST', '退款单状态不支持发起异常退款', NUMBERS.refundState);
    }
    if (refund.retrying) throw refuse('FREQUENCY_LIMITED', '异常退款处理中，请稍后查询', NUMBERS.rate);
    refund.retrying = true;
    refund.receivedAccount =
      form.type === 'MERCHANT_BANK_CARD' ? '商户结算银行账户' : `${form.bank_type?.replace('_DEBIT', '')}借记卡`;
    this.#settleLater(refund, 'ABNORMAL');
  }

  #orderOf(form: RefundForm): Order | undefined {
    if (form.transaction_id !== undefined) return this.books.byTransaction.get(form.transaction_id);
    return this.books.order(form.out_trade_no ?? '', this.clock.now());
  }

  #checkRules(order: Order, paidAt: number, form: RefundForm): void {
    const now = this.clock.now();
    if (form.amount.total !== order.form.amount.total) {
      throw refuse('INVALID_REQUEST', '订单金额与原订单不一致', NUMBERS.refundAmounts);
    }
    if (now - paidAt > OLDEST) {
      throw refuse('INVALID_REQUEST', '订单已经超过可退款的最大期限', NUMBERS.refundTooOld);
    }
    const left = refundableFen(order);
    if (left === 0) throw refuse('INVALID_REQUEST', '订单已全额退款', NUMBERS.refundedFully);
    if (form.amount.refund > left) {
      throw refuse('INVALID_REQUEST', '申请退款金额大于订单可退金额', NUMBERS.refundTooMuch);
    }
    if (order.refunds.length >= MOST_PARTS) throw refuse('INVALID_REQUEST', '一笔订单最多支持50次部分退款');
    const latest = order.refunds.at(-1);
    if (latest && now - latest.createdAt < PARTS_APART) {
      throw refuse('FREQUENCY_LIMITED', '同一笔订单多次退款需间隔1分钟', NUMBERS.refundPace);
    }
  }

  #draft(order: Order, transactionId: string, form: RefundForm, fingerprint: string): Refund {
    const now = this.clock.now();
    const shares = sharesOf(order, form.amount.refund);
    return {
      outRefundNo: form.out_refund_no,
      refundId: `503${this.random.digits(8)}${chinaDay(now).replaceAll('-', '')}${this.random.digits(10)}`,
      order,
      transactionId,
      form,
      fingerprint,
      createdAt: now,
      refundFen: form.amount.refund,
      ...shares,
      status: 'PROCESSING',
      history: [{ status: 'PROCESSING', at: now }],
      successAt: null,
      receivedAccount: '支付用户零钱',
      retrying: false,
    };
  }

  #accept(refund: Refund): void {
    const { order } = refund;
    order.refunds.push(refund);
    order.state = 'REFUND';
    this.books.refunds.set(refund.outRefundNo, refund);
    this.books.byRefundId.set(refund.refundId, refund);
    this.books.events.push({ at: refund.createdAt, refund });
    this.#book(refund, '退款', false, refund.createdAt);
    this.#settleLater(refund, 'PROCESSING');
  }

  #settleLater(refund: Refund, from: RefundStatus): void {
    if (this.settleMs === null) return;
    this.queue.add(this.clock.now() + this.settleMs, () => {
      if (refund.status === from) this.settle(refund, 'SUCCESS');
    });
  }

  #book(refund: Refund, type: string, income: boolean, at: number): void {
    this.books.move({
      at,
      businessNo: refund.refundId,
      flowNo: refund.transactionId,
      name: '退款',
      type,
      income,
      fen: refund.settlementFen - refund.feeFen,
      applicant: `${refund.order.form.mchid}API`,
      remark: `退款总金额${yuan(refund.settlementFen)}元;含手续费${yuan(refund.feeFen)}元`,
      voucher: refund.outRefundNo,
    });
  }
}

function checkRepeat(known: Refund, order: Order | undefined, form: RefundForm, fingerprint: string): Refund {
  if (known.order !== order) {
    throw refuse('INVALID_REQUEST', '支付单号校验不一致', NUMBERS.refundOtherOrder);
  }
  const { refund, total } = known.form.amount;
  if (form.amount.refund !== refund || form.amount.total !== total) {
    throw refuse('INVALID_REQUEST', '订单金额或退款金额与之前请求不一致', NUMBERS.refundAmounts);
  }
  if (known.fingerprint !== fingerprint) throw refuse('INVALID_REQUEST', '请求重入时参数与首次请求不一致');
  return known;
}

/**
 * What a refund takes of the cash, of the settled amount and of the fee (3.2): proportional and rounded half up; the
 * refund that empties the order takes what is left, so that the parts add up to the whole to the fen.
 */
function sharesOf(order: Order, refundFen: number): Pick<Refund, 'payerRefundFen' | 'settlementFen' | 'feeFen'> {
  const total = order.form.amount.total;
  const before = standing(order);
  const last = refundFen === refundableFen(order);
  const share = (whole: number, taken: number): number => {
    const left = whole - taken;
    return last ? left : Math.min(left, shareOf(whole, refundFen, total));
  };
  const sum = (pick: (refund: Refund) => number): number => before.reduce((all, refund) => all + pick(refund), 0);
  return {
    payerRefundFen: share(
      payerFen(order),
      sum((refund) => refund.payerRefundFen),
    ),
    settlementFen: share(
      settlementFen(order),
      sum((refund) => refund.settlementFen),
    ),
    feeFen: share(order.paid?.feeFen ?? 0, feeReturnedFen(order)),
  };
}
