import { Injectable } from '@nestjs/common';
import { channelCall } from '../common/failpoints.js';
import { ChannelCalls } from '../provider/channel-calls.js';
import {
  type AbnormalRefundTarget,
  type ChannelRefund,
  type ChannelRefundOrder,
  type PaymentProvider,
  ProviderError,
} from '../provider/payment-provider.js';
import { RefundBudget } from './refund-budget.js';

/** A refund as its own provider is told of it. */
export interface RefundCall {
  provider: PaymentProvider;
  order: ChannelRefundOrder;
}

/** The channel's calls about refunds, kept under its limits. All throw {@link ProviderError}. */
@Injectable()
export class RefundChannel {
  constructor(
    private readonly calls: ChannelCalls,
    private readonly budget: RefundBudget,
  ) {}

  async send({ provider, order }: RefundCall): Promise<ChannelRefund> {
    await this.budget.takeToSend();
    try {
      const reported = await channelCall('refund.send', () => provider.refund(order));
      this.budget.noteSuccess();
      return reported;
    } catch (error) {
      this.budget.noteFailure();
      throw error;
    }
  }

  /** A question that is refused tells nothing of the refund: `unknown`. */
  async ask({ provider, order }: RefundCall): Promise<ChannelRefund> {
    await this.budget.take();
    const query = () => channelCall('refund.query', () => provider.queryRefund(order));
    try {
      return await this.calls.refundQueries.fresh(order.outRefundNo, query);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      throw new ProviderError('unknown', error.code, error.message, error.httpStatus);
    }
  }

  async retryToAnotherAccount({ provider, order }: RefundCall, target: AbnormalRefundTarget): Promise<ChannelRefund> {
    await this.budget.take();
    return channelCall('refund.abnormal', () => provider.retryAbnormalRefund(order, target));
  }
}
