import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { ProviderModule } from '../provider/provider.module.js';
import { OrderOwnerGuard } from './order-owner.guard.js';
import { OrdersService } from './orders.service.js';
import { OwnershipLookup } from './ownership-lookup.js';

@Module({
  imports: [EventsModule, ProviderModule],
  providers: [OrdersService, OwnershipLookup, OrderOwnerGuard],
  exports: [OrdersService, OwnershipLookup, OrderOwnerGuard],
})
export class OrdersModule {}
