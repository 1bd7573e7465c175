import { type Fields, int, list, object, required, text } from './fields.js';
import { type Random } from './random.js';
import { type TradeRow } from './trade-bill.js';

/** How a line of a bill can differ from the books. */
export const DIFFERENCES = [
  'missing',
  'extra',
  'amount',
  'status',
  'fee',
  'duplicate',
  /** The transaction or refund is there, under another number of the merchant. */
  'renumbered',
  /** Its fee is no number; the totals still count it. */
  'unreadable',
  /** A further line: the payment was refunded under a number that the merchant's system never gave. */
  'console',
  /** A further line, of another appid on the same merchant number: a payment, or a refund of one. */
  'foreign',
] as const;
export type DifferenceKind = (typeof DIFFERENCES)[number];

export interface Difference {
  kind: DifferenceKind;
  /** out_trade_no or out_refund_no of the line; of an extra line, a number of the same form that nobody ordered under. */
  number: string;
}

/** How many of each to make, or exactly which. */
export interface DifferenceOrder {
  count?: Partial<Record<DifferenceKind, number>>;
  named?: Difference[];
  /** Chooses the lines; left out: the simulator's own course of chance. */
  seed?: number;
}

export const DIFFERENCE_ORDER: Fields = {
  count: object(Object.fromEntries(DIFFERENCES.map((kind) => [kind, int(0)]))),
  named: list(object({ kind: required(text(16, { oneOf: DIFFERENCES })), number: required(text(64)) })),
  seed: int(0),
};

/** Chooses distinct lines for the counted differences. @throws RangeError when the day has too few lines */
export function chooseDifferences(rows: readonly TradeRow[], order: DifferenceOrder, random: Random): Difference[] {
  const left = rows.map((row) => row.number);
  const chosen: Difference[] = [...(order.named ?? [])];
  for (const kind of DIFFERENCES) {
    for (let made = 0; made < (order.count?.[kind] ?? 0); made += 1) {
      if (kind === 'extra') {
        chosen.push({ kind, number: unusedNumber(rows, random) });
        continue;
      }
      if (kind === 'foreign') {
        chosen.push({ kind, number: `POS${random.digits(12)}` });
        continue;
      }
      const candidates = kind === 'console' ? left.filter((one) => isOrder(rows, one)) : left;
      const [picked] = candidates.length > 0 ? [candidates[random.below(candidates.length)]] : [];
      const [number] = picked === undefined ? [] : left.splice(left.indexOf(picked), 1);
      if (number === undefined) throw new RangeError('The day has too few lines for so many differences');
      chosen.push({ kind, number });
    }
  }
  return chosen;
}

const isOrder = (rows: readonly TradeRow[], number: string): boolean =>
  rows.some((row) => row.kind === 'order' && row.number === number);

/** A number of the form that the merchant gives, another one at its end. */
function unusedNumber(rows: readonly TradeRow[], random: Random): string {
  const model = rows.find((row) => row.kind === 'order')?.number ?? 'EXTRA_00000000000000';
  return `${model.slice(0, -12)}${random.digits(12)}`;
}

/** The rows with the differences made. Extra lines stand at the end, modelled on the last true one. */
export function* withDifferences(rows: Iterable<TradeRow>, differences: readonly Difference[]): Generator<TradeRow> {
  const byNumber = new Map<string, DifferenceKind[]>();
  for (const { kind, number } of differences) byNumber.set(number, [...(byNumber.get(number) ?? []), kind]);
  let model: TradeRow | undefined;
  for (const row of rows) {
    if (row.kind === 'order') model = row;
    const kinds = byNumber.get(row.number);
    if (!kinds) yield row;
    else if (!kinds.includes('missing')) {
      const changed = kinds.reduce(differing, row);
      yield changed;
      if (kinds.includes('duplicate')) yield changed;
      if (kinds.includes('console')) yield consoleRow(row);
    }
  }
  if (!model) return;
  for (const [index, { kind, number }] of differences.entries()) {
    if (kind === 'extra') yield extraRow(model, number);
    if (kind === 'foreign') yield index % 2 === 0 ? foreignRow(model, number) : consoleRow(foreignRow(model, number));
  }
}

function differing(row: TradeRow, kind: DifferenceKind): TradeRow {
  const isOrder = row.kind === 'order';
  switch (kind) {
    case 'amount':
      return isOrder
        ? { ...row, totalFen: row.totalFen + 1, settledFen: row.settledFen + 1 }
        : { ...row, appliedFen: row.appliedFen + 1, refundFen: row.refundFen + 1 };
    case 'status':
      if (isOrder) return { ...row, state: 'REVOKED' };
      return { ...row, refundStatus: row.refundStatus === 'FAIL' ? 'SUCCESS' : 'FAIL' };
    case 'fee':
      return { ...row, feeFen: row.feeFen + 1 };
    case 'renumbered':
      return isOrder
        ? withOrder(row, { outTradeNo: `POS${row.number.slice(-12)}` })
        : { ...row, shownNumber: `POS${row.number.slice(-12)}` };
    case 'unreadable':
      return { ...row, shownFee: '0.1O' };
    case 'missing':
    case 'extra':
    case 'duplicate':
    case 'console':
    case 'foreign':
      return row;
  }
}

function withOrder(row: TradeRow, changed: Partial<TradeRow['order']>): TradeRow {
  return { ...row, order: { ...row.order, ...changed } };
}

/** A payment through another mini-program of the same merchant. */
function foreignRow(model: TradeRow, number: string): TradeRow {
  const row = extraRow(model, number);
  return withOrder(row, { form: { ...row.order.form, appid: 'wx0000000000000001' } });
}

/** A fen of a payment given back in the merchant's console, which gives the refund a number of its own. */
function consoleRow(payment: TradeRow): TradeRow {
  return {
    ...payment,
    kind: 'refund',
    state: 'REFUND',
    refundStatus: 'SUCCESS',
    shownNumber: consoleNumber(payment.order.outTradeNo),
    shownRefundId: `5030${digitsOf(payment.order.paid?.transactionId ?? '')}`,
    settledFen: 0,
    refundFen: 1,
    feeFen: 0,
    totalFen: 0,
    appliedFen: 1,
  };
}

/** The number of the refund of a payment in the merchant's console. */
export function consoleNumber(outTradeNo: string): string {
  return `CONSOLE${outTradeNo.slice(-16)}`;
}

const digitsOf = (text: string): string => text.replace(/\D/g, '').slice(-24).padStart(24, '0');

/** A payment that was never made through these books: another number at the channel, another at the merchant. */
function extraRow(model: TradeRow, number: string): TradeRow {
  const { order } = model;
  const paid = order.paid && { ...order.paid, transactionId: `4200${digitsOf(number)}` };
  return { ...model, number, order: { ...order, outTradeNo: number.slice(0, 32), paid } };
}
