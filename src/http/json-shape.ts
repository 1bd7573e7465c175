import { invalidField } from '../common/errors.js';

/** How deep a body may nest. Far more than any honest request; what walks a body by recursion is safe with it. */
const MAX_DEPTH = 32;

/** Names that the validation would drop in silence, as they can change prototypes (`__proto__` the parser refuses). */
const FORBIDDEN_NAMES = new Set(['constructor', 'prototype']);

/**
 * @param text the JSON that the body was parsed from
 * @throws DomainError `invalid_request` that names the field with such a name or such a depth, or given twice
 */
export function assertSafeJson(body: unknown, text: string): void {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalidField('body', 'must be a JSON object');
  }
  const waiting: [value: unknown, field: string, depth: number][] = [[body, '', 0]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [value, field, depth] = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > MAX_DEPTH) throw invalidField(field || 'body', `must not be nested more than ${MAX_DEPTH} levels deep`);
    for (const [name, inner] of Object.entries(value)) {
      if (FORBIDDEN_NAMES.has(name)) throw invalidField(field || name, `must not contain the field name ${name}`);
      waiting.push([inner, field || name, depth + 1]);
    }
  }
  assertNamesOnce(text);
}

/** A string, as a name with the colon after it; or a bracket. Nothing else matters here, and the text is valid JSON. */
const TOKEN = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}[\]]/gs;

/**
 * `{"amount": 1, "amount": 100}` means one thing to one parser and another to the next. Ours keeps the last and says
 * nothing, so the names are looked at in the text itself. (lossless-json lets repeated names with equal values pass; the
 * parsers that build trees take longer. This takes some microseconds for an order.)
 */
function assertNamesOnce(text: string): void {
  const outer: Set<string>[] = [];
  let names = new Set<string>();
  for (const [token, quoted, colon] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      outer.push(names);
      names = new Set();
    } else if (token === '}' || token === ']') {
      names = outer.pop() ?? names;
    } else if (quoted !== undefined && colon !== undefined) {
      const name = JSON.parse(quoted) as string;
      if (names.has(name)) throw invalidField(name, 'must not be given more than once');
      names.add(name);
    }
  }
}
