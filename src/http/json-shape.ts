import { invalidField } from '../common/errors.js';

/** How deep a body may nest. Far more than any honest request; what walks a body by recursion is safe with it. */
const MAX_DEPTH = 32;

/** Names that the validation would drop in silence, as they can change prototypes (`__proto__` the parser refuses). */
const FORBIDDEN_NAMES = new Set(['constructor', 'prototype']);

/** @throws DomainError `invalid_request` that names the field with such a name or such a depth */
export function assertHarmless(body: unknown): void {
  const waiting: [value: unknown, field: string, depth: number][] = [[body, '', 0]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [value, field, depth] = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > MAX_DEPTH) throw invalidField(field || 'body', `must not be nested more than ${MAX_DEPTH} deep`);
    for (const [name, inner] of Object.entries(value)) {
      if (FORBIDDEN_NAMES.has(name)) throw invalidField(field || name, `must not use the name ${name}`);
      waiting.push([inner, field || (Array.isArray(body) ? 'body' : name), depth + 1]);
    }
  }
}
