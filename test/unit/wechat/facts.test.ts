import { readPayment, readRefund } from '../../../src/provider/wechat/facts.js';
import { ProtocolError } from '../../../src/provider/wechat/json.js';
import { PAID, REFUNDED } from './support.js';

const UNPAID = { mchid: PAID.mchid, appid: PAID.appid, out_trade_no: PAID.out_trade_no, trade_state: 'NOTPAY' };

describe('a payment that the channel tells of', () => {
  it.each([
    ['SUCCESS', 'succeeded'],
    ['REFUND', 'succeeded'],
    ['NOTPAY', 'open'],
    ['USERPAYING', 'open'],
    ['ACCEPT', 'open'],
    ['CLOSED', 'closed'],
    ['REVOKED', 'closed'],
    ['PAYERROR', 'failed'],
  ])('in the state %s is %s', (trade_state, state) => {
    expect(readPayment({ ...PAID, trade_state }).state).toBe(state);
  });

  it.each(['success', 'toString', '', undefined])('is not read in the state %j', (trade_state) => {
    expect(() => readPayment({ ...PAID, trade_state })).toThrow(ProtocolError);
  });

  it('says little before it is paid', () => {
    expect(readPayment(UNPAID)).toEqual({
      outTradeNo: PAID.out_trade_no,
      state: 'open',
      transactionId: null,
      amountFen: null,
      currency: null,
      paidAt: null,
      account: { mchid: PAID.mchid, appid: PAID.appid },
    });
  });

  it('has a transaction once it is paid', () => {
    expect(() => readPayment({ ...PAID, transaction_id: undefined })).toThrow('transaction_id is not present');
  });

  it('says why only when it failed', () => {
    expect(readPayment({ ...UNPAID, trade_state: 'PAYERROR' }).failureCode).toBe('PAYERROR');
    expect(readPayment(PAID)).not.toHaveProperty('failureCode');
  });
});

describe('a refund that the channel tells of', () => {
  it.each([
    ['PROCESSING', 'processing'],
    ['SUCCESS', 'succeeded'],
    ['CLOSED', 'closed'],
    ['ABNORMAL', 'abnormal'],
  ])('in the state %s is %s, with a time only of its success', (refund_status, state) => {
    const refund = readRefund({ ...REFUNDED, refund_status }, 'refund_status');
    const succeededAt = state === 'succeeded' ? new Date('2026-11-23T03:59:58.000Z') : null;
    expect(refund).toMatchObject({ state, succeededAt, amountFen: 500, totalFen: 1990, mchid: REFUNDED.mchid });
  });

  it.each(['REFUND', 'toString', '', undefined])('is not read in the state %j', (refund_status) => {
    expect(() => readRefund({ ...REFUNDED, refund_status }, 'refund_status')).toThrow(ProtocolError);
  });

  it('may leave its amounts out', () => {
    const refund = readRefund({ ...REFUNDED, amount: undefined }, 'refund_status');
    expect(refund).toMatchObject({ amountFen: null, totalFen: null, currency: null });
  });
});
