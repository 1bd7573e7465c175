import { Injectable } from '@nestjs/common';
import { DomainError } from '../common/errors.js';
import { PaymentProvider } from './payment-provider.js';

/** Whose a payment is: what its row keeps of the provider that made it, and of the merchant whom it pays. */
export interface ProviderAccount {
  provider: string;
  mchid: string;
}

/** The account of a payment `p`, as {@link ProviderRegistry.accounts} names it. */
const ACCOUNT = `p.provider || '/' || p.mchid`;

/** SQL: the provider of a payment `p` is bound. The parameter is {@link ProviderRegistry.accounts}. */
export const isBound = (parameter: string): string => `${ACCOUNT} = ANY (${parameter})`;

/** SQL: the reverse of {@link isBound}. */
export const isUnbound = (parameter: string): string => `${ACCOUNT} <> ALL (${parameter})`;

/**
 * Which provider a row belongs to: whatever is done with a row that is there asks here, {@link PaymentProvider} is for new
 * rows and for callbacks. A row has no provider when the service runs with another one now, or for another merchant number: a
 * pretend channel knows nothing of real money, nor one merchant's account of another's. Today there is one entry, the bound
 * provider; {@link DisabledProvider} has no rows.
 */
@Injectable()
export class ProviderRegistry {
  private readonly providers = new Map<string, PaymentProvider>();
  private readonly refusal: 'provider_disabled' | 'other_provider';

  constructor(bound: PaymentProvider) {
    const { name } = bound;
    this.refusal = name === 'disabled' ? 'provider_disabled' : 'other_provider';
    if (name !== 'disabled') this.providers.set(keyOf({ provider: name, mchid: bound.account.mchid }), bound);
  }

  /** The accounts that are bound, for {@link isBound} and {@link isUnbound}. */
  get accounts(): string[] {
    return [...this.providers.keys()];
  }

  has(row: ProviderAccount): boolean {
    return this.providers.has(keyOf(row));
  }

  /** The provider of a row, or why it has none: `other_provider`, or `provider_disabled` where no provider is enabled. */
  find(row: ProviderAccount): PaymentProvider | DomainError {
    return this.providers.get(keyOf(row)) ?? new DomainError(this.refusal);
  }

  /** @throws DomainError as {@link find} answers */
  of(row: ProviderAccount): PaymentProvider {
    const provider = this.find(row);
    if (provider instanceof DomainError) throw provider;
    return provider;
  }
}

function keyOf({ provider, mchid }: ProviderAccount): string {
  return `${provider}/${mchid}`;
}
