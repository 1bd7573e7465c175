import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/** What an environment file says, and what is wrong with the file itself, a line each and without a value. */
export interface EnvFile {
  values: Record<string, string>;
  problems: string[];
}

/** `NAME=value`, the value in quotes over several lines if need be. */
const ENTRY = /[ \t]*(?:export[ \t]+)?[A-Za-z_][\w.-]*[ \t]*=[ \t]*("[^"]*"|'[^']*'|`[^`]*`)?[^\n]*(?:\n|$)/y;
const BLANK_OR_COMMENT = /[ \t]*(?:#[^\n]*)?(?:\n|$)/y;
/** An assignment inside of quotes: a quote was left open. The underscore keeps the Base64 lines of a PEM text out. */
const SWALLOWED = /\n[ \t]*(?:export[ \t]+)?[A-Z][A-Z0-9]*_[A-Z0-9_]*=/;

/**
 * Reads an environment file, if there is one. A byte order mark is taken off. A file that is not UTF-8, or has a line
 * that the parser would pass over in silence, is a problem: what was given must never count as not given.
 */
export function readEnvFile(path: string): EnvFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? { values: {}, problems: [] } : refused(`${path} cannot be read (${code ?? 'unknown'})`);
  }
  const encoding = wrongEncoding(bytes);
  if (encoding) return refused(`${path} is ${encoding}: save it as UTF-8`);
  const text = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .replace(/\r\n?/g, '\n');
  const problem = unreadLine(text);
  return problem ? refused(`${path}, ${problem}`) : { values: parseEnv(text) as Record<string, string>, problems: [] };
}

/**
 * A value without the blanks and the one pair of quotes around it, as an environment set by Docker or systemd may carry
 * them. Quotes inside of the value, or only at one end, are left: a rule of the variable refuses them or not.
 */
export function withoutQuotes(value: string): string {
  const text = value.trim();
  const quote = text.at(0);
  if (text.length < 2 || (quote !== '"' && quote !== "'") || !text.endsWith(quote)) return text;
  const inner = text.slice(1, -1);
  return inner.includes(quote) ? text : inner.trim();
}

function refused(problem: string): EnvFile {
  return { values: {}, problems: [problem] };
}

function wrongEncoding(bytes: Buffer): string | null {
  const mark = bytes.subarray(0, 2).toString('hex');
  // Text in UTF-16 without its mark is valid UTF-8 with a NUL beside each letter.
  if (mark === 'fffe' || mark === 'feff' || bytes.includes(0)) return 'UTF-16 or holds NUL bytes';
  return isUtf8(bytes) ? null : 'not UTF-8';
}

/** The first line that is neither `NAME=value` nor a comment, or whose quote swallows the next variable. */
function unreadLine(text: string): string | null {
  for (let at = 0; at < text.length;) {
    const line = text.slice(0, at).split('\n').length;
    BLANK_OR_COMMENT.lastIndex = ENTRY.lastIndex = at;
    if (BLANK_OR_COMMENT.test(text)) at = BLANK_OR_COMMENT.lastIndex;
    else {
      const entry = ENTRY.exec(text);
      if (!entry) {
        return `line ${line}, is neither NAME=value nor a comment: a value of several lines belongs in double quotes`;
      }
      if (SWALLOWED.test(entry[1] ?? ''))
        return `line ${line}, opens a quote that is not closed before the next variable`;
      at = ENTRY.lastIndex;
    }
  }
  return null;
}
