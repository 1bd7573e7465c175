import { randomBytes } from 'node:crypto';
import { ulid } from 'ulid';
import { Clock } from './clock.js';

export type IdPrefix = 'usr' | 'ord' | 'pay' | 'ref' | 'evt' | 'cbk' | 'ntf' | 'dis' | 'run' | 'req' | 'key';

/**
 * A prefix and a ULID, 30 characters: sortable by time and chosen by us before any call, so that a payment's id is its
 * `out_trade_no` and a refund's id its `out_refund_no`.
 */
export function newId(prefix: IdPrefix, clock: Clock): string {
  return `${prefix}_${ulid(clock.now().getTime(), randomFraction)}`;
}

/** Random bytes fetched ahead: `ulid` draws sixteen numbers for an id, and a call to the system for each is slow. */
let drawn = Buffer.alloc(0);
let used = 0;

/** One of 256 fractions in [0, 1), equally likely: enough for the 32 letters of a ULID. */
function randomFraction(): number {
  if (used >= drawn.length) {
    drawn = randomBytes(4096);
    used = 0;
  }
  const byte = drawn[used] ?? 0;
  used += 1;
  return byte / 256;
}

/** The same ULID under another prefix: how the refund of a late payment gets a number derived from that payment. */
export function derivedId(prefix: IdPrefix, from: string): string {
  return `${prefix}_${from.slice(from.indexOf('_') + 1)}`;
}

const ULID = '[0-7][0-9A-HJKMNP-TV-Z]{25}';

/** Tells a well-formed id of this kind from any other text, before the database is asked. */
export function isId(prefix: IdPrefix, text: string): boolean {
  let form = FORMS.get(prefix);
  if (!form) FORMS.set(prefix, (form = new RegExp(`^${prefix}_${ULID}$`)));
  return form.test(text);
}

/** Compiled once: a bill asks for each of its lines. */
const FORMS = new Map<IdPrefix, RegExp>();

/** The first id of this kind within a longer text; null when there is none. */
export function idIn(prefix: IdPrefix, text: string): string | null {
  return new RegExp(`(?<![A-Za-z0-9])${prefix}_${ULID}(?![0-9A-Za-z])`).exec(text)?.[0] ?? null;
}

const ANY_ID = new RegExp(`^[a-z]{3}_${ULID}$`);

/** The same, of whatever kind. */
export function isAnyId(text: string): boolean {
  return ANY_ID.test(text);
}

/** 32 random characters out of `[0-9a-f]`: a nonce as WeChat Pay wants it (at most 32 characters). */
export function nonce(): string {
  return randomBytes(16).toString('hex');
}
