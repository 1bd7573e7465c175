import { Injectable, Logger } from '@nestjs/common';
import { normalAddress } from '../common/address.js';
import { Settings } from '../config/settings.js';

/** What of a request says where it comes from; `ip` is what the trusted proxies say, as they wrote it. */
export interface AddressedRequest {
  readonly ip: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Stands for an address that a proxy wrote as something that is none. It is in no allow list. */
export const UNKNOWN_ADDRESS = 'unknown';

const CONSEQUENCE =
  'behind a proxy, all clients then appear with the address of the proxy: they share one rate limit, and ' +
  'WECHAT_PAY_CALLBACK_ALLOWED_IPS is compared with that address; set TRUSTED_PROXY_HOPS to the number of your proxies';

/** Where requests come from. */
@Injectable()
export class ClientAddresses {
  private readonly log = new Logger('http');
  private warned = false;

  constructor(private readonly settings: Settings) {}

  /** For the start of the service: in production TLS ends at a proxy, as it does not end here. */
  warnWithoutProxy(): void {
    const { production, trustedProxyHops } = this.settings;
    if (production && trustedProxyHops === 0) this.log.warn(`TRUSTED_PROXY_HOPS is 0: ${CONSEQUENCE}`);
  }

  /** The address of the client in its normal form, or {@link UNKNOWN_ADDRESS}. */
  of(request: AddressedRequest): string {
    if (!this.warned && this.settings.trustedProxyHops === 0 && request.headers['x-forwarded-for'] !== undefined) {
      this.warned = true;
      this.log.warn(`a request has X-Forwarded-For, but TRUSTED_PROXY_HOPS is 0: ${CONSEQUENCE}`);
    }
    return normalAddress(request.ip) ?? UNKNOWN_ADDRESS;
  }
}
