import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { User } from '../auth/user.entity.js';
import { UsersService } from '../auth/users.service.js';
import { Clock } from '../common/clock.js';
import { DomainError, invalidField } from '../common/errors.js';
import { externalIdConflict } from '../orders/new-order.js';
import { PaymentProvider } from '../provider/payment-provider.js';

/** A user as a service names it. */
export interface ShopUser {
  user: User;
  /** Nobody knew the openid before. */
  created: boolean;
  externalId: string | null;
}

/** Users whom a shop has logged in itself. Sole writer of `service_users`. */
@Injectable()
export class ShopUsers {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly users: UsersService,
    private readonly provider: PaymentProvider,
    private readonly clock: Clock,
  ) {}

  /**
   * The user of an openid, made if it is new.
   * @param field where the app stands in the request, for the refusal
   * @throws DomainError `invalid_request` for an app that is not this server's, `provider_disabled`
   */
  byOpenid(openid: string, appid?: string, field = 'appid'): Promise<{ user: User; created: boolean }> {
    const { appid: ours } = this.provider.account;
    if (appid && appid !== ours) throw invalidField(field, 'is not an app of this server');
    return this.users.byOpenid(ours, openid);
  }

  /**
   * The same, and from now on with a number of the service.
   * @throws DomainError `external_id_conflict` where the number is another user's, or the user has another one
   */
  async save(service: string, openid: string, appid?: string, externalId?: string): Promise<ShopUser> {
    const { user, created } = await this.byOpenid(openid, appid);
    if (externalId) {
      await this.db.query(
        `INSERT INTO service_users (service, user_id, external_id, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING`,
        [service, user.id, externalId, this.clock.now()],
      );
    }
    const rows = await this.db.query<{ user_id: string; external_id: string }[]>(
      'SELECT user_id, external_id FROM service_users WHERE service = $1 AND (user_id = $2 OR external_id = $3)',
      [service, user.id, externalId ?? null],
    );
    const own = rows.find((row) => row.user_id === user.id)?.external_id ?? null;
    const other = rows.find((row) => row.user_id !== user.id);
    if (other) throw externalIdConflict('user', other.user_id, ['openid']);
    if (externalId && own !== externalId) {
      const message = `user ${user.id} has the external_id ${own} already`;
      throw new DomainError('external_id_conflict', message, [{ field: 'external_id', message }]);
    }
    return { user, created, externalId: own };
  }
}
