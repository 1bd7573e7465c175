import { chinaTime, prepayBody, refundBody, shortText, target } from '../../../src/provider/wechat/requests.js';
import { ORDER, REFUND, settingsOf } from './support.js';

describe('text for WeChat Pay', () => {
  it('is without emoji, control characters and blanks at its ends', () => {
    expect(shortText(' tea 🍵\u0000\n\tand\ud800 cake ', 127)).toBe('tea  and cake');
    expect(shortText('乌龙茶', 127)).toBe('乌龙茶');
  });

  it('is cut to its bytes of UTF-8, between characters, and not to a blank', () => {
    expect(shortText('abcdef', 3)).toBe('abc');
    expect(shortText('ab cdef', 3)).toBe('ab');
    expect(shortText('茶茶茶', 8)).toBe('茶茶');
    expect(shortText('茶茶茶', 9)).toBe('茶茶茶');
    expect(shortText('a茶茶', 3)).toBe('a');
    expect(shortText('éé', 3)).toBe('é');
  });

  it('is cut between what a reader takes for characters', () => {
    const accented = 'e\u0301';
    expect(shortText(`ab${accented}`, 4)).toBe('ab');
    expect(shortText(`ab${accented}`, 5)).toBe(`ab${accented}`);
    expect(shortText('a1\ufe0f\u20e3', 5)).toBe('a');
    expect(shortText('a\u200db', 4)).toBe('a');
  });

  it.each([
    ['a family of four people', '👨‍👩‍👧‍👦', ''],
    ['a heart on fire', '❤️‍🔥', '❤️'],
    ['a hand with a colour of skin', '☝🏽', '☝'],
    ['a flag', '🇨🇳', ''],
    ['an eye in a bubble', '👁️‍🗨️', ''],
    ['a black cat', '🐈‍⬛', ''],
    ['an ideograph with a variant', '葛\u{E0100}', '葛'],
    ['a rare ideograph', '𠮷', ''],
  ])('keeps no joiner of %s', (_what, emoji, left) => {
    expect(shortText(`茶${emoji}盒`, 127)).toBe(`茶${left}盒`);
    expect(shortText(`茶 ${emoji}`, 127)).toBe(`茶 ${left}`.trim());
  });
});

describe('the body of an order', () => {
  it('says how much is to be paid, and by whom', () => {
    expect(prepayBody(settingsOf(), ORDER, 'oUpF8')).toMatchObject({
      out_trade_no: ORDER.outTradeNo,
      amount: { total: 1990, currency: 'CNY' },
      payer: { openid: 'oUpF8' },
    });
  });

  it('describes it by its number when nothing of the description is left', () => {
    expect(prepayBody(settingsOf(), { ...ORDER, description: '🍵' }, 'o').description).toBe(ORDER.outTradeNo);
    const long = prepayBody(settingsOf(), { ...ORDER, description: '茶'.repeat(200) }, 'o').description;
    expect(long).toBe('茶'.repeat(42));
  });
});

describe('the body of a refund', () => {
  it('says how much of how much', () => {
    expect(refundBody(settingsOf(), REFUND).amount).toEqual({ refund: 500, total: 1990, currency: 'CNY' });
  });

  it('names the transaction, or our number where none is known, never both', () => {
    const known = refundBody(settingsOf(), REFUND);
    expect(known).toMatchObject({ transaction_id: REFUND.transactionId });
    expect(known).not.toHaveProperty('out_trade_no');
    const unknown = refundBody(settingsOf(), { ...REFUND, transactionId: null });
    expect(unknown).toMatchObject({ out_trade_no: REFUND.outTradeNo });
    expect(unknown).not.toHaveProperty('transaction_id');
  });

  it('says a reason only where there is one', () => {
    expect(refundBody(settingsOf(), REFUND)).toMatchObject({ reason: 'arrived broken' });
    for (const reason of [null, '', '🍵']) {
      expect(refundBody(settingsOf(), { ...REFUND, reason })).not.toHaveProperty('reason');
    }
    expect(refundBody(settingsOf(), { ...REFUND, reason: 'x'.repeat(99) }).reason).toBe('x'.repeat(80));
    expect(refundBody(settingsOf(), { ...REFUND, reason: '坏'.repeat(27) }).reason).toBe('坏'.repeat(26));
  });
});

describe('what goes on the wire', () => {
  it('has times of China, to the second', () => {
    expect(chinaTime(new Date('2026-11-23T20:00:00.999Z'))).toBe('2026-11-24T04:00:00+08:00');
  });

  it('has its path and its query encoded once', () => {
    expect(target(['pay', 'a/b c'])).toBe('/v3/pay/a%2Fb%20c');
    expect(target(['pay'], { mchid: '1 2', x: 'é' })).toBe('/v3/pay?mchid=1%202&x=%C3%A9');
  });
});
