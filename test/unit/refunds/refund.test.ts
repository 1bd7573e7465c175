import 'reflect-metadata';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { after, DAY, MINUTE } from '../../../src/common/clock.js';
import { WECHAT_RULES } from '../../../src/provider/wechat/wechat-rules.js';
import { RetryAbnormalBody } from '../../../src/refunds/refund.dto.js';
import { REFUND_STEPS, type RefundStatus } from '../../../src/refunds/refund.entity.js';
import { RefundView } from '../../../src/refunds/refund.view.js';
import { isTooOld, nextCheck } from '../../../src/refunds/schedule.js';
import { NOW, PAID_AT, paidRow, paymentRow, refundRow } from '../../support/rows.js';

const ALL: RefundStatus[] = ['requested', 'processing', 'succeeded', 'rejected', 'closed', 'abnormal'];

describe('a refund', () => {
  it('goes its moves and no others, and is settled at its end', () => {
    const allowed = ALL.flatMap((from) =>
      ALL.filter((to) => {
        const refund = refundRow({ status: from });
        try {
          refund.moveTo(to, NOW);
        } catch (error) {
          expect(error).toMatchObject({ code: 'illegal_transition' });
          expect(refund).toMatchObject({ status: from, settledAt: null });
          return false;
        }
        const over = to === 'succeeded' || to === 'rejected' || to === 'closed';
        expect(refund).toMatchObject({ status: to, settledAt: over ? NOW : null });
        return true;
      }).map((to) => `${from} ${to}`),
    );
    expect(allowed).toEqual([
      ...['processing', 'succeeded', 'rejected'].map((to) => `requested ${to}`),
      ...['succeeded', 'rejected', 'closed', 'abnormal'].map((to) => `processing ${to}`),
      ...['succeeded', 'closed'].map((to) => `abnormal ${to}`),
    ]);
  });

  it.each([
    ['requested', { status: 'requested', sentAt: null }],
    ['queued', { status: 'processing', sentAt: null }],
    ['sent', { status: 'processing', sentAt: NOW }],
    ['held', { status: 'processing', sentAt: NOW, failureCode: 'NOT_ENOUGH' }],
    ['held', { status: 'processing', sentAt: null, failureCode: 'NOT_ENOUGH' }],
    ['abnormal', { status: 'abnormal', sentAt: NOW, failureCode: 'ABNORMAL' }],
    ['succeeded', { status: 'succeeded', sentAt: NOW }],
    ['ended', { status: 'rejected', failureCode: 'rejected_by_operator' }],
    ['ended', { status: 'closed', sentAt: NOW }],
  ] as const)('is %s when it is %p', (phase, row) => {
    expect(refundRow(row).phase).toBe(phase);
  });

  it('is sent a second time only where nothing can be under way, and queried otherwise', () => {
    const steps = Object.entries(REFUND_STEPS).flatMap(([phase, by]) =>
      Object.entries(by).flatMap(([trigger, step]) => (step === 'none' ? [] : `${phase} ${trigger}: ${step}`)),
    );
    expect(steps).toEqual([
      'requested approve: send',
      ...['approve', 'timer', 'sync', 'resend'].map((trigger) => `queued ${trigger}: send`),
      ...['sent timer: query', 'sent sync: query', 'sent resend: send'],
      ...['approve', 'timer', 'resend'].map((trigger) => `held ${trigger}: send`),
      ...['approve', 'timer', 'sync', 'resend'].map((trigger) => `abnormal ${trigger}: query`),
      'ended approve: refuse',
    ]);
  });

  it('is promised until it is refused or closed', () => {
    const promised = ALL.filter((status) => refundRow({ status }).isReserved);
    expect(promised).toEqual(['requested', 'processing', 'succeeded', 'abnormal']);
  });

  it('is shown with its amount in fen, its times as text and why it failed', () => {
    expect(
      RefundView.of(refundRow({ refundId: 'R1', status: 'succeeded', succeededAt: PAID_AT, reason: 'broken' })),
    ).toEqual({
      id: 'ref_1',
      external_id: null,
      order_id: 'ord_1',
      payment_id: 'pay_1',
      origin: 'api',
      out_refund_no: 'ref_1',
      refund_id: 'R1',
      status: 'succeeded',
      amount: 500,
      currency: 'CNY',
      reason: 'broken',
      created_at: '2026-11-23T07:50:00.000Z',
      succeeded_at: PAID_AT.toISOString(),
      failure: null,
    });
    expect(RefundView.of(refundRow({ failureCode: 'NOT_ENOUGH', failureMessage: 'no money' }))).toMatchObject({
      succeeded_at: null,
      failure: { code: 'NOT_ENOUGH', message: 'no money' },
    });
  });
});

describe('the next question about a refund', () => {
  const minutes = (changes: Parameters<typeof refundRow>[0]): number =>
    (nextCheck(refundRow(changes), NOW, WECHAT_RULES).getTime() - NOW.getTime()) / MINUTE;
  const sent = (milliseconds: number): { sentAt: Date } => ({ sentAt: after(NOW, -milliseconds) });

  it.each([
    [0, 1],
    [5 * MINUTE - 1, 1],
    [5 * MINUTE, 5],
    [10 * MINUTE - 1, 5],
    [10 * MINUTE, 10],
    [20 * MINUTE - 1, 10],
    [20 * MINUTE, 20],
    [40 * MINUTE - 1, 20],
    [40 * MINUTE, 30],
    [9 * DAY, 30],
  ])('%i ms after it was sent comes in %i minutes', (age, wait) => {
    expect(minutes(sent(age))).toBe(wait);
  });

  it('counts from when it was asked for while it was never sent', () => {
    expect(minutes({ sentAt: null, createdAt: after(NOW, -7 * MINUTE) })).toBe(5);
  });

  it('is in no hurry for one that is held or abnormal', () => {
    expect(minutes({ ...sent(0), failureCode: 'NOT_ENOUGH' })).toBe(30);
    expect(minutes({ ...sent(0), status: 'abnormal' })).toBe(30);
  });
});

describe('a payment', () => {
  it('is refunded for 365 days, to the millisecond', () => {
    const payment = paidRow();
    expect(isTooOld(payment, after(PAID_AT, 365 * DAY), WECHAT_RULES)).toBe(false);
    expect(isTooOld(payment, after(PAID_AT, 365 * DAY + 1), WECHAT_RULES)).toBe(true);
    expect(isTooOld(paymentRow(), after(PAID_AT, 3650 * DAY), WECHAT_RULES)).toBe(false);
  });
});

describe('where the money of an abnormal refund goes', () => {
  const card = { bank_type: 'ICBC_DEBIT', bank_account: '6222020000000000000', real_name: '张三' };
  const wrong = (body: object): string[] =>
    validateSync(plainToInstance(RetryAbnormalBody, body)).map(({ property }) => property);

  it('is the merchant’s own account, with nothing more to say', () => {
    const body = { to: 'merchant_card' } as const;
    expect(wrong(body)).toEqual([]);
    expect(RetryAbnormalBody.target({ ...body, ...card })).toEqual({ to: 'merchant_card' });
  });

  it('is a card of the payer, all of it', () => {
    expect(wrong({ to: 'user_card', ...card })).toEqual([]);
    expect(wrong({ to: 'user_card' })).toEqual(['bank_type', 'bank_account', 'real_name']);
    expect(RetryAbnormalBody.target({ to: 'user_card', ...card })).toEqual({
      to: 'user_card',
      bankType: 'ICBC_DEBIT',
      bankAccount: '6222020000000000000',
      realName: '张三',
    });
  });

  it('is checked even where it is not needed', () => {
    const odd = { to: 'merchant_card', bank_type: 'HSBC', bank_account: '12', real_name: '' };
    expect(wrong(odd)).toEqual(['bank_type', 'bank_account', 'real_name']);
    expect(wrong({ to: 'nowhere' })).toContain('to');
  });

  it.each(['1234567', '1'.repeat(33), '62220200000000x0', ' 6222020000000000'])('is no card %j', (bank_account) => {
    expect(wrong({ to: 'user_card', ...card, bank_account })).toEqual(['bank_account']);
  });
});
