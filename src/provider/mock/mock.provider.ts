import { createHmac, timingSafeEqual } from 'node:crypto';
import { after, Clock, HOUR } from '../../common/clock.js';
import { derivedId, isId, nonce } from '../../common/ids.js';
import { CURRENCY } from '../../common/money.js';
import type { FundLine, TradeBill, UnreadableLine } from '../bill.js';
import {
  type AbnormalRefundTarget,
  type CallbackFact,
  CallbackRefused,
  type ChannelAccount,
  type ChannelOrder,
  type ChannelPayment,
  type ChannelRefund,
  type ChannelRefundOrder,
  PaymentProvider,
  ProviderError,
  type RawCallback,
} from '../payment-provider.js';
import type { ClientParams, Prepay } from '../prepay.js';
import { MOCK_RULES } from './mock-rules.js';
import { checkMockScenario, mockOutcome, mockRefundOutcome } from './mock-scenarios.js';

const CALLBACK_STATES = new Map<unknown, 'succeeded' | 'failed' | 'closed'>([
  ['SUCCESS', 'succeeded'],
  ['FAIL', 'failed'],
  ['CLOSED', 'closed'],
]);

/**
 * The mock provider: no network, no merchant account, no books of its own. What happens is directed by the order's
 * `metadata` (see `mock-scenarios.ts`), so that a front end can be developed against every branch.
 */
export class MockProvider extends PaymentProvider {
  readonly name = 'mock';
  readonly rules = MOCK_RULES;
  readonly account: ChannelAccount = { mchid: 'mock_mchid', appid: 'mock_appid' };

  constructor(
    private readonly options: { callbackSecret: string },
    private readonly clock: Clock,
  ) {
    super();
  }

  prepay(order: ChannelOrder): Promise<Prepay> {
    return this.play(order, () => ({
      scene: 'jsapi',
      prepayId: `mock_prepay_${nonce()}`,
      expiresAt: after(this.clock.now(), 2 * HOUR),
    }));
  }

  clientParams({ prepayId }: Prepay): Promise<ClientParams> {
    const timeStamp = String(Math.floor(this.clock.now().getTime() / 1000));
    const nonceStr = nonce();
    const pack = `prepay_id=${prepayId}`;
    const paySign = createHmac('sha256', this.options.callbackSecret)
      .update(`${this.account.appid}\n${timeStamp}\n${nonceStr}\n${pack}\n`)
      .digest('base64');
    return Promise.resolve({ timeStamp, nonceStr, package: pack, signType: 'HMAC-SHA256', paySign });
  }

  queryPayment(order: ChannelOrder): Promise<ChannelPayment> {
    if (order.metadata.auto_success === true) return Promise.resolve(this.paid(order));
    if (!order.placed) return Promise.resolve(this.unpaid(order, 'not_found'));
    return this.play(order, (outcome) => {
      if (outcome === 'success') return this.paid(order);
      return outcome === 'fail' ? this.failed(order) : this.unpaid(order, 'open');
    });
  }

  closePayment(order: ChannelOrder): Promise<ChannelPayment> {
    if (order.metadata.auto_success === true || mockOutcome(order.metadata) === 'success') {
      return order.placed ? Promise.resolve(this.paid(order)) : Promise.resolve(this.unpaid(order, 'closed'));
    }
    return Promise.resolve(this.unpaid(order, 'closed'));
  }

  override checkMetadata(metadata: Readonly<Record<string, unknown>>): void {
    checkMockScenario(metadata);
  }

  override simulatePayment(order: ChannelOrder): Promise<ChannelPayment> {
    return this.play(order, (outcome) => {
      if (outcome === 'fail') return this.failed(order);
      return outcome === 'pending' ? this.unpaid(order, 'open') : this.paid(order);
    });
  }

  refund(refund: ChannelRefundOrder): Promise<ChannelRefund> {
    switch (mockRefundOutcome(refund.metadata)) {
      case 'not_enough':
        return Promise.reject(
          new ProviderError(
            'rejected',
            'NOT_ENOUGH',
            'mock: the merchant account has not enough money',
            403,
            'fixable',
          ),
        );
      case 'timeout':
        return Promise.reject(new ProviderError('unknown', 'timeout', 'mock: no answer'));
      default:
        return this.queryRefund(refund);
    }
  }

  queryRefund(refund: ChannelRefundOrder): Promise<ChannelRefund> {
    const outcome = mockRefundOutcome(refund.metadata);
    // Known by its number alone: there is no console here, so nobody made it.
    if (refund.amountFen === 0) return Promise.resolve(this.refunded(refund, 'not_found'));
    if (outcome === 'not_enough' || outcome === 'timeout') return Promise.resolve(this.refunded(refund, 'not_found'));
    return Promise.resolve(this.refunded(refund, outcome === 'success' ? 'succeeded' : outcome));
  }

  retryAbnormalRefund(refund: ChannelRefundOrder, _target: AbnormalRefundTarget): Promise<ChannelRefund> {
    return Promise.resolve(this.refunded(refund, 'succeeded'));
  }

  readCallback({ headers, body }: RawCallback): Promise<CallbackFact> {
    if (!this.signed(headers['x-mock-signature'], body)) {
      return Promise.reject(
        new CallbackRefused('unverified', 'bad_signature', 'X-Mock-Signature does not match the body'),
      );
    }
    try {
      return Promise.resolve(this.translate(JSON.parse(body.toString('utf8')) as unknown));
    } catch (error) {
      if (error instanceof CallbackRefused) return Promise.reject(error);
      return Promise.reject(new CallbackRefused('unreadable', 'bad_json', 'the body is not valid JSON'));
    }
  }

  tradeBill(): Promise<TradeBill | null> {
    return Promise.resolve(null);
  }

  fundBill(): Promise<AsyncIterable<FundLine | UnreadableLine> | null> {
    return Promise.resolve(null);
  }

  readTradeBill(): Promise<TradeBill> {
    return Promise.reject(new ProviderError('rejected', 'no_bills', 'the mock provider has no bills'));
  }

  /** Runs a scene, unless the scenario is that the channel refuses or does not answer. */
  private play<T>(order: ChannelOrder, scene: (outcome: 'success' | 'fail' | 'pending' | null) => T): Promise<T> {
    const outcome = mockOutcome(order.metadata);
    if (outcome === 'error')
      return Promise.reject(
        new ProviderError('rejected', 'MOCK_ERROR', 'mock: rejected, as requested by mock_outcome', 400),
      );
    if (outcome === 'timeout')
      return Promise.reject(new ProviderError('unknown', 'timeout', 'mock: no answer, as requested by mock_outcome'));
    return Promise.resolve(scene(outcome));
  }

  private signed(signature: string | undefined, body: Buffer): boolean {
    const expected = createHmac('sha256', this.options.callbackSecret).update(body).digest();
    if (!/^[0-9a-fA-F]{64}$/.test(signature ?? '')) return false;
    return timingSafeEqual(expected, Buffer.from(signature ?? '', 'hex'));
  }

  /** `{payment_id, status, amount?, transaction_id?}`; what is left out is what a well-meaning channel would say. */
  private translate(notice: unknown): CallbackFact {
    const { payment_id, status, amount, transaction_id } = fields(notice);
    if (typeof payment_id !== 'string' || !/^[!-~]{1,64}$/.test(payment_id)) throw unreadable('payment_id');
    const state = CALLBACK_STATES.get(status);
    if (!state) throw unreadable('status');
    if (amount !== undefined && !Number.isSafeInteger(amount)) throw unreadable('amount');
    if (transaction_id !== undefined && (typeof transaction_id !== 'string' || !/^[\w-]{1,32}$/.test(transaction_id))) {
      throw unreadable('transaction_id');
    }
    const paid = state === 'succeeded';
    return {
      kind: 'payment',
      eventType: `MOCK.${status as string}`,
      notificationId: null,
      payment: {
        outTradeNo: payment_id,
        state,
        transactionId: paid ? (transaction_id ?? mockTransactionId(payment_id)) : null,
        amountFen: (amount as number | undefined) ?? null,
        currency: paid ? CURRENCY : null,
        paidAt: paid ? this.clock.now() : null,
        account: paid ? this.account : null,
        restAsOrdered: true,
        ...(state === 'failed' ? { failureCode: 'mock_fail' } : {}),
      },
    };
  }

  private paid(order: ChannelOrder): ChannelPayment {
    return {
      outTradeNo: order.outTradeNo,
      state: 'succeeded',
      transactionId: mockTransactionId(order.outTradeNo),
      amountFen: order.amountFen,
      currency: order.currency,
      paidAt: this.clock.now(),
      account: this.account,
    };
  }

  private failed(order: ChannelOrder): ChannelPayment {
    return { ...this.unpaid(order, 'failed'), failureCode: 'mock_fail' };
  }

  private unpaid(order: ChannelOrder, state: 'open' | 'closed' | 'failed' | 'not_found'): ChannelPayment {
    const nothing = { transactionId: null, amountFen: null, currency: null, paidAt: null, account: null };
    return { outTradeNo: order.outTradeNo, state, ...nothing };
  }

  private refunded(refund: ChannelRefundOrder, state: ChannelRefund['state']): ChannelRefund {
    return {
      outRefundNo: refund.outRefundNo,
      outTradeNo: refund.outTradeNo,
      state,
      refundId: `mock_${refund.outRefundNo.slice(4)}`,
      amountFen: refund.amountFen,
      totalFen: refund.totalFen,
      currency: refund.currency,
      transactionId: refund.transactionId,
      createdAt: null,
      succeededAt: state === 'succeeded' ? this.clock.now() : null,
      mchid: this.account.mchid,
    };
  }
}

/** The same payment always has the same made-up transaction number, so that a repeat is recognised as one. */
function mockTransactionId(outTradeNo: string): string {
  return isId('pay', outTradeNo) ? `mock_${derivedId('pay', outTradeNo).slice(4)}` : `mock_${outTradeNo}`.slice(0, 32);
}

function fields(value: unknown): Record<string, unknown> & { transaction_id?: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unreadable('body');
  return value as Record<string, unknown>;
}

function unreadable(field: string): CallbackRefused {
  return new CallbackRefused('unreadable', `bad_${field}`, `${field} is missing or not valid`);
}
