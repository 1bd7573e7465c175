import { yuanToFen } from '../common/money.js';
import { type BillFields, type Layout, rateMillionths, yuanToMilliFen } from './bill-csv.js';
import { billTime } from './china-day.js';

/** A line of a trade bill: a payment, or a refund as soon as it was initiated. */
export interface TradeLine {
  kind: 'payment' | 'refund';
  at: Date;
  mchid: string;
  transactionId: string;
  outTradeNo: string;
  /** Null on a payment's line. */
  refundId: string | null;
  outRefundNo: string | null;
  /** SUCCESS, REFUND or REVOKED; of a refund SUCCESS, PROCESSING, FAIL or CHANGE, frozen when the bill was made. */
  state: string;
  amountFen: number;
  /** The amount without coupons that are not settled with the merchant. */
  settledFen: number;
  feeMilliFen: number;
  /** What the rate makes of the settled amount; null when the bill gives no rate. */
  expectedFeeMilliFen: number | null;
}

/** A line of a fund-flow bill. */
export interface FundLine {
  /** `transaction_id` or `refund_id`. */
  businessNo: string;
  /** 交易, 扣除交易手续费, 退款, 退还交易手续费, … */
  type: string;
  amountFen: number;
}

const MILLI = 1000;

/** Columns by name (manual, page 4013071246). Works for bill types ALL and REFUND, and for SUCCESS, which has no refunds. */
export const TRADE_LAYOUT: Layout<TradeLine> = {
  columns: ['交易时间', '商户号', '微信订单号', '商户订单号', '交易状态', '应结订单金额', '手续费', '费率', '订单金额'],
  summary: '总交易单数',
  read: readTradeLine,
  sums: {
    订单总金额: (line) => (line.kind === 'payment' ? line.amountFen * MILLI : 0),
    申请退款总金额: (line) => (line.kind === 'refund' ? line.amountFen * MILLI : 0),
    手续费总金额: (line) => line.feeMilliFen,
  },
};

/** What a bill speaks of; it says nothing about what it does not cover. */
export interface BillCoverage {
  payments: boolean;
  refunds: boolean;
}

/** By the columns of the three bill types: SUCCESS has none of refunds, and only REFUND says when one was applied for. */
export function coverageOf(columns: ReadonlySet<string>): BillCoverage {
  return { payments: !columns.has('退款申请时间'), refunds: columns.has('商户退款单号') };
}

function readTradeLine(field: BillFields): TradeLine {
  const refund = field('交易状态') === 'REFUND';
  const rate = rateMillionths(field('费率'));
  const settledFen = yuanToFen(field(refund ? '退款金额' : '应结订单金额'));
  return {
    kind: refund ? 'refund' : 'payment',
    at: billTime(field('交易时间')),
    mchid: field('商户号'),
    transactionId: field('微信订单号'),
    outTradeNo: field('商户订单号'),
    refundId: refund ? field('微信退款单号') : null,
    outRefundNo: refund ? field('商户退款单号') : null,
    state: refund ? field('退款状态') : field('交易状态'),
    amountFen: yuanToFen(field(refund ? '申请退款金额' : '订单金额')),
    settledFen,
    feeMilliFen: yuanToMilliFen(field('手续费')),
    expectedFeeMilliFen: refund || rate === null ? null : Math.round((settledFen * rate) / MILLI),
  };
}

/** Columns by name (manual, page 4013071249). */
export const FUND_LAYOUT: Layout<FundLine> = {
  columns: ['微信支付业务单号', '业务类型', '收支类型', '收支金额(元)'],
  summary: '资金流水总笔数',
  read: (field) => ({
    businessNo: field('微信支付业务单号'),
    type: field('业务类型'),
    amountFen: yuanToFen(field('收支金额(元)')) * (field('收支类型') === '支出' ? -1 : 1),
  }),
  sums: {
    收入金额: (line) => (line.amountFen > 0 ? line.amountFen * MILLI : 0),
    支出金额: (line) => (line.amountFen < 0 ? -line.amountFen * MILLI : 0),
  },
};
