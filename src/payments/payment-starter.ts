import { Injectable } from '@nestjs/common';
import type { Cause } from '../common/cause.js';
import { after, Clock, MINUTE } from '../common/clock.js';
import { channelCall, failpoint } from '../common/failpoints.js';
import { ChannelCalls } from '../provider/channel-calls.js';
import {
  type ChannelOrder,
  PaymentProvider,
  type PayParams,
  type Prepay,
  ProviderError,
} from '../provider/payment-provider.js';
import { Payment } from './payment.entity.js';
import { PaymentsService } from './payments.service.js';
import { channelError, notOpen } from './refusals.js';
import { StartQueues } from './start-queues.js';

/** A prepay id with less life than this left is not handed out again. */
const PREPAY_MARGIN = 5 * MINUTE;

export interface Started {
  payment: Payment;
  payParams: PayParams;
}

/** Places payments at the channel and hands out what the mini-program pays with. */
@Injectable()
export class PaymentStarter {
  constructor(
    private readonly provider: PaymentProvider,
    private readonly calls: ChannelCalls,
    private readonly payments: PaymentsService,
    private readonly queues: StartQueues,
    private readonly clock: Clock,
  ) {}

  /**
   * Hands out what `wx.requestPayment` needs. The intent is committed before the call; an unknown answer leaves the
   * payment startable again under the same number with identical parameters.
   * @throws DomainError `payment_expired`, `payment_not_open`, `payer_unknown`, `channel_rejected`, `channel_unavailable`
   */
  async start(id: string, cause: Cause): Promise<Started> {
    const { payment, order } = await this.queues.intend(id, cause);
    const alive =
      payment.prepayId && payment.prepayExpiresAt && payment.prepayExpiresAt > after(this.clock.now(), PREPAY_MARGIN);
    if (payment.prepayId && alive) return { payment, payParams: await this.provider.payParams(payment.prepayId) };

    let prepay: Prepay;
    try {
      const place = () => channelCall('payment.start', () => this.provider.prepay(order));
      // The same order gives the same call in every process.
      prepay = await this.calls.prepays.join(id, place);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      return this.afterFailedPrepay(order, error, cause);
    }
    return this.keepPrepay(payment, order, prepay, cause);
  }

  /** What is handed out is what was saved first: starts that race hand out one and the same. */
  private async keepPrepay(payment: Payment, order: ChannelOrder, prepay: Prepay, cause: Cause): Promise<Started> {
    const kept = await this.queues.keep(payment, prepay);
    failpoint('payment.start.after_commit');
    if (kept.isOpen && kept.prepayId) return { payment: kept, payParams: await this.provider.payParams(kept.prepayId) };
    // Settled while the call was on its way: what it opened at the channel is closed again, or found paid. If that
    // fails, no client holds the prepay id, and money that comes all the same is late money.
    await this.payments.closeAgain(order, cause).catch((error: unknown) => {
      if (!(error instanceof ProviderError)) throw error;
    });
    throw notOpen(await this.payments.get(payment.id));
  }

  private async afterFailedPrepay(order: ChannelOrder, error: ProviderError, cause: Cause): Promise<never> {
    if (error.outcome === 'unknown') throw channelError(error);
    if (error.then === 'query') {
      const ask = () => channelCall('payment.start_query', () => this.provider.queryPayment(order));
      const reported = await this.calls.paymentQueries.fresh(order.outTradeNo, ask).catch(asChannelError);
      const settled = await this.payments.settle(reported, cause);
      if (!settled.isOpen) throw notOpen(settled);
      throw channelError(error);
    }
    // A sure refusal of this call. An earlier one, whose answer never came, may have got through: closed before the
    // payment is called failed. If that cannot be confirmed either, the payment stays open and can be started again.
    const close = () => channelCall('payment.start_close', () => this.provider.closePayment(order));
    const closing = this.calls.closes.fresh(order.outTradeNo, close);
    const reported = await closing.catch((closeError: unknown) => {
      if (closeError instanceof ProviderError) throw channelError(error);
      throw closeError;
    });
    await this.payments.settle(
      reported.state === 'closed' ? { ...reported, state: 'failed', failureCode: error.code } : reported,
      cause,
    );
    throw channelError(error);
  }
}

function asChannelError(error: unknown): never {
  throw error instanceof ProviderError ? channelError(error) : error;
}
