import { Module } from '@nestjs/common';
import { OrderOwnerGuard } from './order-owner.guard.js';
import { OrdersController } from './orders.controller.js';
import { OrdersService } from './orders.service.js';

@Module({
  controllers: [OrdersController],
  providers: [OrdersService, OrderOwnerGuard],
  exports: [OrdersService, OrderOwnerGuard],
})
export class OrdersModule {}
