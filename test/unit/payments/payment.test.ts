import { DomainError } from '../../../src/common/errors.js';
import { channelOrder, neverSent, stillOpen } from '../../../src/payments/channel-orders.js';
import type { PaymentStatus } from '../../../src/payments/payment.entity.js';
import { PaymentView } from '../../../src/payments/payment.view.js';
import { channelError, notOpen } from '../../../src/payments/refusals.js';
import { ProviderError } from '../../../src/provider/payment-provider.js';
import { EXPIRES, NOW, PAID_AT, paidRow, paymentRow } from '../../support/rows.js';

const ALL: PaymentStatus[] = ['init', 'processing', 'succeeded', 'failed', 'expired', 'closed'];

describe('a payment', () => {
  it('is open until it is settled', () => {
    expect(ALL.filter((status) => paymentRow({ status }).isOpen)).toEqual(['init', 'processing']);
  });

  it('gives back what is not promised yet, and only once it is paid', () => {
    expect(paidRow({ reservedFen: 500 }).refundableFen).toBe(1300);
    for (const status of ALL.filter((one) => one !== 'succeeded')) {
      expect(paymentRow({ status, reservedFen: 500 }).refundableFen).toBe(0);
    }
  });

  it('has expired at the moment its time is over', () => {
    expect(paymentRow().hasExpired(new Date(EXPIRES.getTime() - 1))).toBe(false);
    expect(paymentRow().hasExpired(EXPIRES)).toBe(true);
  });

  it('goes its moves and no others, and is settled at its end', () => {
    const allowed = ALL.flatMap((from) =>
      ALL.filter((to) => {
        const payment = paymentRow({ status: from });
        try {
          payment.moveTo(to, NOW);
        } catch (error) {
          expect(error).toMatchObject({ code: 'illegal_transition' });
          expect(payment).toMatchObject({ status: from, settledAt: null });
          return false;
        }
        expect(payment).toMatchObject({ status: to, settledAt: to === 'processing' ? null : NOW });
        return true;
      }).map((to) => `${from} ${to}`),
    );
    expect(allowed).toEqual([
      ...['processing', 'succeeded', 'failed', 'expired', 'closed'].map((to) => `init ${to}`),
      ...['succeeded', 'failed', 'expired', 'closed'].map((to) => `processing ${to}`),
      ...['failed', 'expired', 'closed'].map((from) => `${from} succeeded`),
    ]);
  });

  it('is shown with its amount in fen, its times as text and the code of its failure', () => {
    expect(PaymentView.of(paidRow({ refundedFen: 300 }))).toEqual({
      id: 'pay_1',
      order_id: 'ord_1',
      out_trade_no: 'pay_1',
      provider: 'wechat',
      status: 'succeeded',
      amount: 1800,
      currency: 'CNY',
      refunded_amount: 300,
      transaction_id: 'T1',
      created_at: '2026-11-23T07:50:00.000Z',
      expires_at: '2026-11-23T08:20:00.000Z',
      paid_at: PAID_AT.toISOString(),
      failure: null,
    });
    const failed = PaymentView.of(paymentRow({ status: 'failed', failureCode: 'PAYERROR' }));
    expect(failed).toMatchObject({ paid_at: null, failure: { code: 'PAYERROR' } });
  });
});

describe('what the channel is told and what is known without it', () => {
  const facts = { id: 'pay_1', description: 'Tea', metadata: { table: 4 }, openid: 'oUpF8' };

  it('names the order, and whether the channel ever saw it', () => {
    const order = {
      outTradeNo: 'pay_1',
      placed: true,
      amountFen: 1800,
      currency: 'CNY',
      description: 'Tea',
      openid: 'oUpF8',
      expiresAt: EXPIRES,
      metadata: { table: 4 },
    };
    expect(channelOrder(paymentRow(), facts)).toEqual(order);
    expect(channelOrder(paymentRow({ status: 'init' }), facts)).toEqual({ ...order, placed: false });
  });

  it('of a payment that was never sent is its state alone', () => {
    const nothing = { transactionId: null, amountFen: null, currency: null, paidAt: null, account: null };
    expect(neverSent(paymentRow())).toEqual({ outTradeNo: 'pay_1', state: 'closed', ...nothing });
    expect(stillOpen(paymentRow())).toEqual({ outTradeNo: 'pay_1', state: 'open', ...nothing });
  });
});

describe('a refusal', () => {
  it('says that the time is over, or in which state the payment is', () => {
    expect(notOpen(paymentRow({ status: 'expired' }))).toMatchObject({ code: 'payment_expired' });
    expect(notOpen(paidRow())).toMatchObject({ code: 'payment_not_open', message: 'the payment is succeeded' });
  });

  it('of the channel is final only when it is sure', () => {
    const told = (outcome: 'unknown' | 'rejected'): DomainError =>
      channelError(new ProviderError(outcome, 'SOME_CODE', 'in the words of the channel'));
    expect(told('unknown')).toMatchObject({
      code: 'channel_unavailable',
      message: 'WeChat Pay did not answer (SOME_CODE); try again',
    });
    expect(told('rejected')).toMatchObject({
      code: 'channel_rejected',
      message: 'WeChat Pay rejected the request (SOME_CODE)',
    });
  });
});
