import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { idIn } from '../../common/ids.js';
import { BadBill, type BillTotals, type UnreadableLine } from '../bill.js';
import { billLines } from './bill-file.js';
import { splitFree, splitRow } from './bill-row.js';
import { BillSums, type Sums } from './bill-totals.js';

/** The value of a column in a line, without its back-tick and the blanks around it. */
export type BillFields = (column: string) => string;

export interface Layout<Line> {
  /** Columns without which the bill is not what it should be. */
  columns: string[];
  /** A column of the other kind of bill, and what it then is. */
  otherBill: readonly [column: string, what: string];
  /** First column of the summary's head. */
  summary: string;
  /** Asks for one column after the other: the last one is what a RangeError is about. */
  read: (fields: BillFields, line: number) => Line;
  /** When and whose a line is that cannot be read otherwise. */
  origin: (fields: BillFields) => Pick<UnreadableLine, 'at' | 'appid'>;
  sums: Sums<Line>;
}

/** More than so many lines that cannot be read are a file that cannot be read. */
const MOST_UNREADABLE = 1000;
/** The same, where there is no other line. */
const MOST_UNREADABLE_ALONE = 10;
const MOST_SHOWN = 64;

/** A bill whose head was read. */
export interface OpenBill<Line> {
  columns: ReadonlySet<string>;
  /** @throws BadBill when it was cut off or its own sums do not add up: half a bill must not make payments look missing */
  lines: AsyncGenerator<Line | UnreadableLine>;
  /** To be asked after the last line. */
  totals: () => BillTotals;
}

/**
 * Reads a bill as it streams by, in bounded memory: by column name, never by position, since WeChat has moved columns
 * before. A line that cannot be read does not end it.
 * @throws BadBill when a column is missing or there is no head
 */
export async function openBill<Line>(csv: Readable, layout: Layout<Line>): Promise<OpenBill<Line>> {
  const portions = billLines(csv);
  try {
    let before = 0;
    for (let next = await portions.next(); !next.done; next = await portions.next()) {
      const head = next.value.findIndex((text) => !isBlank(text));
      if (head >= 0) {
        const reader = new BillReader(next.value[head] ?? '', before + head + 1, layout);
        const lines = readLines(reader, next.value.slice(head + 1), portions);
        return { columns: reader.columns, lines, totals: () => reader.totals };
      }
      before += next.value.length;
    }
    throw new BadBill('bill_cut_off', 'the bill is empty');
  } catch (error) {
    await portions.return(undefined);
    throw asBadBill(error);
  }
}

async function* readLines<Line>(
  reader: BillReader<Line>,
  first: string[],
  portions: AsyncGenerator<string[]>,
): AsyncGenerator<Line | UnreadableLine> {
  try {
    for (const line of reader.read(first)) yield line;
    for await (const portion of portions) for (const line of reader.read(portion)) yield line;
    reader.end();
  } catch (error) {
    throw asBadBill(error);
  } finally {
    // A reader that stops half-way ends the file too.
    await portions.return(undefined);
  }
}

/** A file that cannot be read to its end, or unzipped: the error is the system's. */
function asBadBill(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!/^(E[A-Z]+|Z_[A-Z_]+)$/.test(code ?? '')) return error;
  return new BadBill('bill_unreadable', `the bill cannot be read: ${message}`);
}

/** Also a row of empty cells, as spreadsheets leave them below the last one. */
function isBlank(text: string): boolean {
  return text === '' || (/^[\s,`"\uFEFF]/.test(text) && /^[\s,`"\uFEFF]*$/.test(text));
}

/** The lines after a head, and their totals; a file of several bills put together has them several times. */
class BillReader<Line> {
  readonly totals: BillTotals = { agree: true, differ: [] };
  readonly columns: ReadonlySet<string>;
  private readonly indexes: ReadonlyMap<string, number>;
  private readonly width: number;
  /** Empty cells that a spreadsheet wrote at the end of every line, the head included. */
  private readonly padding: string;
  private readonly firstColumn: string;
  private sums: BillSums<Line>;
  private summaryHead: string[] | null = null;
  private afterSummary = false;
  private readable = 0;
  private unreadable = 0;
  private first: UnreadableLine | null = null;
  /** The line that is being read: its values, and the column that was asked for last. */
  private values: string[] = [];
  private column = '';

  /** @throws BadBill */
  constructor(
    private readonly headText: string,
    private number: number,
    private readonly layout: Layout<Line>,
  ) {
    const names = splitFree(headText);
    const cells = names.length;
    while (names.at(-1) === '') names.pop();
    this.padding = ','.repeat(cells - names.length);
    this.indexes = new Map(names.map((name, index) => [name, index]));
    this.columns = new Set(names);
    checkHead(this.columns, headText, layout);
    this.width = names.length;
    this.firstColumn = names[0] ?? '';
    this.sums = new BillSums(layout.sums);
  }

  /** @throws BadBill */
  *read(portion: string[]): Generator<Line | UnreadableLine> {
    for (const whole of portion) {
      this.number += 1;
      const text = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
      if (isBlank(text)) continue;
      if (this.afterSummary && this.isHead(text)) this.begin();
      else if (this.afterSummary) yield this.notRead(text, '', 'follows the totals, and is in none of them');
      else if (this.summaryHead) this.compare(this.summaryHead, splitFree(text));
      else if (startsWith(text, this.layout.summary)) this.summaryHead = splitFree(text);
      else yield this.readLine(text);
    }
  }

  /** @throws BadBill when the last lines have no totals, or too few lines could be read */
  end(): void {
    if (!this.afterSummary) this.sums.cutOff();
    if (this.readable === 0 && this.unreadable >= MOST_UNREADABLE_ALONE) this.giveUp();
  }

  private begin(): void {
    this.summaryHead = null;
    this.afterSummary = false;
    this.sums = new BillSums(this.layout.sums);
  }

  private isHead(text: string): boolean {
    return startsWith(text, this.firstColumn) && splitFree(text).join() === splitFree(this.headText).join();
  }

  private compare(names: string[], values: string[]): void {
    this.totals.differ.push(...this.sums.compare(names, values, this.number));
    this.totals.agree = this.totals.differ.length === 0;
    this.afterSummary = true;
  }

  private readLine(text: string): Line | UnreadableLine {
    this.values = splitRow(this.withoutPadding(text), this.width);
    const problem = this.problemOf(text);
    if (problem !== null) {
      this.sums.addUnreadable();
      return this.notRead(text, '', problem);
    }
    try {
      const line = this.layout.read(this.field, this.number);
      this.sums.add(line);
      this.readable += 1;
      return line;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.sums.addUnreadable();
      return this.notRead(text, this.column, `is ${error.message}`);
    }
  }

  private withoutPadding(text: string): string {
    return this.padding !== '' && text.endsWith(this.padding) ? text.slice(0, -this.padding.length) : text;
  }

  private problemOf(text: string): string | null {
    if (text.includes('\0')) return 'has a NUL character';
    if (this.values.length === this.width) return null;
    return `has ${this.values.length} values where the head has ${this.width} columns: there may be a comma in a text`;
  }

  private readonly field: BillFields = (column) => {
    this.column = column;
    const index = this.indexes.get(column);
    return index === undefined ? '' : (this.values[index] ?? '').trim();
  };

  /** @param column whose value is wrong; empty: the line itself */
  private notRead(text: string, column: string, reason: string): UnreadableLine {
    const refund = idIn('ref', text);
    const number = refund ?? idIn('pay', text);
    const line: UnreadableLine = {
      kind: 'unreadable',
      line: this.number,
      at: null,
      appid: '',
      column,
      value: column === '' ? '' : shown(this.field(column)),
      reason,
      noun: refund !== null ? 'refund' : number !== null ? 'payment' : 'line',
      number: number ?? createHash('sha256').update(text).digest('hex').slice(0, 16),
      // Only where the values are those of their columns.
      ...(column !== '' && this.layout.origin(this.field)),
    };
    this.first ??= line;
    this.unreadable += 1;
    if (this.unreadable > MOST_UNREADABLE) this.giveUp();
    return line;
  }

  private giveUp(): never {
    const first = this.first === null ? '' : inWords(this.first);
    throw new BadBill('bill_line_unreadable', `${this.unreadable} lines cannot be read, the first of them: ${first}`);
  }
}

/** `line 2, 订单金额: "abc" is not a decimal amount in yuan` */
function inWords({ line, column, value, reason }: UnreadableLine): string {
  return column === '' ? `line ${line}: it ${reason}` : `line ${line}, ${column}: "${value}" ${reason}`;
}

/** Whether a line's first value begins so, whatever mark stands before it. */
function startsWith(text: string, word: string): boolean {
  return text.startsWith(word) || text.startsWith(word, 1) || text.startsWith(word, 2);
}

/** A value as it is shown to people: not too long, and no openid. */
function shown(value: string): string {
  return [...value.replace(/(?<![\w-])o[\w-]{27}(?![\w-])/g, 'o…')].slice(0, MOST_SHOWN).join('');
}

/** @throws BadBill that says what the file may be instead */
function checkHead<Line>(
  columns: ReadonlySet<string>,
  text: string,
  { columns: needed, otherBill }: Layout<Line>,
): void {
  const missing = needed.filter((name) => !columns.has(name));
  if (missing.length === 0) return;
  throw new BadBill(
    'bill_columns_missing',
    `this is not a bill of the expected kind: ${causeOf(columns, text, otherBill)}columns missing: ${missing.join(', ')}`,
  );
}

function causeOf(columns: ReadonlySet<string>, text: string, [column, what]: readonly [string, string]): string {
  if (columns.has(column)) return `${what}; `;
  if (/[;\t]/.test(text) && !text.includes(','))
    return 'its values are not separated by commas: save it as CSV with commas; ';
  if (!/\p{Script=Han}/u.test(text))
    return 'its first line has no Chinese column names, or lost them in a wrong encoding; ';
  return '';
}
