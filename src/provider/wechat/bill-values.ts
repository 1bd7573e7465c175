/** Values of a bill. Each function throws RangeError with what is wrong, in words that follow the value. */

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

const WRITTEN_TIME = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/;
/** As spreadsheets show it. The year stands first: a day and a month cannot be mistaken for each other. */
const SPREADSHEET_TIME = /^(\d{4})[-/](\d{1,2})[-/](\d{1,2})[ T](\d{1,2}):(\d{2})(?::(\d{2}))?$/;

/** `yyyy-MM-dd HH:mm:ss` of a bill, or what a spreadsheet makes of it: `2026/11/24 12:00`. China's time. @throws RangeError */
export function billTime(text: string): Date {
  const written = WRITTEN_TIME.test(text) ? text : spreadsheetTime(text);
  const at = new Date(`${written.replace(' ', 'T')}+08:00`);
  if (Number.isNaN(at.getTime())) throw new RangeError('not a time of the calendar');
  return at;
}

function spreadsheetTime(text: string): string {
  const match = SPREADSHEET_TIME.exec(text);
  if (!match) throw new RangeError(NOT_A_TIME);
  const [year = '', month, day, hour, minute, second = '00'] = match
    .slice(1)
    .map((part) => (part ?? '00').padStart(2, '0'));
  return `${year}-${month}-${day} ${hour}:${minute}:${second}`;
}

const NOT_A_TIME =
  'not a time of the form yyyy-MM-dd HH:mm:ss: a spreadsheet may have changed it, so use the file as it was downloaded';

const SHORTENED =
  'a number that a spreadsheet has shortened, its last digits are lost: use the file as it was downloaded, or open it with all columns as text';

/** A number of a payment or refund, every character of it. @throws RangeError when a spreadsheet took it for an amount */
export function exactNumber(text: string): string {
  if (text.includes('E+') && /^\d(?:\.\d+)?E\+\d+$/.test(text)) throw new RangeError(SHORTENED);
  return text;
}

/** WeChat's own number. Spreadsheets calculate with 15 digits, and write zeros for the rest. @throws RangeError */
export function channelNumber(text: string): string {
  if (text.endsWith('00000000') && /^\d{15}0{8,}$/.test(text)) throw new RangeError(SHORTENED);
  return exactNumber(text);
}
