import { chinaTime, prepayBody, refundBody, shortText, target } from '../../../src/provider/wechat/requests.js';
import { ORDER, REFUND, settingsOf } from './support.js';

describe('text for WeChat Pay', () => {
  it('is without emoji, control characters and blanks at its ends', () => {
    expect(shortText(' tea 🍵\u0000\n\tand\ud800 cake ', 127)).toBe('tea  and cake');
    expect(shortText('乌龙茶', 127)).toBe('乌龙茶');
  });

  it('is cut to its length, and not to a blank', () => {
    expect(shortText('abcdef', 3)).toBe('abc');
    expect(shortText('ab cdef', 3)).toBe('ab');
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
    expect(long).toBe('茶'.repeat(127));
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
