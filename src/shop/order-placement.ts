import { Injectable } from '@nestjs/common';
import type { User } from '../auth/user.entity.js';
import { UsersService } from '../auth/users.service.js';
import type { Cause } from '../common/cause.js';
import { DomainError, type ErrorCode, invalidField } from '../common/errors.js';
import { derivedId } from '../common/ids.js';
import type { Order } from '../orders/order.entity.js';
import { OrdersService } from '../orders/orders.service.js';
import type { Payment } from '../payments/payment.entity.js';
import { PaymentStarter } from '../payments/payment-starter.js';
import { PaymentsService } from '../payments/payments.service.js';
import { PaymentProvider } from '../provider/payment-provider.js';
import type { ClientParams } from '../provider/prepay.js';
import type { ServiceOrderBody } from './order.dto.js';
import { ShopUsers } from './shop-users.js';

export interface Placed {
  order: Order;
  /** False where the service had placed it before. */
  created: boolean;
  /** Asked for by `start`. */
  started?: {
    /** Null: the order ended before anything was paid for it. */
    payment: Payment | null;
    /** Null: the order can no longer be paid. */
    clientParams: ClientParams | null;
  };
}

/** Why a known order is not started again: it is over, and the answer shows it. */
const OVER: readonly ErrorCode[] = ['order_not_payable', 'order_expired', 'payment_not_open', 'payment_expired'];

/** Orders of a shop's own backend, placed and started in one call. */
@Injectable()
export class OrderPlacement {
  constructor(
    private readonly shopUsers: ShopUsers,
    private readonly users: UsersService,
    private readonly orders: OrdersService,
    private readonly payments: PaymentsService,
    private readonly starter: PaymentStarter,
    private readonly provider: PaymentProvider,
  ) {}

  /**
   * Places an order for a service under the id, and with `start` starts its payment. Whether it can be started is asked
   * before it is placed. A failure of the start leaves the order: the same request again goes on from there.
   * @throws DomainError `invalid_request`, `invalid_metadata`, `external_id_conflict`, `payer_openid_required`,
   *   `provider_disabled`, and those of {@link PaymentStarter.start}
   */
  async place(service: string, body: ServiceOrderBody, id: string, cause: Cause): Promise<Placed> {
    const userId = await this.payerOf(body);
    const { order, created } = await this.orders.create({
      id,
      userId,
      createdBy: service,
      service,
      externalId: body.external_id ?? null,
      expiresIn: body.expires_in ?? null,
      description: body.description,
      amountFen: body.amount,
      metadata: body.metadata ?? {},
      productId: null,
      quantity: null,
    });
    if (!body.start) return { order, created };
    const started = await this.start(order, derivedId('pay', id), created, cause);
    // The payment may have changed until when it can be paid.
    return { order: await this.orders.get(order.id), created, started };
  }

  private async start(order: Order, paymentId: string, created: boolean, cause: Cause): Promise<Placed['started']> {
    try {
      const { payment } = await this.payments.create(order.id, paymentId, cause);
      return await this.starter.start(payment.id, cause);
    } catch (error) {
      if (created || !(error instanceof DomainError) || !OVER.includes(error.code)) throw error;
      return { payment: await this.payments.latestOf(order.id), clientParams: null };
    }
  }

  /** The user who pays; with `start` one who can. */
  private async payerOf({ user_id: userId, payer, start }: ServiceOrderBody): Promise<string> {
    // Null is as good as left out.
    if (userId && payer) throw invalidField('payer', 'must be left out where user_id is given');
    if (payer?.openid) return (await this.shopUsers.byOpenid(payer.openid, payer.appid, 'payer.appid')).user.id;
    if (!userId) {
      if (start) throw new DomainError('payer_openid_required');
      throw payer ? invalidField('payer.openid', 'is required') : invalidField('user_id', 'or payer is required');
    }
    const user = await this.users.find(userId);
    if (!user) throw invalidField('user_id', 'is not a known user');
    if (start) this.assertHasOpenid(user);
    return user.id;
  }

  /** @throws DomainError `payer_openid_required`, `provider_disabled` */
  private assertHasOpenid(user: User): void {
    const { rules, account } = this.provider;
    if (rules.needsOpenid && user.appid !== account.appid) throw new DomainError('payer_openid_required');
  }
}
