import type { ChannelRefund } from '../../../src/provider/payment-provider.js';
import { decideRefund } from '../../../src/refunds/decide.js';
import type { RefundStatus } from '../../../src/refunds/refund.entity.js';
import { paidRow, refundRow, refundWord } from '../../support/rows.js';

function decided(
  reported: Partial<ChannelRefund>,
  status: RefundStatus = 'processing',
  refundId: string | null = null,
) {
  return decideRefund(refundWord(reported), refundRow({ status, refundId }), paidRow());
}

const none = { kind: 'none' };

describe('what the channel says of a refund', () => {
  it.each(['succeeded', 'closed', 'abnormal'] as const)('settles one under way as %s, once', (state) => {
    expect(decided({ state })).toEqual({ kind: state });
    expect(decided({ state }, state)).toEqual(none);
  });

  it.each(['processing', 'not_found'] as const)('is nothing new when it is %s', (state) => {
    for (const status of ['requested', 'processing', 'succeeded', 'closed', 'abnormal'] as const) {
      expect(decided({ state }, status)).toEqual(none);
    }
  });

  it("is for a person when the channel's number of it is another refund's, and not when it is its own", () => {
    const owned = (owner: string | null) =>
      decideRefund(refundWord({}), refundRow({ status: 'processing' }), paidRow(), owner);
    const odd = { kind: 'mismatch', field: 'refund_id', expected: 'one of its own', seen: 'that of ref_2' };
    expect([owned('ref_2'), owned('ref_1'), owned(null)]).toEqual([odd, { kind: 'succeeded' }, { kind: 'succeeded' }]);
  });

  it('of a number that it does not know is compared with nothing', () => {
    expect(decided({ state: 'not_found', amountFen: 1, mchid: 'x' })).toEqual(none);
  });

  it('may still be a success or an end after an abnormal state', () => {
    expect(decided({ state: 'succeeded' }, 'abnormal')).toEqual({ kind: 'succeeded' });
    expect(decided({ state: 'closed' }, 'abnormal')).toEqual({ kind: 'closed' });
  });

  it('came late when it is abnormal after the end, unless nothing should be under way at all', () => {
    expect(decided({ state: 'abnormal' }, 'succeeded')).toEqual(none);
    expect(decided({ state: 'abnormal' }, 'closed')).toEqual(none);
    const odd = { kind: 'mismatch', field: 'status', expected: 'rejected', seen: 'abnormal' };
    expect(decided({ state: 'abnormal' }, 'rejected')).toEqual(odd);
  });

  it.each<[RefundStatus, ChannelRefund['state']]>([
    ['closed', 'succeeded'],
    ['rejected', 'succeeded'],
    ['succeeded', 'closed'],
    ['rejected', 'closed'],
    ['requested', 'closed'],
  ])('is for a person when ours is %s and its is %s', (expected, seen) => {
    expect(decided({ state: seen }, expected)).toEqual({ kind: 'mismatch', field: 'status', expected, seen });
  });

  it('settles one that was asked for only, if it already happened', () => {
    expect(decided({ state: 'succeeded' }, 'requested')).toEqual({ kind: 'succeeded' });
  });

  it.each<[field: string, seen: Partial<ChannelRefund>, expected: string, found: string]>([
    ['mchid', { mchid: '1900000001' }, '1900007291', '1900000001'],
    ['out_trade_no', { outTradeNo: 'pay_2' }, 'pay_1', 'pay_2'],
    ['amount', { amountFen: 501 }, '500', '501'],
    ['total', { totalFen: 1801 }, '1800', '1801'],
    ['currency', { currency: 'USD' }, 'CNY', 'USD'],
  ])('moves nothing when its %s is another one', (field, reported, expected, found) => {
    const mismatch = { kind: 'mismatch', field, expected, seen: found };
    for (const status of ['processing', 'succeeded'] as const) expect(decided(reported, status)).toEqual(mismatch);
  });

  it('has one number for a refund: the first that was learned', () => {
    expect(decided({ refundId: 'R2' }, 'processing', 'R1')).toMatchObject({
      field: 'refund_id',
      expected: 'R1',
      seen: 'R2',
    });
    expect(decided({ refundId: 'R1' }, 'processing', 'R1')).toEqual({ kind: 'succeeded' });
    expect(decided({ refundId: 'R2' }, 'processing', null)).toEqual({ kind: 'succeeded' });
  });

  it('may leave out whatever it likes but the state', () => {
    const silent = { mchid: null, outTradeNo: null, amountFen: null, totalFen: null, currency: null, refundId: null };
    expect(decided(silent, 'processing', 'R1')).toEqual({ kind: 'succeeded' });
  });
});
