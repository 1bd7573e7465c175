import type { Readable } from 'node:stream';
import { yuanToFen } from '../../common/money.js';
import type { BillCoverage, FundLine, TradeBill, TradeLine, UnreadableLine } from '../bill.js';
import { type BillFields, type Layout, openBill } from './bill-csv.js';
import { billTime, channelNumber, exactNumber, rateMillionths, yuanToMilliFen } from './bill-values.js';

const MILLI = 1000;

/** Which of our statuses agree with the state of a line. */
const PAYMENT_AGREES: Readonly<Record<string, readonly string[]>> = { SUCCESS: ['succeeded'] };
const REFUND_AGREES: Readonly<Record<string, readonly string[]>> = {
  SUCCESS: ['succeeded'],
  PROCESSING: ['processing', 'succeeded', 'closed', 'abnormal'],
  FAIL: ['closed'],
  CHANGE: ['abnormal', 'succeeded', 'closed'],
};

/** Columns by name (manual, page 4013071246). Works for bill types ALL and REFUND, and for SUCCESS, which has no refunds. */
export const TRADE_LAYOUT: Layout<TradeLine> = {
  columns: ['交易时间', '商户号', '微信订单号', '商户订单号', '交易状态', '应结订单金额', '手续费', '费率', '订单金额'],
  otherBill: ['资金流水单号', 'it is a fund-flow bill (资金账单); a trade bill (交易账单) is needed'],
  summary: '总交易单数',
  read: readTradeLine,
  origin: (field) => ({ at: timeOrNull(field('交易时间')), appid: field('公众账号ID') }),
  sums: {
    订单总金额: (line) => (line.kind === 'payment' ? line.amountFen * MILLI : 0),
    申请退款总金额: (line) => (line.kind === 'refund' ? line.amountFen * MILLI : 0),
    手续费总金额: (line) => line.feeMilliFen,
  },
};

/** By the columns of the three bill types: SUCCESS has none of refunds, and only REFUND says when one was applied for. */
export function coverageOf(columns: ReadonlySet<string>): BillCoverage {
  return { payments: !columns.has('退款申请时间'), refunds: columns.has('商户退款单号') };
}

function readTradeLine(field: BillFields, line: number): TradeLine {
  const at = billTime(field('交易时间'));
  const refund = field('交易状态') === 'REFUND';
  const rate = rateMillionths(field('费率'));
  const state = refund ? field('退款状态') : field('交易状态');
  const settledFen = yuanToFen(field(refund ? '退款金额' : '应结订单金额'));
  return {
    kind: refund ? 'refund' : 'payment',
    line,
    at,
    appid: field('公众账号ID'),
    mchid: field('商户号'),
    transactionId: channelNumber(field('微信订单号')),
    outTradeNo: exactNumber(field('商户订单号')),
    refundId: refund ? channelNumber(field('微信退款单号')) : null,
    outRefundNo: refund ? exactNumber(field('商户退款单号')) : null,
    state,
    agreesWith: (refund ? REFUND_AGREES : PAYMENT_AGREES)[state] ?? [],
    amountFen: yuanToFen(field(refund ? '申请退款金额' : '订单金额')),
    settledFen,
    feeMilliFen: yuanToMilliFen(field('手续费')),
    expectedFeeMilliFen: refund || rate === null ? null : Math.round((settledFen * rate) / MILLI),
  };
}

/** Columns by name (manual, page 4013071249). */
export const FUND_LAYOUT: Layout<FundLine> = {
  columns: ['微信支付业务单号', '业务类型', '收支类型', '收支金额(元)'],
  otherBill: ['商户订单号', 'it is a trade bill (交易账单); a fund-flow bill (资金账单) is needed'],
  summary: '资金流水总笔数',
  read: (field) => ({
    businessNo: channelNumber(field('微信支付业务单号')),
    kind: fundKind(field('业务类型')),
    amountFen: yuanToFen(field('收支金额(元)')) * (field('收支类型') === '支出' ? -1 : 1),
  }),
  origin: (field) => ({ at: timeOrNull(field('记账时间')), appid: '' }),
  sums: {
    收入金额: (line) => (line.amountFen > 0 ? line.amountFen * MILLI : 0),
    支出金额: (line) => (line.amountFen < 0 ? -line.amountFen * MILLI : 0),
  },
};

/** 交易, 扣除交易手续费, 退款, 退还交易手续费, 退款关闭, … */
function fundKind(type: string): FundLine['kind'] {
  if (type.includes('手续费')) return 'fee';
  return type === '退款关闭' ? 'refund_closed' : 'other';
}

function timeOrNull(text: string): Date | null {
  try {
    return billTime(text);
  } catch {
    return null;
  }
}

/** @throws BadBill */
export async function readTradeBill(csv: Readable): Promise<TradeBill> {
  const { columns, lines, totals } = await openBill(csv, TRADE_LAYOUT);
  return { covers: coverageOf(columns), lines, totals };
}

/** @throws BadBill */
export async function readFundBill(csv: Readable): Promise<AsyncIterable<FundLine | UnreadableLine>> {
  return (await openBill(csv, FUND_LAYOUT)).lines;
}
