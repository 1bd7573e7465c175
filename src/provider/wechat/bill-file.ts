import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { BadBill } from '../bill.js';

/** A day of ten million lines stays below this; more is a mistake or an attack. */
export const MAX_PLAIN_BYTES = 16 * 1024 ** 3;
/** The head of a bill is shorter, in whatever encoding; a line longer than this is no line. */
const MAX_LINE = 64 * 1024;

type Bytes = AsyncIterable<Buffer>;

/**
 * The lines of a bill as people have it, without their ends, in portions: UTF-8 with or without a byte order mark, or
 * GB18030 (GBK), plain or gzip, line ends of any system.
 * @throws BadBill `bill_unreadable`; it names what the file is instead
 */
export async function* billLines(file: Readable): AsyncGenerator<string[]> {
  try {
    yield* linesOf(await unpacked(file));
  } finally {
    // Also when what it starts with was enough.
    file.destroy();
  }
}

async function* linesOf(bytes: Bytes): AsyncGenerator<string[]> {
  const { start, all } = await startOf(bytes, hasLine);
  const decoder = new TextDecoder(isUtf8(start) ? 'utf-8' : 'gb18030');
  // Old spreadsheets for the Mac end lines by CR alone.
  const end = start.includes(0x0a) || !start.includes(0x0d) ? '\n' : '\r';
  let rest = '';
  let size = 0;
  for await (const chunk of all) {
    size += chunk.length;
    if (size > MAX_PLAIN_BYTES) throw new BadBill('bill_unreadable', 'the bill is too large');
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(end);
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE)
      throw new BadBill('bill_unreadable', `the file has a line of more than ${MAX_LINE} characters`);
    if (lines.length > 0) yield lines;
  }
  rest += decoder.decode();
  if (rest !== '') yield [rest];
}

/** Whether a line is at an end, and what ends it is known. */
function hasLine(start: Buffer): boolean {
  const end = start.indexOf(0x0d);
  return start.includes(0x0a) || (end >= 0 && end < start.length - 1);
}

/** What a file starts with that is no text, and what to do about it. */
const OTHER_FILES: readonly [start: Buffer, what: string][] = [
  [
    Buffer.from('PK\x03\x04', 'latin1'),
    'an Excel workbook (.xlsx) or a zip archive: extract the archive, or save the sheet as CSV (UTF-8)',
  ],
  [Buffer.from('d0cf11e0', 'hex'), 'an Excel workbook (.xls): save the sheet as CSV (UTF-8)'],
  [Buffer.from('fffe', 'hex'), 'text in UTF-16, such as "Unicode text" of a spreadsheet: save it as CSV (UTF-8)'],
  [Buffer.from('feff', 'hex'), 'text in UTF-16, such as "Unicode text" of a spreadsheet: save it as CSV (UTF-8)'],
  [Buffer.from('%PDF'), 'a PDF document: download the bill as CSV'],
];

const GZIP_START = Buffer.from([0x1f, 0x8b]);
const LONGEST_START = 4;

async function unpacked(file: Readable): Promise<Bytes> {
  const outer = await startOf(file, ({ length }) => length >= LONGEST_START);
  if (!startsWith(outer.start, GZIP_START)) return asText(outer);
  const plain = createGunzip();
  // A failure of either reaches the reader through the last one.
  pipeline(Readable.from(outer.all), plain, () => undefined);
  return asText(await startOf(plain, ({ length }) => length >= LONGEST_START));
}

function asText({ start, all }: Begun): Bytes {
  for (const [other, what] of OTHER_FILES)
    if (startsWith(start, other)) throw new BadBill('bill_unreadable', `the file is not a bill in CSV but ${what}`);
  return all;
}

const startsWith = (bytes: Buffer, start: Buffer): boolean => bytes.subarray(0, start.length).equals(start);

interface Begun {
  start: Buffer;
  /** All of it, the start included. */
  all: Bytes;
}

/** Reads on until `enough` of the start is known. */
async function startOf(bytes: AsyncIterable<unknown>, enough: (start: Buffer) => boolean): Promise<Begun> {
  const chunks = bytes[Symbol.asyncIterator]();
  let start: Buffer = Buffer.alloc(0);
  while (start.length < MAX_LINE && !enough(start)) {
    const next = await chunks.next();
    if (next.done) break;
    start = Buffer.concat([start, asBuffer(next.value)]);
  }
  return { start, all: resumed(start, chunks) };
}

async function* resumed(start: Buffer, chunks: AsyncIterator<unknown>): AsyncGenerator<Buffer> {
  try {
    yield start;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield asBuffer(next.value);
  } finally {
    // A reader that stops half-way ends the source too.
    await chunks.return?.();
  }
}

const asBuffer = (chunk: unknown): Buffer => (Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk as string));

/** By its first line, which is Chinese in every bill: text in GBK is no valid UTF-8. */
function isUtf8(start: Buffer): boolean {
  const end = start.findIndex((byte) => byte === 0x0a || byte === 0x0d);
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(end < 0 ? start : start.subarray(0, end));
    return true;
  } catch {
    return false;
  }
}
