import { Injectable } from '@nestjs/common';
import { DomainError } from '../common/errors.js';
import { channelCall } from '../common/failpoints.js';
import type { Payment } from '../payments/payment.entity.js';
import { ChannelCalls } from '../provider/channel-calls.js';
import {
  type AbnormalRefundTarget,
  type ChannelRefund,
  type ChannelRefundOrder,
  PaymentProvider,
  ProviderError,
} from '../provider/payment-provider.js';
import type { ProviderRules } from '../provider/provider-rules.js';
import { RefundBudget } from './refund-budget.js';

/** The channel's calls about refunds, kept under its limits. All throw {@link ProviderError}. */
@Injectable()
export class RefundChannel {
  constructor(
    private readonly provider: PaymentProvider,
    private readonly calls: ChannelCalls,
    private readonly budget: RefundBudget,
  ) {}

  get rules(): ProviderRules {
    return this.provider.rules;
  }

  /** @throws DomainError `other_provider`: the mock provider knows nothing of real money, nor the other way round */
  assertOurs(payment: Payment): void {
    if (payment.provider !== this.provider.name) throw new DomainError('other_provider');
  }

  async send(order: ChannelRefundOrder): Promise<ChannelRefund> {
    await this.budget.takeToSend();
    try {
      const reported = await channelCall('refund.send', () => this.provider.refund(order));
      this.budget.noteSuccess();
      return reported;
    } catch (error) {
      this.budget.noteFailure();
      throw error;
    }
  }

  /** A question that is refused tells nothing of the refund: `unknown`. */
  async ask(order: ChannelRefundOrder): Promise<ChannelRefund> {
    await this.budget.take();
    const query = () => channelCall('refund.query', () => this.provider.queryRefund(order));
    try {
      return await this.calls.refundQueries.fresh(order.outRefundNo, query);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      throw new ProviderError('unknown', error.code, error.message, error.httpStatus);
    }
  }

  async retryToAnotherAccount(order: ChannelRefundOrder, target: AbnormalRefundTarget): Promise<ChannelRefund> {
    await this.budget.take();
    return channelCall('refund.abnormal', () => this.provider.retryAbnormalRefund(order, target));
  }
}
