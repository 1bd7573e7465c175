import { DomainError } from '../common/errors.js';
import type { FundLine, TradeBill, UnreadableLine } from './bill.js';
import {
  type CallbackFact,
  type ChannelAccount,
  type ChannelPayment,
  type ChannelRefund,
  PaymentProvider,
} from './payment-provider.js';
import type { ClientParams, Prepay } from './prepay.js';
import { DEFAULT_RULES } from './provider-rules.js';

/**
 * Production without a channel: no money can be taken, and none may be pretended. Every method refuses with
 * `provider_disabled`, so that no caller has to ask first.
 */
export class DisabledProvider extends PaymentProvider {
  readonly name = 'disabled';
  readonly rules = { ...DEFAULT_RULES, takesCallbacks: false };

  /** @throws DomainError `provider_disabled`: there is no merchant whom a payment could be for */
  get account(): ChannelAccount {
    throw new DomainError('provider_disabled');
  }

  prepay(): Promise<Prepay> {
    return refuse();
  }

  clientParams(): Promise<ClientParams> {
    return refuse();
  }

  queryPayment(): Promise<ChannelPayment> {
    return refuse();
  }

  closePayment(): Promise<ChannelPayment> {
    return refuse();
  }

  refund(): Promise<ChannelRefund> {
    return refuse();
  }

  queryRefund(): Promise<ChannelRefund> {
    return refuse();
  }

  retryAbnormalRefund(): Promise<ChannelRefund> {
    return refuse();
  }

  readCallback(): Promise<CallbackFact> {
    return refuse();
  }

  tradeBill(): Promise<TradeBill | null> {
    return refuse();
  }

  fundBill(): Promise<AsyncIterable<FundLine | UnreadableLine> | null> {
    return refuse();
  }

  readTradeBill(): Promise<TradeBill> {
    return refuse();
  }
}

function refuse(): Promise<never> {
  return Promise.reject(new DomainError('provider_disabled'));
}
