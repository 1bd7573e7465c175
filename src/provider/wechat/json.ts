/** A JSON object whose fields are not known yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A text is not what the protocol says it is. The message names a field, never its value. */
export class ProtocolError extends Error {
  constructor(
    readonly code: 'too_large' | 'not_utf8' | 'not_json' | 'wrong_field',
    message: string,
  ) {
    super(message);
    this.name = 'ProtocolError';
  }
}

export interface JsonLimits {
  maxBytes: number;
  maxDepth: number;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads one JSON object from bytes, within limits that are checked before anything is built of it.
 * @throws ProtocolError
 */
export function parseObject(bytes: Buffer, limits: JsonLimits): JsonObject {
  if (bytes.length > limits.maxBytes) throw new ProtocolError('too_large', `larger than ${limits.maxBytes} bytes`);
  if (depthOf(bytes) > limits.maxDepth) throw new ProtocolError('too_large', `nested deeper than ${limits.maxDepth}`);
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    throw new ProtocolError('not_utf8', 'not UTF-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may hold what must not be logged.
    throw new ProtocolError('not_json', 'not JSON');
  }
  if (!isObject(value)) throw new ProtocolError('not_json', 'not a JSON object');
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The deepest nesting of brackets outside strings. Works on bytes: every byte that counts is ASCII. */
function depthOf(bytes: Buffer): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 0x5c)
        at += 1; // the escaped character, whatever it is
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, (depth += 1));
    else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return deepest;
}

/** A nested object, or null when the field is absent. */
export function objectField(object: JsonObject, name: string): JsonObject | null {
  const value = own(object, name);
  if (value === undefined || value === null) return null;
  if (!isObject(value)) throw wrong(name, 'an object');
  return value;
}

/** A list of objects. */
export function listField(object: JsonObject, name: string): readonly JsonObject[] {
  const value = own(object, name);
  if (!Array.isArray(value) || !value.every(isObject)) throw wrong(name, 'a list of objects');
  return value;
}

/**
 * A name or number of the channel: visible ASCII, so that it can be stored, logged and compared as it is (a NUL would
 * break the database, a line break the log).
 */
export function idField(object: JsonObject, name: string, maxLength: number): string {
  const value = optionalId(object, name, maxLength);
  if (value === null) throw wrong(name, 'present');
  return value;
}

/** The same, or null when the field is absent or empty. */
export function optionalId(object: JsonObject, name: string, maxLength: number): string | null {
  const value = own(object, name);
  if (value === undefined || value === null || value === '') return null;
  if (typeof value !== 'string' || value.length > maxLength || !/^[!-~]+$/.test(value)) {
    throw wrong(name, `visible ASCII of at most ${maxLength} characters`);
  }
  return value;
}

/** Any text, at most so many UTF-16 units; empty when absent. */
export function textField(object: JsonObject, name: string, maxLength: number): string {
  const value = own(object, name) ?? '';
  if (typeof value !== 'string' || value.length > maxLength)
    throw wrong(name, `text of at most ${maxLength} characters`);
  return value;
}

/** An amount in whole fen, or null when absent. */
export function optionalFen(object: JsonObject, name: string): number | null {
  const value = own(object, name);
  if (value === undefined || value === null) return null;
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw wrong(name, 'a whole number of fen');
  return value as number;
}

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** A moment in RFC 3339, or null when absent or empty. */
export function optionalTime(object: JsonObject, name: string): Date | null {
  const value = own(object, name);
  if (value === undefined || value === null || value === '') return null;
  const at = typeof value === 'string' && RFC3339.test(value) ? new Date(value) : null;
  if (at === null || Number.isNaN(at.getTime())) throw wrong(name, 'a time in RFC 3339');
  return at;
}

/** Own properties only: a field called `constructor` or `__proto__` is not there unless it was sent. */
function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function wrong(name: string, expected: string): ProtocolError {
  return new ProtocolError('wrong_field', `${name} is not ${expected}`);
}
