import { Module } from '@nestjs/common';
import { PaymentsModule } from '../payments/payments.module.js';
import { ProviderModule } from '../provider/provider.module.js';
import { OrderCancellation } from './order-cancellation.js';
import { OrderPlacement } from './order-placement.js';
import { OrdersController } from './orders.controller.js';
import { ShopUsers } from './shop-users.js';
import { UsersController } from './users.controller.js';

@Module({
  imports: [PaymentsModule, ProviderModule],
  controllers: [OrdersController, UsersController],
  providers: [OrderPlacement, OrderCancellation, ShopUsers],
})
export class ShopModule {}
