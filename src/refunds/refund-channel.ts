import { Injectable } from '@nestjs/common';
import { crashPoint } from '../common/crash-points.js';
import { DomainError } from '../common/errors.js';
import type { Payment } from '../payments/payment.entity.js';
import {
  type AbnormalRefundTarget,
  type ChannelRefund,
  type ChannelRefundOrder,
  PaymentProvider,
  ProviderError,
} from '../provider/payment-provider.js';
import { RefundBudget } from './refund-budget.js';

/** The channel's calls about refunds, kept under its limits. All throw {@link ProviderError}. */
@Injectable()
export class RefundChannel {
  constructor(
    private readonly provider: PaymentProvider,
    private readonly budget: RefundBudget,
  ) {}

  /** WeChat wants a pause between the parts of a payment. The mock does not mind. */
  get wantsPauses(): boolean {
    return this.provider.name !== 'mock';
  }

  /** @throws DomainError `other_provider`: a pretend channel knows nothing of real money, nor the other way round */
  assertOurs(payment: Payment): void {
    if (payment.provider !== this.provider.name) throw new DomainError('other_provider');
  }

  async send(order: ChannelRefundOrder): Promise<ChannelRefund> {
    await this.budget.takeToSend();
    try {
      crashPoint('refund.send.before_call');
      const seen = await this.provider.refund(order);
      crashPoint('refund.send.after_call');
      this.budget.noteSuccess();
      return seen;
    } catch (error) {
      if (this.wantsPauses) this.budget.noteFailure();
      throw error;
    }
  }

  /** A question that is refused tells nothing of the refund: `unknown`. */
  async ask(order: ChannelRefundOrder): Promise<ChannelRefund> {
    await this.budget.take();
    try {
      crashPoint('refund.query.before_call');
      const seen = await this.provider.queryRefund(order);
      crashPoint('refund.query.after_call');
      return seen;
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      throw new ProviderError('unknown', error.code, error.message, error.httpStatus);
    }
  }

  async sendElsewhere(order: ChannelRefundOrder, target: AbnormalRefundTarget): Promise<ChannelRefund> {
    await this.budget.take();
    crashPoint('refund.abnormal.before_call');
    const seen = await this.provider.retryAbnormalRefund(order, target);
    crashPoint('refund.abnormal.after_call');
    return seen;
  }
}
