import { DomainError } from '../common/errors.js';
import type { ProviderError } from '../provider/payment-provider.js';
import type { Payment } from './payment.entity.js';

/** Why nothing more can be done with a payment that is settled. */
export function notOpen(payment: Payment): DomainError {
  return payment.status === 'expired'
    ? new DomainError('payment_expired')
    : new DomainError('payment_not_open', `the payment is ${payment.status}`);
}

/** What a failed call to the channel means to a client: refused, or not known and to be tried again. */
export function channelError(error: ProviderError): DomainError {
  return error.outcome === 'unknown'
    ? new DomainError('channel_unavailable', `WeChat Pay did not answer (${error.code}); try again`)
    : new DomainError('channel_rejected', `WeChat Pay rejected the request (${error.code})`);
}
