import { DAY } from './clock.js';
import { type OrderForm, type RefundForm } from './forms.js';

export type TradeState = 'NOTPAY' | 'SUCCESS' | 'REFUND' | 'CLOSED';
export type RefundStatus = 'PROCESSING' | 'SUCCESS' | 'CLOSED' | 'ABNORMAL';
export type CouponKind = 'CASH' | 'NOCASH';

/** What is known once the payer has paid. */
export interface Paid {
  at: number;
  transactionId: string;
  bankType: string;
  openid: string;
  coupon: { fen: number; kind: CouponKind } | null;
  feeFen: number;
}

export interface Order {
  outTradeNo: string;
  form: OrderForm;
  /** The first call's parameters in one text: a repeat must have the same. */
  fingerprint: string;
  createdAt: number;
  /** Latest moment to pay. */
  expiresAt: number;
  prepays: { id: string; expiresAt: number }[];
  state: TradeState;
  paid: Paid | null;
  closedAt: number | null;
  /** Payments that were tried and failed; the order stays open. */
  attempts: { at: number; reason: string }[];
  refunds: Refund[];
}

export interface Refund {
  outRefundNo: string;
  refundId: string;
  order: Order;
  transactionId: string;
  form: RefundForm;
  fingerprint: string;
  createdAt: number;
  refundFen: number;
  /** Cash that goes back to the payer. */
  payerRefundFen: number;
  /** Without free coupons. */
  settlementFen: number;
  /** Fee the merchant gets back. */
  feeFen: number;
  status: RefundStatus;
  /** Every status with its time, first PROCESSING: a bill shows the one that held when it was made. */
  history: { status: RefundStatus; at: number }[];
  successAt: number | null;
  receivedAccount: string;
  /** An abnormal refund that has been sent off again and has not arrived yet. */
  retrying: boolean;
}

/** One movement of the merchant's account. */
export interface Flow {
  at: number;
  /** Number of the business: transaction or refund. */
  businessNo: string;
  flowNo: string;
  name: string;
  type: string;
  income: boolean;
  fen: number;
  balanceFen: number;
  applicant: string;
  remark: string;
  voucher: string;
}

/** Something that appears in a trade bill: a payment, or a refund from the moment it was accepted. */
export type TradeEvent = { at: number; order: Order } | { at: number; refund: Refund };

const UNPAID_LIFE = 7 * DAY;

/** The simulator's own ledger, in memory. Knows numbers and sums, no rules. */
export class Books {
  readonly orders = new Map<string, Order>();
  readonly byPrepay = new Map<string, Order>();
  readonly byTransaction = new Map<string, Order>();
  readonly refunds = new Map<string, Refund>();
  readonly byRefundId = new Map<string, Refund>();
  /** In the order of business time. */
  readonly events: TradeEvent[] = [];
  readonly flows: Flow[] = [];
  balanceFen = 0;

  /** The order as of `now`: unpaid for seven days is closed. */
  order(outTradeNo: string, now: number): Order | undefined {
    return asOf(this.orders.get(outTradeNo), now);
  }

  orderOfPrepay(prepayId: string, now: number): Order | undefined {
    return asOf(this.byPrepay.get(prepayId), now);
  }

  clear(): void {
    for (const map of [this.orders, this.byPrepay, this.byTransaction, this.refunds, this.byRefundId]) map.clear();
    this.events.length = 0;
    this.flows.length = 0;
    this.balanceFen = 0;
  }

  /** Books a movement of the account. */
  move(flow: Omit<Flow, 'balanceFen'>): void {
    this.balanceFen += flow.income ? flow.fen : -flow.fen;
    this.flows.push({ ...flow, balanceFen: this.balanceFen });
  }
}

function asOf(order: Order | undefined, now: number): Order | undefined {
  if (order && order.state === 'NOTPAY' && now - order.createdAt >= UNPAID_LIFE) {
    order.state = 'CLOSED';
    order.closedAt = order.createdAt + UNPAID_LIFE;
  }
  return order;
}

/** The order's total without free (NOCASH) coupons: what is settled with the merchant. */
export function settlementFen(order: Order): number {
  const coupon = order.paid?.coupon;
  return order.form.amount.total - (coupon?.kind === 'NOCASH' ? coupon.fen : 0);
}

/** What the payer paid in cash. */
export function payerFen(order: Order): number {
  return order.form.amount.total - (order.paid?.coupon?.fen ?? 0);
}

/** Refunds that hold money: all but the closed ones. */
export function standing(order: Order): Refund[] {
  return order.refunds.filter((refund) => refund.status !== 'CLOSED');
}

/** What of the order can still be refunded. */
export function refundableFen(order: Order): number {
  return order.form.amount.total - standing(order).reduce((sum, refund) => sum + refund.refundFen, 0);
}

/** The status a refund had at a time; PROCESSING before anything happened to it. */
export function statusAt(refund: Refund, at: number): RefundStatus {
  return refund.history.findLast((entry) => entry.at <= at)?.status ?? 'PROCESSING';
}
