import { parse } from 'csv-parse';
import { pipeline, Readable } from 'node:stream';
import { BadBill } from '../bill.js';

/** One line of a bill: its fields by the column's name, back-ticks taken off. */
export type BillFields = (column: string) => string;

interface Layout<Line> {
  /** Columns without which the bill is not what it should be. */
  columns: string[];
  /** First column of the summary's head. */
  summary: string;
  read: (fields: BillFields, line: number) => Line;
  /** Columns of the summary that must equal the sum over the lines (each in fen, or thousandths of one). */
  sums: Record<string, (line: Line) => number>;
}

const THOUSANDTHS = 1000;

/**
 * Yuan text to thousandths of a fen (fees have up to five decimals): `0.01234` → 1234. @throws RangeError
 */
export function yuanToMilliFen(text: string): number {
  const match = /^([+-]?\d{1,10})(?:\.(\d+))?$/.exec(text.trim());
  if (!match) throw new RangeError('not a decimal amount in yuan');
  const [, whole = '0', fraction = ''] = match;
  const digits = `${fraction.slice(0, 5).padEnd(5, '0')}`;
  const milli = Math.abs(Number(whole)) * 100 * THOUSANDTHS + Number(digits);
  return whole.startsWith('-') && milli !== 0 ? -milli : milli;
}

/** A rate like `0.60%` in millionths: 6000. */
export function rateMillionths(text: string): number | null {
  const match = /^(\d{1,3})(?:\.(\d{1,4}))?%$/.exec(text.trim());
  return match ? Number(match[1]) * 10_000 + Number((match[2] ?? '').padEnd(4, '0')) : null;
}

/** A bill whose head was read. */
export interface OpenBill<Line> {
  columns: ReadonlySet<string>;
  /** @throws BadBill when it was cut off or its own sums do not add up: half a bill must not make payments look missing */
  lines: AsyncGenerator<Line>;
}

/**
 * Reads a bill as it streams by, in bounded memory: by column name, never by position, since WeChat has moved columns
 * before. Free text has its commas replaced, so a plain split is right and a parser that honours quotes is not.
 * @throws BadBill when a column is missing or there is no head
 */
export async function openBill<Line>(csv: Readable, layout: Layout<Line>): Promise<OpenBill<Line>> {
  const parser = parse({ bom: true, quote: false, escape: null, relax_column_count: true, skip_empty_lines: true });
  // Ends both when one fails, also one that failed before it was read here.
  pipeline(csv, parser, () => undefined);
  const rows = (parser as AsyncIterable<string[]>)[Symbol.asyncIterator]();
  try {
    const head = await rows.next();
    if (head.done) throw new BadBill('bill_cut_off', 'the bill is empty');
    const columns = readHead(withoutTicks(head.value), layout.columns);
    return { columns: new Set(columns.keys()), lines: readLines(rows, columns, layout) };
  } catch (error) {
    await rows.return?.();
    throw asBadBill(error);
  }
}

async function* readLines<Line>(
  rows: AsyncIterator<string[]>,
  columns: Map<string, number>,
  layout: Layout<Line>,
): AsyncGenerator<Line> {
  let summaryHead: string[] | null = null;
  let summed = false;
  let count = 0;
  const totals = new Map<string, number>();
  try {
    for (let row = await rows.next(); !row.done; row = await rows.next()) {
      const values = withoutTicks(row.value);
      if (values[0] === layout.summary) summaryHead = values;
      else if (summaryHead) {
        checkSums(summaryHead, values, count, totals);
        summed = true;
      } else {
        count += 1;
        const line = readLine(columns, values, layout, count);
        for (const [name, of] of Object.entries(layout.sums)) totals.set(name, (totals.get(name) ?? 0) + of(line));
        yield line;
      }
    }
  } catch (error) {
    throw asBadBill(error);
  } finally {
    // A reader that stops half-way ends the parser too.
    await rows.return?.();
  }
  if (!summed)
    throw new BadBill('bill_cut_off', `the bill is incomplete: it ends after ${count} lines without a summary`);
}

/** A file that cannot be read to its end, or unzipped: the error is the system's. */
function asBadBill(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!/^(E[A-Z]+|Z_[A-Z_]+)$/.test(code ?? '')) return error;
  return new BadBill('bill_unreadable', `the bill cannot be read: ${message}`);
}

/** Each value of a bill begins with a back-tick. */
function withoutTicks(row: string[]): string[] {
  return row.map((value) => (value.startsWith('`') ? value.slice(1) : value));
}

function readHead(values: string[], needed: string[]): Map<string, number> {
  const columns = new Map(values.map((name, index) => [name.trim(), index]));
  const missing = needed.filter((name) => !columns.has(name));
  if (missing.length > 0)
    throw new BadBill(
      'bill_columns_missing',
      `this is not a bill of the expected kind: columns missing: ${missing.join(', ')}`,
    );
  return columns;
}

function readLine<Line>(columns: Map<string, number>, values: string[], layout: Layout<Line>, number: number): Line {
  const fields: BillFields = (column) => values[columns.get(column) ?? -1] ?? '';
  try {
    return layout.read(fields, number + 1);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new BadBill('bill_line_unreadable', `line ${number}: ${error.message}`);
  }
}

/** The first value is the number of lines; the others are in yuan with any number of decimals. */
function checkSums(head: string[], values: string[], count: number, totals: Map<string, number>): void {
  if (Number(values[0]) !== count) {
    throw new BadBill(
      'bill_cut_off',
      `the bill is incomplete: its summary says ${values[0]} lines, but it has ${count}`,
    );
  }
  for (const [name, total] of totals) {
    const index = head.indexOf(name);
    if (index < 0) continue;
    // Sums of the summary are rounded to whole fen, fees have parts of one.
    const said = summaryAmount(name, values[index] ?? '');
    if (Math.abs(said - total) >= THOUSANDTHS) {
      throw new BadBill(
        'bill_sums_differ',
        `${name}: the summary says ${said}, the lines add up to ${total} (1/1000 fen)`,
      );
    }
  }
}

function summaryAmount(name: string, text: string): number {
  try {
    return yuanToMilliFen(text);
  } catch (error) {
    throw new BadBill('bill_line_unreadable', `summary, ${name}: ${(error as RangeError).message}`);
  }
}

export type { Layout };
