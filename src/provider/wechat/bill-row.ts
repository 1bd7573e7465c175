import { parse } from 'csv-parse/sync';

const TICK = '`';

/**
 * The values of a line of so many columns. Each value of a bill begins with a back-tick, so a comma without one behind it
 * belongs to a text. Where a spreadsheet or an editor took the ticks away, commas alone separate, and quotes protect them.
 * Answers another number of values when the line does not have these columns; the values may have blanks around them.
 */
export function splitRow(text: string, columns: number): string[] {
  const ticked = text.startsWith(TICK) ? text.slice(1).split(',`') : null;
  if (ticked?.length === columns) return ticked;
  const plain = text.split(',').map(withoutTick);
  if (plain.length === columns && !text.startsWith('"')) return plain;
  const quoted = text.includes('"') ? splitQuoted(text) : null;
  if (quoted?.length === columns) return quoted.map(withoutTick);
  return ticked ?? plain;
}

/** The values of a line that has no columns to fit: the head itself, or the totals. */
export function splitFree(text: string): string[] {
  const values = text.startsWith('"') ? (splitQuoted(text) ?? text.split(',')) : text.split(',');
  return values.map((value) => withoutTick(value).trim());
}

function splitQuoted(text: string): string[] | null {
  try {
    return parse(text, { relax_column_count: true, relax_quotes: true, trim: true })[0] ?? null;
  } catch {
    return null;
  }
}

function withoutTick(value: string): string {
  const from = value.trimStart();
  return from.startsWith(TICK) ? from.slice(1) : from;
}
