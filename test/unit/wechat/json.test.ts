import {
  idField,
  type JsonObject,
  listField,
  objectField,
  optionalFen,
  optionalId,
  optionalTime,
  parseObject,
  ProtocolError,
  textField,
} from '../../../src/provider/wechat/json.js';

const LIMITS = { maxBytes: 64, maxDepth: 3 };
const parse = (text: string | Buffer, limits = LIMITS): JsonObject => parseObject(Buffer.from(text), limits);

function refusal(work: () => unknown): { code: string; message: string } {
  try {
    work();
  } catch (error) {
    if (error instanceof ProtocolError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a JSON object', () => {
  it('may be as large as allowed, and not a byte larger', () => {
    const body = (bytes: number): string => `{"a":"${'x'.repeat(bytes - 8)}"}`;
    expect(parse(body(64)).a).toHaveLength(56);
    expect(refusal(() => parse(body(65)))).toEqual({ code: 'too_large', message: 'larger than 64 bytes' });
  });

  it.each([
    ['{"a":{"b":{}}}', 3],
    ['{"a":[[1]]}', 3],
    ['{"a":[],"b":[],"c":[],"d":[]}', 2],
    ['{"a":{},"b":{},"c":{},"d":{}}', 2],
    ['{"[[[[":"]]{{{{"}', 1],
    ['{"a":"\\"{{{{","b":[]}', 2],
    ['{"a":"\\\\","b":[[]]}', 3],
  ])('%s is %i deep', (text, depth) => {
    expect(parse(text, { maxBytes: 64, maxDepth: depth })).toEqual(JSON.parse(text));
    const tooDeep = refusal(() => parse(text, { maxBytes: 64, maxDepth: depth - 1 }));
    expect(tooDeep).toEqual({ code: 'too_large', message: `nested deeper than ${depth - 1}` });
  });

  it('is UTF-8, without a mark at its start', () => {
    expect(parse('{"a":"成功"}')).toEqual({ a: '成功' });
    expect(refusal(() => parse(Buffer.from([0x7b, 0xff, 0x7d])))).toEqual({ code: 'not_utf8', message: 'not UTF-8' });
    expect(refusal(() => parse('\ufeff{}'))).toEqual({ code: 'not_json', message: 'not JSON' });
  });

  it.each(['', '{', '{"a":}', 'undefined'])('is not %j', (text) => {
    expect(refusal(() => parse(text))).toEqual({ code: 'not_json', message: 'not JSON' });
  });

  it.each(['null', '[]', '[{}]', '1', '"{}"', 'true'])('is not the value %s', (text) => {
    expect(refusal(() => parse(text))).toEqual({ code: 'not_json', message: 'not a JSON object' });
  });
});

describe('a field', () => {
  it('is there only when it was sent: not from the prototype', () => {
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect(objectField({}, name)).toBeNull();
      expect(optionalId({}, name, 9)).toBeNull();
      expect(textField({}, name, 9)).toBe('');
    }
    expect(objectField(parse('{"__proto__":{"a":1}}'), '__proto__')).toEqual({ a: 1 });
  });

  it('that is an object is nothing else', () => {
    expect(objectField({ a: { b: 1 } }, 'a')).toEqual({ b: 1 });
    expect([objectField({ a: null }, 'a'), objectField({ a: undefined }, 'a')]).toEqual([null, null]);
    for (const a of [[], 'x', 0, false]) {
      expect(refusal(() => objectField({ a }, 'a'))).toEqual({ code: 'wrong_field', message: 'a is not an object' });
    }
  });

  it('that is a list holds objects only', () => {
    expect(listField({ a: [{ b: 1 }, {}] }, 'a')).toEqual([{ b: 1 }, {}]);
    expect(listField({ a: [] }, 'a')).toEqual([]);
    for (const a of [undefined, null, {}, 'x', [{}, 1], [null], [[]]]) {
      expect(refusal(() => listField({ a }, 'a')).message).toBe('a is not a list of objects');
    }
  });

  it('that is an id is visible ASCII of bounded length', () => {
    expect(optionalId({ a: '!~' }, 'a', 2)).toBe('!~');
    expect(['', null, undefined].map((a) => optionalId({ a }, 'a', 2))).toEqual([null, null, null]);
    for (const a of ['abc', 'a ', ' a', 'ä', '\u007f', 'a\n', 1, {}, ['a']]) {
      expect(refusal(() => optionalId({ a }, 'a', 2)).message).toBe('a is not visible ASCII of at most 2 characters');
    }
    expect(idField({ a: 'ab' }, 'a', 2)).toBe('ab');
    for (const a of ['', null, undefined])
      expect(refusal(() => idField({ a }, 'a', 2)).message).toBe('a is not present');
  });

  it('that is text may be anything of bounded length, and empty when it is absent', () => {
    expect(textField({ a: '成功' }, 'a', 2)).toBe('成功');
    expect([textField({}, 'a', 2), textField({ a: null }, 'a', 2)]).toEqual(['', '']);
    for (const a of ['abc', 1, {}]) {
      expect(refusal(() => textField({ a }, 'a', 2)).message).toBe('a is not text of at most 2 characters');
    }
  });

  it('that is an amount is whole fen, nothing or more', () => {
    expect([0, 1, Number.MAX_SAFE_INTEGER].map((a) => optionalFen({ a }, 'a'))).toEqual([0, 1, 9007199254740991]);
    expect([optionalFen({}, 'a'), optionalFen({ a: null }, 'a')]).toEqual([null, null]);
    for (const a of [-1, 0.5, 2 ** 53, Number.NaN, '1', true, [1]]) {
      expect(refusal(() => optionalFen({ a }, 'a')).message).toBe('a is not a whole number of fen');
    }
  });

  it.each([
    ['2026-11-23T12:00:00+08:00', '2026-11-23T04:00:00.000Z'],
    ['2026-11-23T12:00:00Z', '2026-11-23T12:00:00.000Z'],
    ['2026-11-23T12:00:00-08:30', '2026-11-23T20:30:00.000Z'],
    ['2026-11-23T12:00:00.5Z', '2026-11-23T12:00:00.500Z'],
    ['2026-11-23T12:00:00.123456789Z', '2026-11-23T12:00:00.123Z'],
  ])('that is a time is RFC 3339: %s', (text, iso) => {
    expect(optionalTime({ a: text }, 'a')?.toISOString()).toBe(iso);
  });

  it.each([
    'x2026-11-23T12:00:00Z',
    '2026-11-23T12:00:00Zx',
    '2026-11-23T12:00:00',
    '2026-11-23 12:00:00Z',
    '2026-11-23T12:00Z',
    '2026-11-23T12:00:00.Z',
    '2026-11-23T12:00:00.1234567890Z',
    '2026-11-23T12:00:00+0800',
    '2026-11-23T12:00:00+8:00',
    '2026-1-23T12:00:00Z',
    '26-11-23T12:00:00Z',
    '2026-13-01T12:00:00Z',
    '2026-11-23T25:00:00Z',
    1_795_000_000,
    ['2026-11-23T12:00:00Z'],
    {},
  ])('that is a time is not %j', (a) => {
    expect(refusal(() => optionalTime({ a }, 'a')).message).toBe('a is not a time in RFC 3339');
  });

  it('that is a time may be absent or empty', () => {
    expect(['', null, undefined].map((a) => optionalTime({ a }, 'a'))).toEqual([null, null, null]);
  });
});
