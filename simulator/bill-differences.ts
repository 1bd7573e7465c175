import { type Fields, int, list, object, required, text } from './fields.js';
import { type Random } from './random.js';
import { type TradeRow } from './trade-bill.js';

/** How a line of a bill can differ from the books. */
export const DIFFERENCES = ['missing', 'extra', 'amount', 'status', 'fee', 'duplicate'] as const;
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
  count: object({ missing: int(0), extra: int(0), amount: int(0), status: int(0), fee: int(0), duplicate: int(0) }),
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
      const [number] = left.splice(random.below(left.length), 1);
      if (number === undefined) throw new RangeError('The day has too few lines for so many differences');
      chosen.push({ kind, number });
    }
  }
  return chosen;
}

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
    }
  }
  if (!model) return;
  for (const { kind, number } of differences) if (kind === 'extra') yield extraRow(model, number);
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
    case 'missing':
    case 'extra':
    case 'duplicate':
      return row;
  }
}

/** A payment that was never made through these books: another number at the channel, another at the merchant. */
function extraRow(model: TradeRow, number: string): TradeRow {
  const { order } = model;
  const paid = order.paid && { ...order.paid, transactionId: `4200${number.replace(/\D/g, '').padEnd(24, '0')}` };
  return { ...model, number, order: { ...order, outTradeNo: number.slice(0, 32), paid } };
}
