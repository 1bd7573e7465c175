import { ApiError } from './api-error.js';
import { type Difference, type DifferenceOrder } from './bill-differences.js';
import { type Order, type Refund, refundableFen, type RefundStatus } from './books.js';
import { chinaTime, SECOND } from './clock.js';
import { payMessage, signatureFits } from './crypto.js';
import { type FaultRule, ruleIssue } from './faults.js';
import { type JsonObject } from './fields.js';
import { type KeyChange } from './keyring.js';
import { type Ledger, ledgerOf, noticesOf, type NoticeView } from './ledger.js';
import { type Limits } from './limits.js';
import { type Message } from './mini-program.js';
import { NotPayable, type PayOptions } from './payments.js';
import { WrongMove } from './refunds.js';
import { type Simulation } from './simulation.js';
import { refundView, transactionView } from './views.js';

/** `PUT /_sim/faults`: each part that is given takes the place of what held before. */
export interface FaultPlan {
  rules?: FaultRule[];
  limits?: Limits;
  keys?: KeyChange;
  /** Balance of the merchant's account from now on. */
  balance_fen?: number;
  /** Starts the course of chance anew. */
  seed?: number;
}

/** A refund that a clerk makes in the merchant console. */
export interface ConsoleRefund {
  /** In fen; left out: all that is left. */
  amount?: number;
  reason?: string;
}

/** What `wx.requestPayment` is given. */
export interface RequestPayment {
  timeStamp: string;
  nonceStr: string;
  package: string;
  signType: string;
  paySign: string;
}

/** Selects from the books. */
export interface Selection {
  out_trade_no?: string;
  limit?: number;
}

/** What people and tests may do to the simulator. The same methods stand behind `/_sim/` and behind `startSimulator`. */
export class Control {
  constructor(private readonly sim: Simulation) {}

  /** The payer pays. @throws ApiError 404, or 409 with what the payment sheet would say */
  pay(outTradeNo: string, options: PayOptions = {}): JsonObject {
    const order = this.#order(outTradeNo);
    allowing(() => this.sim.payments.pay(order, options));
    return transactionView(order);
  }

  /** The payer tries to pay and fails; the order stays open. @throws ApiError 404, 409 */
  fail(outTradeNo: string, reason = '余额不足'): JsonObject {
    const order = this.#order(outTradeNo);
    allowing(() => this.sim.payments.fail(order, reason));
    return transactionView(order);
  }

  /**
   * A clerk refunds a payment in the merchant console: by the rules of a refund by API, under a number of the console,
   * announced where the payment was.
   * @throws ApiError 404, or as page 4013071036 of the manual lists them
   */
  refundInConsole(outTradeNo: string, { amount, reason }: ConsoleRefund = {}): JsonObject & { out_refund_no: string } {
    const order = this.#order(outTradeNo);
    const { form } = order;
    const { total } = form.amount;
    const refund = this.sim.refunds.apply({
      out_trade_no: outTradeNo,
      out_refund_no: `50300${this.sim.random.digits(23)}`,
      notify_url: form.notify_url,
      amount: { refund: amount ?? (refundableFen(order) || total), total, currency: 'CNY' },
      ...(reason === undefined ? {} : { reason }),
    });
    return { ...refundView(refund), out_refund_no: refund.outRefundNo };
  }

  /** A refund arrives, becomes abnormal, or is closed. @throws ApiError 404, 409 when it cannot from where it is */
  settleRefund(outRefundNo: string, status: Exclude<RefundStatus, 'PROCESSING'>): JsonObject {
    const refund = this.#refund(outRefundNo);
    allowing(() => this.sim.refunds.settle(refund, status));
    return refundView(refund);
  }

  /** Sets faults, limits, keys, balance and seed, as far as they are given; answers what holds now. */
  async faults(plan: FaultPlan): Promise<object> {
    const { sim } = this;
    for (const rule of plan.rules ?? []) {
      const issue = ruleIssue(rule);
      if (issue !== undefined) throw new ApiError('PARAM_ERROR', issue, 0, undefined, 400);
    }
    if (plan.seed !== undefined) sim.random.reseed(plan.seed);
    if (plan.rules) sim.faults.replace(plan.rules);
    if (plan.limits) sim.meter.limits = plan.limits;
    if (plan.balance_fen !== undefined) sim.setBalance(plan.balance_fen);
    if (plan.keys) await sim.keyring.change(plan.keys);
    return this.faultState();
  }

  faultState(): object {
    const { sim } = this;
    return {
      rules: sim.faults.state(),
      limits: sim.meter.limits,
      keys: sim.keyring.state(),
      balance_fen: sim.books.balanceFen,
    };
  }

  /** Moves business time on by so many seconds; done when everything due on the way is done. Answers the new time. */
  async advance(seconds: number): Promise<string> {
    await this.sim.queue.advance(seconds * SECOND);
    return this.now();
  }

  /** Business time. */
  now(): string {
    return chinaTime(this.sim.clock.now());
  }

  /** Business time in milliseconds since 1970: a shop that takes it for its own clock keeps in step with the simulator. */
  nowMs(): number {
    return this.sim.clock.now();
  }

  /** Resolves once every notice that is due has been sent and answered. */
  settled(): Promise<void> {
    return this.sim.queue.settled();
  }

  ledger(selection: Selection = {}): Ledger {
    return ledgerOf(this.sim, selection);
  }

  notices(selection: Selection = {}): NoticeView[] {
    return noticesOf(this.sim, selection);
  }

  /** Sends a notice once more. @throws ApiError 404 */
  resend(noticeId: string): void {
    if (!this.sim.notices.resend(noticeId)) throw notFound('notice', noticeId);
  }

  /** Makes the trade bill of a day differ from the books. @throws ApiError 409 */
  billDifferences(day: string, order: DifferenceOrder): Difference[] {
    return allowing(() => this.sim.bills.differ(day, order));
  }

  /** A login code for a user of this name, and the openid it will give. */
  loginCode(user: string): { code: string; openid: string } {
    return { code: this.sim.miniProgram.codeFor(user), openid: this.sim.miniProgram.openidOf(user) };
  }

  /** Sets how many more subscription messages of a template a user accepts. */
  messageQuota(openid: string, templateId: string, left: number): void {
    this.sim.miniProgram.setQuota(openid, templateId, left);
  }

  /** The subscription messages sent so far. */
  messages(): readonly Message[] {
    return this.sim.miniProgram.messages;
  }

  /**
   * The client's side of a payment: checks what the mini-program would hand to `wx.requestPayment`, paySign included.
   * @returns the order it would open the payment sheet for
   * @throws ApiError 400 with the `errMsg` of the client
   */
  requestPayment(given: RequestPayment): { out_trade_no: string; cashier: string } {
    const prepayId = /^prepay_id=(.+)$/.exec(given.package)?.[1] ?? '';
    const order = this.sim.books.orderOfPrepay(prepayId, this.sim.clock.now());
    if (given.signType !== 'RSA') throw clientError('支付验证签名失败: signType');
    if (!/^\d{10}$/.test(given.timeStamp)) throw clientError('支付参数错误: timeStamp');
    if (!order) throw clientError('订单不存在或 prepay_id 无效');
    const message = payMessage(order.form.appid, given.timeStamp, given.nonceStr, given.package);
    if (!signatureFits(message, given.paySign, this.sim.keyring.merchant.publicKey)) {
      throw clientError('支付验证签名失败');
    }
    return { out_trade_no: order.outTradeNo, cashier: `/_sim/cashier?prepay_id=${prepayId}` };
  }

  /** As at the start, with the same keys. */
  reset(): void {
    this.sim.reset();
  }

  #order(outTradeNo: string): Order {
    const order = this.sim.order(outTradeNo);
    if (!order) throw notFound('order', outTradeNo);
    return order;
  }

  #refund(outRefundNo: string): Refund {
    const refund = this.sim.refund(outRefundNo);
    if (!refund) throw notFound('refund', outRefundNo);
    return refund;
  }
}

/** Turns what the rules do not allow into a 409. */
function allowing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof NotPayable || error instanceof WrongMove || error instanceof RangeError) {
      throw new ApiError('CONFLICT', error.message, 0, undefined, 409);
    }
    throw error;
  }
}

function notFound(what: string, name: string): ApiError {
  return new ApiError('NOT_FOUND', `There is no ${what} ${name}`, 0, undefined, 404);
}

function clientError(reason: string): ApiError {
  return new ApiError('REQUEST_PAYMENT_FAIL', `requestPayment:fail ${reason}`, 0, undefined, 400);
}
