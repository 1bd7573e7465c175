import { Module } from '@nestjs/common';
import { ProviderModule } from '../provider/provider.module.js';
import { OrderOwnerGuard } from './order-owner.guard.js';
import { Owners } from './owners.js';
import { OrdersController } from './orders.controller.js';
import { OrdersService } from './orders.service.js';

@Module({
  imports: [ProviderModule],
  controllers: [OrdersController],
  providers: [OrdersService, Owners, OrderOwnerGuard],
  exports: [OrdersService, Owners, OrderOwnerGuard],
})
export class OrdersModule {}
