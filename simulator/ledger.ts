import { type Order, payerFen, type Refund, standing } from './books.js';
import { chinaTime } from './clock.js';
import { type Notice, type NoticeState, type Send } from './notice.js';
import { feeReturnedFen } from './payments.js';
import { type Simulation } from './simulation.js';

/** A transaction as the simulator's own ledger has it. Amounts in fen. */
export interface TransactionEntry {
  out_trade_no: string;
  transaction_id: string | null;
  trade_state: string;
  total: number;
  payer_total: number | null;
  fee: number;
  /** Refunds accepted and not closed. */
  refunded: number;
  description: string;
  openid: string;
  notify_url: string;
  prepay_ids: string[];
  failed_attempts: number;
  created_at: string;
  expires_at: string;
  paid_at: string | null;
  closed_at: string | null;
}

export interface RefundEntry {
  out_refund_no: string;
  refund_id: string;
  out_trade_no: string;
  transaction_id: string;
  status: string;
  refund: number;
  payer_refund: number;
  fee_returned: number;
  created_at: string;
  success_at: string | null;
}

export interface LedgerTotals {
  transactions: number;
  paid: number;
  /** Orders' totals of all paid transactions. */
  taken: number;
  refunds: number;
  /** Refunds that have arrived. */
  refunded: number;
  /** Refunds under way: accepted, or abnormal. */
  refunding: number;
  /** Fees kept by the platform: charged on payments, less what went back with refunds. */
  fees: number;
  /** The merchant's account. */
  balance: number;
}

export interface Ledger {
  now: string;
  mchid: string;
  appid: string;
  totals: LedgerTotals;
  transactions: TransactionEntry[];
  refunds: RefundEntry[];
}

/** One notice with everything that became of it. */
export interface NoticeView {
  id: string;
  event_type: string;
  out_trade_no: string | null;
  out_refund_no: string | null;
  url: string;
  state: NoticeState;
  created_at: string;
  next_at: string | null;
  sends: Send[];
  content: object;
}

const timeOrNull = (at: number | null | undefined): string | null =>
  at === null || at === undefined ? null : chinaTime(at);

/** The books as of now; `limit` keeps the latest so many of each. The totals are always over everything. */
export function ledgerOf(sim: Simulation, selection: { out_trade_no?: string; limit?: number }): Ledger {
  const { mchid, appid } = sim.keyring.merchant;
  const chosen = (outTradeNo: string): boolean =>
    selection.out_trade_no === undefined || selection.out_trade_no === outTradeNo;
  const orders = [...sim.books.orders.keys()].filter(chosen).slice(-(selection.limit ?? 0));
  const refunds = [...sim.books.refunds.values()].filter((refund) => chosen(refund.order.outTradeNo));
  return {
    now: chinaTime(sim.clock.now()),
    mchid,
    appid,
    totals: totalsOf(sim),
    transactions: orders.flatMap((outTradeNo) => transactionEntry(sim.order(outTradeNo))),
    refunds: refunds.slice(-(selection.limit ?? 0)).map(refundEntry),
  };
}

/** The notices, oldest first. */
export function noticesOf(sim: Simulation, selection: { out_trade_no?: string; limit?: number }): NoticeView[] {
  const { out_trade_no: wanted } = selection;
  const chosen = wanted === undefined ? sim.notices.all : sim.notices.all.filter((one) => one.outTradeNo === wanted);
  return chosen.slice(-(selection.limit ?? 0)).map(noticeView);
}

function totalsOf(sim: Simulation): LedgerTotals {
  const totals = { transactions: 0, paid: 0, taken: 0, refunds: 0, refunded: 0, refunding: 0, fees: 0 };
  for (const order of sim.books.orders.values()) {
    totals.transactions += 1;
    if (!order.paid) continue;
    totals.paid += 1;
    totals.taken += order.form.amount.total;
    totals.fees += order.paid.feeFen - feeReturnedFen(order);
  }
  for (const refund of sim.books.refunds.values()) {
    totals.refunds += 1;
    if (refund.status === 'SUCCESS') totals.refunded += refund.refundFen;
    else if (refund.status !== 'CLOSED') totals.refunding += refund.refundFen;
  }
  return { ...totals, balance: sim.books.balanceFen };
}

function transactionEntry(order: Order | undefined): TransactionEntry[] {
  if (!order) return [];
  const { form, paid } = order;
  return [
    {
      out_trade_no: order.outTradeNo,
      transaction_id: paid?.transactionId ?? null,
      trade_state: order.state,
      total: form.amount.total,
      payer_total: paid ? payerFen(order) : null,
      fee: paid?.feeFen ?? 0,
      refunded: standing(order).reduce((sum, refund) => sum + refund.refundFen, 0),
      description: form.description,
      openid: form.payer.openid,
      notify_url: form.notify_url,
      prepay_ids: order.prepays.map((prepay) => prepay.id),
      failed_attempts: order.attempts.length,
      created_at: chinaTime(order.createdAt),
      expires_at: chinaTime(order.expiresAt),
      paid_at: timeOrNull(paid?.at),
      closed_at: timeOrNull(order.closedAt),
    },
  ];
}

function refundEntry(refund: Refund): RefundEntry {
  return {
    out_refund_no: refund.outRefundNo,
    refund_id: refund.refundId,
    out_trade_no: refund.order.outTradeNo,
    transaction_id: refund.transactionId,
    status: refund.status,
    refund: refund.refundFen,
    payer_refund: refund.payerRefundFen,
    fee_returned: refund.feeFen,
    created_at: chinaTime(refund.createdAt),
    success_at: timeOrNull(refund.successAt),
  };
}

function noticeView(notice: Notice): NoticeView {
  return {
    id: notice.id,
    event_type: notice.eventType,
    out_trade_no: notice.outTradeNo,
    out_refund_no: notice.outRefundNo,
    url: notice.url,
    state: notice.state,
    created_at: chinaTime(notice.createdAt),
    next_at: timeOrNull(notice.nextAt),
    sends: notice.sends,
    content: notice.content,
  };
}
