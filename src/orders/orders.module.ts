import { Module } from '@nestjs/common';
import { ProviderModule } from '../provider/provider.module.js';
import { OrderOwnerGuard } from './order-owner.guard.js';
import { OrdersService } from './orders.service.js';
import { OwnershipLookup } from './ownership-lookup.js';

@Module({
  imports: [ProviderModule],
  providers: [OrdersService, OwnershipLookup, OrderOwnerGuard],
  exports: [OrdersService, OwnershipLookup, OrderOwnerGuard],
})
export class OrdersModule {}
