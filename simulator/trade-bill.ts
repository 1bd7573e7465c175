import { type BillText, orderText, refundText } from './bill-text.js';
import { type Order, payerFen, type Refund, settlementFen, statusAt, type TradeEvent } from './books.js';
import { billTime } from './clock.js';
import { FEE_RATE } from './payments.js';
import { feeYuan, sumYuan, yuan } from './yuan.js';

export const BILL_TYPES = ['ALL', 'SUCCESS', 'REFUND'] as const;
export type BillType = (typeof BILL_TYPES)[number];

/** One line of a trade bill before it is text. */
export interface TradeRow {
  kind: 'order' | 'refund';
  /** The merchant's number of it: out_trade_no, or out_refund_no. */
  number: string;
  order: Order;
  refund: Refund | null;
  at: number;
  state: string;
  refundStatus: string;
  settledFen: number;
  couponFen: number;
  refundFen: number;
  couponRefundFen: number;
  feeFen: number;
  totalFen: number;
  appliedFen: number;
  successAt: number | null;
  /** What stands in the bill instead of the refund's numbers and the fee, where it is made to differ. */
  shownNumber?: string;
  shownRefundId?: string;
  shownFee?: string;
}

const RATE = `${yuan(FEE_RATE)}%`;

const STATUS_TEXT = { SUCCESS: 'SUCCESS', PROCESSING: 'PROCESSING', CLOSED: 'FAIL', ABNORMAL: 'CHANGE' } as const;

type Column = readonly [name: string, value: (row: TradeRow) => string];

const text = (row: TradeRow, value: string): string => (row.kind === 'order' ? orderText(value) : refundText(value));
const time = (at: number | null): string => (at === null ? '' : billTime(at));

const COMMON: readonly Column[] = [
  ['交易时间', (row) => billTime(row.at)],
  ['公众账号ID', (row) => row.order.form.appid],
  ['商户号', (row) => row.order.form.mchid],
  ['特约商户号', () => '0'],
  ['设备号', (row) => row.order.form.scene_info?.device_id ?? ''],
  ['微信订单号', (row) => row.order.paid?.transactionId ?? ''],
  ['商户订单号', (row) => row.order.outTradeNo],
  ['用户标识', (row) => row.order.form.payer.openid],
  ['交易类型', () => 'JSAPI'],
  ['交易状态', (row) => row.state],
  ['付款银行', (row) => row.order.paid?.bankType ?? 'OTHERS'],
  ['货币种类', () => 'CNY'],
  ['应结订单金额', (row) => yuan(row.settledFen)],
  ['代金券金额', (row) => yuan(row.couponFen)],
];

const REFUND_TIMES: readonly Column[] = [
  ['退款申请时间', (row) => time(row.refund?.createdAt ?? null)],
  ['退款成功时间', (row) => time(row.successAt)],
];

const REFUND_PART: readonly Column[] = [
  ['微信退款单号', (row) => row.shownRefundId ?? row.refund?.refundId ?? '0'],
  ['商户退款单号', (row) => row.shownNumber ?? row.refund?.outRefundNo ?? '0'],
  ['退款金额', (row) => yuan(row.refundFen)],
  ['充值券退款金额', (row) => yuan(row.couponRefundFen)],
  ['退款类型', (row) => (row.kind === 'refund' ? 'ORIGINAL' : '')],
  ['退款状态', (row) => row.refundStatus],
];

const GOODS: readonly Column[] = [
  ['商品名称', (row) => text(row, row.order.form.description)],
  ['商户数据包', (row) => text(row, row.order.form.attach ?? '')],
  ['手续费', (row) => row.shownFee ?? feeYuan(row.feeFen)],
  ['费率', () => RATE],
  ['订单金额', (row) => yuan(row.totalFen)],
];

const APPLIED: Column = ['申请退款金额', (row) => yuan(row.appliedFen)];
const REMARK: Column = ['费率备注', () => ''];

const COLUMNS: Record<BillType, readonly Column[]> = {
  ALL: [...COMMON, ...REFUND_PART, ...GOODS, APPLIED, REMARK],
  SUCCESS: [...COMMON, ...GOODS, REMARK],
  REFUND: [...COMMON, ...REFUND_TIMES, ...REFUND_PART, ...GOODS, APPLIED, REMARK],
};

const SHOWN: Record<BillType, (row: TradeRow) => boolean> = {
  ALL: () => true,
  SUCCESS: (row) => row.kind === 'order',
  REFUND: (row) => row.kind === 'refund',
};

type Sum = 'settledFen' | 'refundFen' | 'couponRefundFen' | 'feeFen' | 'totalFen' | 'appliedFen';

const SUMS: readonly (readonly [name: string, sum: Sum])[] = [
  ['应结订单总金额', 'settledFen'],
  ['退款总金额', 'refundFen'],
  ['充值券退款总金额', 'couponRefundFen'],
  ['手续费总金额', 'feeFen'],
  ['订单总金额', 'totalFen'],
  ['申请退款总金额', 'appliedFen'],
];
const SUCCESS_SUMS: readonly string[] = ['应结订单总金额', '手续费总金额', '订单总金额'];

/** The line of a payment or a refund, a refund's status being the one it had at `asOf`. */
export function tradeRow(event: TradeEvent, asOf: number): TradeRow {
  return 'refund' in event ? refundRow(event.refund, asOf) : orderRow(event.order, event.at);
}

function orderRow(order: Order, at: number): TradeRow {
  return {
    kind: 'order',
    number: order.outTradeNo,
    order,
    refund: null,
    at,
    state: 'SUCCESS',
    refundStatus: '',
    settledFen: settlementFen(order),
    couponFen: order.form.amount.total - payerFen(order),
    refundFen: 0,
    couponRefundFen: 0,
    feeFen: order.paid?.feeFen ?? 0,
    totalFen: order.form.amount.total,
    appliedFen: 0,
    successAt: null,
  };
}

function refundRow(refund: Refund, asOf: number): TradeRow {
  const { order, successAt } = refund;
  return {
    kind: 'refund',
    number: refund.outRefundNo,
    order,
    refund,
    at: refund.createdAt,
    state: 'REFUND',
    refundStatus: STATUS_TEXT[statusAt(refund, asOf)],
    settledFen: 0,
    couponFen: 0,
    refundFen: refund.settlementFen,
    couponRefundFen: refund.refundFen - refund.settlementFen,
    feeFen: -refund.feeFen,
    totalFen: 0,
    appliedFen: refund.refundFen,
    successAt: successAt !== null && successAt <= asOf ? successAt : null,
  };
}

/** The bill over these rows, sums included. */
export function tradeBill(type: BillType, rows: () => Iterable<TradeRow>): BillText {
  const columns = COLUMNS[type];
  const sums = type === 'SUCCESS' ? SUMS.filter(([name]) => SUCCESS_SUMS.includes(name)) : SUMS;
  let count = 0;
  let totals = sums.map(() => 0);
  function* lines(): Generator<string[]> {
    count = 0;
    totals = sums.map(() => 0);
    for (const row of rows()) {
      if (!SHOWN[type](row)) continue;
      count += 1;
      sums.forEach(([, sum], index) => (totals[index] = (totals[index] ?? 0) + row[sum]));
      yield columns.map(([, value]) => value(row));
    }
  }
  return {
    header: columns.map(([name]) => name),
    lines,
    summaryHeader: ['总交易单数', ...sums.map(([name]) => name)],
    summary: () => [`${count}.0`, ...totals.map(sumYuan)],
  };
}
