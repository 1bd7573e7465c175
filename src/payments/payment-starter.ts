import { Injectable } from '@nestjs/common';
import type { Cause } from '../common/cause.js';
import { after, Clock, MINUTE } from '../common/clock.js';
import { channelCall, failpoint } from '../common/failpoints.js';
import { ChannelCalls } from '../provider/channel-calls.js';
import { ProviderError } from '../provider/payment-provider.js';
import { type ClientParams, type Prepay, prepayOf } from '../provider/prepay.js';
import type { Payment } from './payment.entity.js';
import { PaymentsService } from './payments.service.js';
import { channelError, notOpen } from './refusals.js';
import { type Intended, StartQueues } from './start-queues.js';

/** A prepay with less life than this left is not handed out again. */
const PREPAY_MARGIN = 5 * MINUTE;

export interface Started {
  payment: Payment;
  clientParams: ClientParams;
}

/** Places payments at the channel and hands out what the client pays with. */
@Injectable()
export class PaymentStarter {
  constructor(
    private readonly calls: ChannelCalls,
    private readonly payments: PaymentsService,
    private readonly queues: StartQueues,
    private readonly clock: Clock,
  ) {}

  /**
   * Hands out what the client pays with. The intent is committed before the call; an unknown answer leaves the
   * payment startable again under the same number with identical parameters.
   * @throws DomainError `payment_expired`, `payment_not_open`, `payer_unknown`, `other_provider`, `provider_disabled`,
   *   `channel_rejected`, `channel_unavailable`
   */
  async start(id: string, cause: Cause): Promise<Started> {
    const intended = await this.queues.intend(id, cause);
    const { payment, provider, order } = intended;
    const kept = prepayOf(payment);
    if (kept && kept.expiresAt > after(this.clock.now(), PREPAY_MARGIN))
      return { payment, clientParams: await provider.clientParams(kept) };

    let prepay: Prepay;
    try {
      const place = () => channelCall('payment.start', () => provider.prepay(order));
      // The same order gives the same call in every process.
      prepay = await this.calls.prepays.join(id, place);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      return this.afterFailedPrepay(intended, error, cause);
    }
    return this.keepPrepay(intended, prepay, cause);
  }

  /** What is handed out is what was saved first: starts that race hand out one and the same. */
  private async keepPrepay(intended: Intended, prepay: Prepay, cause: Cause): Promise<Started> {
    const payment = await this.queues.keep(intended.payment, prepay);
    failpoint('payment.start.after_commit');
    const kept = prepayOf(payment);
    if (payment.isOpen && kept) return { payment, clientParams: await intended.provider.clientParams(kept) };
    // Settled while the call was on its way: what it opened at the channel is closed again, or found paid. If that
    // fails, no client holds the prepay, and money that comes all the same is late money.
    await this.payments.closeAgain(intended, cause).catch((error: unknown) => {
      if (!(error instanceof ProviderError)) throw error;
    });
    throw notOpen(await this.payments.get(payment.id));
  }

  private async afterFailedPrepay({ provider, order }: Intended, error: ProviderError, cause: Cause): Promise<never> {
    if (error.outcome === 'unknown') throw channelError(error);
    if (error.then === 'query') {
      const ask = () => channelCall('payment.start_query', () => provider.queryPayment(order));
      const reported = await this.calls.paymentQueries.fresh(order.outTradeNo, ask).catch(asChannelError);
      const settled = await this.payments.settle(reported, cause);
      if (!settled.isOpen) throw notOpen(settled);
      throw channelError(error);
    }
    // A sure refusal of this call. An earlier one, whose answer never came, may have got through: closed before the
    // payment is called failed. If that cannot be confirmed either, the payment stays open and can be started again.
    const close = () => channelCall('payment.start_close', () => provider.closePayment(order));
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
