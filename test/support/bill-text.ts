import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const VECTORS = join(__dirname, '..', 'vectors', 'bill');

/** The published trade bill: 31 orders and 14 refunds, BOM and CRLF as WeChat Pay writes them. */
export const PUBLISHED_BILL = join(VECTORS, 'bill.ALL.csv');

/** A bill as people have it: `test/vectors/bill/NAME.csv`. */
export function billCase(name: string): string {
  return join(VECTORS, `${name}.csv`);
}

export type BillType = 'ALL' | 'SUCCESS' | 'REFUND';

interface Layouts {
  trade_bill: Record<BillType, { columns: string[]; summary: string[] }>;
  fund_flow: { columns: string[]; summary: string[]; sample_row_community: string };
}

export const LAYOUTS = JSON.parse(readFileSync(join(VECTORS, 'bill-layouts.json'), 'utf8')) as Layouts;

/** Values by column; what is left out is empty. */
export type Cells = Record<string, string>;

/** A payment's line. */
export function orderCells(cells: Cells = {}): Cells {
  return {
    交易时间: '2026-11-23 09:30:00',
    商户号: '1900000001',
    特约商户号: '0',
    微信订单号: '4200000001202611230000000001',
    商户订单号: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB',
    交易状态: 'SUCCESS',
    货币种类: 'CNY',
    应结订单金额: '18.00',
    代金券金额: '0.00',
    微信退款单号: '0',
    商户退款单号: '0',
    退款金额: '0.00',
    充值券退款金额: '0.00',
    手续费: '0.11000',
    费率: '0.60%',
    订单金额: '18.00',
    申请退款金额: '0.00',
    ...cells,
  };
}

/** The line of a refund of it. */
export function refundCells(cells: Cells = {}): Cells {
  return orderCells({
    交易状态: 'REFUND',
    应结订单金额: '0.00',
    微信退款单号: '50300000012026112300000001',
    商户退款单号: 'ref_01JD8Q5Z6T8RZ1M0V4N9X2K7CB',
    退款金额: '7.00',
    退款状态: 'SUCCESS',
    手续费: '-0.04000',
    订单金额: '0.00',
    申请退款金额: '7.00',
    退款申请时间: '2026-11-23 09:30:00',
    ...cells,
  });
}

/** A bill as WeChat Pay writes it, back-ticks, BOM and CRLF included. */
export function billText(columns: string[], rows: Cells[], summary: [names: string[], values: Cells]): string {
  const line = (names: string[], cells: Cells): string => names.map((name) => `\`${cells[name] ?? ''}`).join(',');
  const [names, values] = summary;
  const lines = [columns.join(','), ...rows.map((row) => line(columns, row)), names.join(','), line(names, values)];
  return `\uFEFF${lines.join('\r\n')}\r\n`;
}

/** A trade bill whose sums are those given, else of one order of ¥18 and its refund of ¥7. */
export function tradeBillText(type: BillType, rows: Cells[], sums: Cells = {}): string {
  const { columns, summary } = LAYOUTS.trade_bill[type];
  const values = { 总交易单数: `${rows.length}.0`, ...sums };
  return billText(columns, rows, [summary, values]);
}

/** Sums of so many orders of ¥18 and refunds of ¥7 of theirs. */
export function sumsOf(orders: number, refunds: number): Cells {
  const yuan = (fen: number): string => `${Math.trunc(fen / 100)}.${String(fen % 100).padStart(2, '0')}`;
  const fees = orders * 11 - refunds * 4;
  return {
    应结订单总金额: yuan(orders * 1800),
    退款总金额: yuan(refunds * 700),
    充值券退款总金额: '0.0',
    手续费总金额: fees < 0 ? `-${yuan(-fees)}` : yuan(fees),
    订单总金额: yuan(orders * 1800),
    申请退款总金额: yuan(refunds * 700),
  };
}
