import { BadBill, type BillTotals } from '../bill.js';
import { yuanToMilliFen } from './bill-values.js';

/** Columns of the summary that must equal the sum over the lines, in thousandths of a fen. */
export type Sums<Line> = Record<string, (line: Line) => number>;

/** Sums of a summary are rounded to whole fen, fees have parts of one. */
const ROUNDING = 1000;

/** Adds up the lines of a bill, and compares them with the totals that it gives itself. */
export class BillSums<Line> {
  private readonly sums: [name: string, of: (line: Line) => number, total: number][];
  private count = 0;
  private unreadable = 0;

  constructor(sums: Sums<Line>) {
    this.sums = Object.entries(sums).map(([name, of]) => [name, of, 0]);
  }

  add(line: Line): void {
    this.count += 1;
    for (const sum of this.sums) sum[2] += sum[1](line);
  }

  /** A line that cannot be read counts, and adds nothing. */
  addUnreadable(): void {
    this.count += 1;
    this.unreadable += 1;
  }

  /** @throws BadBill */
  cutOff(): never {
    throw new BadBill('bill_cut_off', `the bill is incomplete: it ends after ${this.count} lines without a summary`);
  }

  /**
   * Answers the totals that differ because of lines that cannot be read.
   * @throws BadBill when they differ without such lines, or the number of lines does
   */
  compare(names: string[], values: string[], line: number): BillTotals['differ'] {
    if (Number(values[0]) !== this.count) {
      throw new BadBill(
        'bill_cut_off',
        `line ${line}: the bill is incomplete: its summary says ${values[0]} lines, but it has ${this.count}`,
      );
    }
    const differ = this.sums.flatMap(([name, , total]) => {
      const index = names.indexOf(name);
      if (index < 0) return [];
      const said = amount(name, values[index] ?? '', line);
      return Math.abs(said - total) >= ROUNDING ? [{ name, said_milli_fen: said, read_milli_fen: total }] : [];
    });
    const [first] = differ;
    if (first && this.unreadable === 0) {
      throw new BadBill(
        'bill_sums_differ',
        `line ${line}, ${first.name}: the summary says ${first.said_milli_fen}, the lines add up to ${first.read_milli_fen} (1/1000 fen)`,
      );
    }
    return differ;
  }
}

function amount(name: string, text: string, line: number): number {
  try {
    return yuanToMilliFen(text);
  } catch (error) {
    throw new BadBill('bill_line_unreadable', `line ${line}, ${name}: "${text}" is ${(error as RangeError).message}`);
  }
}
