import fc from 'fast-check';
import { isAmountFen, MAX_AMOUNT_FEN, yuanToFen } from '../../../src/common/money.js';

/** Fen as yuan text: 1234 → `12.34`. */
function fenToYuan(fen: number): string {
  const digits = String(Math.abs(fen)).padStart(3, '0');
  return `${fen < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

const anyFen = fc.integer({ min: -100_000_000_000_000, max: 100_000_000_000_000 });

describe('money', () => {
  it('comes back from yuan text as it went', () => {
    fc.assert(fc.property(anyFen, (fen) => yuanToFen(fenToYuan(fen)) === (fen === 0 ? 0 : fen)));
  });

  it('reads any number of zeros behind a whole fen, and a plus sign', () => {
    fc.assert(
      fc.property(anyFen, fc.integer({ min: 0, max: 8 }), (fen, zeros) => {
        const text = fenToYuan(fen) + '0'.repeat(zeros);
        expect(yuanToFen(` ${fen > 0 ? '+' : ''}${text} `)).toBe(fen === 0 ? 0 : fen);
      }),
    );
  });

  it('adds up as its text does', () => {
    const sum = (a: number, b: number): boolean => yuanToFen(fenToYuan(a)) + yuanToFen(fenToYuan(b)) === a + b;
    fc.assert(fc.property(anyFen, anyFen, sum));
  });

  it.each([
    ['0.03', 3],
    ['45.0', 4500],
    ['45', 4500],
    ['0.01000', 1],
    ['-1.5', -150],
    ['-0.00', 0],
    ['1.1', 110],
    ['0.29', 29],
    ['9999999999999.99', 999_999_999_999_999],
  ])('reads %s yuan as %i fen', (text, fen) => {
    expect(yuanToFen(text)).toBe(fen);
  });

  it.each(['', ' ', '.5', '1.', '1,000.00', '0.001', '1e3', '¥1', '0x10', 'NaN', '--1', '1.2.3', '１'])(
    'does not read "%s"',
    (text) => {
      expect(() => yuanToFen(text)).toThrow(RangeError);
    },
  );

  it('refuses parts of a fen, however small', () => {
    const part = fc.tuple(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 1, max: 999 }));
    fc.assert(
      fc.property(part, ([fen, rest]) => {
        expect(() => yuanToFen(fenToYuan(fen) + String(rest).padStart(3, '0'))).toThrow(RangeError);
      }),
    );
  });

  it('can be charged from one fen to the limit, in whole fen only', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: MAX_AMOUNT_FEN }), isAmountFen));
    expect([1, MAX_AMOUNT_FEN].every(isAmountFen)).toBe(true);
    fc.assert(fc.property(fc.double({ noInteger: true }), (value) => !isAmountFen(value)));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.boolean(), fc.bigInt(), fc.object()), (value) => !isAmountFen(value)),
    );
    for (const value of [0, -1, MAX_AMOUNT_FEN + 1, NaN, Infinity, null, undefined])
      expect(isAmountFen(value)).toBe(false);
  });
});
