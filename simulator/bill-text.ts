import { createHash } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';

/** What every bill has in common: a byte order mark, CRLF, and a back-tick before each value (manual, page 4013071246). */
const BOM = '\uFEFF';
const LINE_END = '\r\n';
const CHUNK_CHARACTERS = 65_536;

/** A bill that can be written as often as wanted, line by line. */
export interface BillText {
  header: readonly string[];
  /** The values of each line. */
  lines: () => Iterable<readonly string[]>;
  summaryHeader: readonly string[];
  /** Asked for after the last line. */
  summary: () => readonly string[];
}

/** The bill's bytes in pieces, so that a day of a million payments is never in memory at once. */
export async function* billBytes(bill: BillText): AsyncGenerator<Buffer> {
  let text = BOM + bill.header.join(',') + LINE_END;
  for (const line of bill.lines()) {
    text += valueLine(line);
    if (text.length < CHUNK_CHARACTERS) continue;
    yield Buffer.from(text);
    text = '';
    await breathe();
  }
  yield Buffer.from(text + bill.summaryHeader.join(',') + LINE_END + valueLine(bill.summary()));
}

/** SHA-1 of the plain text, as `hash_value` tells it. */
export async function billHash(bill: BillText): Promise<string> {
  const hash = createHash('sha1');
  for await (const chunk of billBytes(bill)) hash.update(chunk);
  return hash.digest('hex');
}

function valueLine(values: readonly string[]): string {
  return `\`${values.join(',`')}${LINE_END}`;
}

const SHARED: Record<string, string> = {
  '\\': '\\\\',
  '"': '\\"',
  ',': '\\ ',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\uE000': '\\ ',
  '\u001A': '\\\u001A',
};

/** A merchant's text as it stands in the lines of orders. */
export function orderText(text: string): string {
  return escaped(text, { ...SHARED, "'": "\\'", '`': '\\`' });
}

/** A merchant's text as it stands in the lines of refunds: another spelling of the back-tick. */
export function refundText(text: string): string {
  return escaped(text, { ...SHARED, '`': '\\140' });
}

/** A remark of the fund-flow bill. */
export function remarkText(text: string): string {
  return escaped(text, { '\n': '\\n', '\r': '\\r', '\u0001': ' ', ',': ' ', '`': ' ' });
}

function escaped(text: string, table: Record<string, string>): string {
  let result = '';
  for (const character of text) result += table[character] ?? character;
  return result;
}
