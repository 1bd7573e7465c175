import { Inject, Injectable } from '@nestjs/common';
import { getStorageToken, type ThrottlerStorage } from '@nestjs/throttler';
import { networkOf } from '../common/address.js';
import { MINUTE, SECOND } from '../common/clock.js';
import { DomainError } from '../common/errors.js';
import { Settings } from '../config/settings.js';

/**
 * Logins that failed, per address (of IPv6 its /64) and minute, so that guessed codes do not use up our calls to WeChat.
 * Those that succeed are not counted: many people may share an address. Counted per process, in real time.
 */
@Injectable()
export class LoginLimit {
  /** Networks that have used up their minute, and when it ends (`performance.now()`). */
  private readonly refusedUntil = new Map<string, number>();

  constructor(
    @Inject(getStorageToken()) private readonly storage: ThrottlerStorage,
    private readonly settings: Settings,
  ) {}

  /** @throws DomainError `too_many_requests` */
  assertAllowed(address: string): void {
    const network = networkOf(address);
    const until = this.refusedUntil.get(network);
    if (until === undefined) return;
    if (performance.now() < until)
      throw new DomainError('too_many_requests', 'too many failed logins from this address');
    this.refusedUntil.delete(network);
  }

  async noteFailure(address: string): Promise<void> {
    const network = networkOf(address);
    // The storage blocks what goes beyond its limit; ours is reached by the last failure that is allowed.
    const allowed = this.settings.loginsPerMinute - 1;
    const record = await this.storage.increment(`login:${network}`, MINUTE, allowed, MINUTE, 'login');
    if (!record.isBlocked) return;
    this.forgetThePast();
    this.refusedUntil.set(network, performance.now() + record.timeToBlockExpire * SECOND);
  }

  private forgetThePast(): void {
    const now = performance.now();
    for (const [network, until] of this.refusedUntil) if (until <= now) this.refusedUntil.delete(network);
  }
}
