import { Inject, Injectable } from '@nestjs/common';
import { getStorageToken, type ThrottlerStorage } from '@nestjs/throttler';
import { networkOf } from '../common/address.js';
import { MINUTE } from '../common/clock.js';
import { Settings } from '../config/settings.js';

/**
 * Callbacks that prove nothing, per address (of IPv6 its /64) and minute. Verified ones are never counted and never
 * refused. Counted per process.
 */
@Injectable()
export class BadCallbackLimit {
  constructor(
    @Inject(getStorageToken()) private readonly storage: ThrottlerStorage,
    private readonly settings: Settings,
  ) {}

  /** Counts one more; false when the address has used up its minute. */
  async allows(address: string): Promise<boolean> {
    const limit = this.settings.badCallbacksPerMinute;
    const record = await this.storage.increment(`callback:${networkOf(address)}`, MINUTE, limit, MINUTE, 'callback');
    return !record.isBlocked;
  }
}
