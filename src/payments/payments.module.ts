import { Module } from '@nestjs/common';
import { DiscrepanciesModule } from '../discrepancies/discrepancies.module.js';
import { NotificationsModule } from '../notifications/notifications.module.js';
import { OrdersModule } from '../orders/orders.module.js';
import { ProviderModule } from '../provider/provider.module.js';
import { ChannelOrders } from './channel-orders.js';
import { DuePayments } from './due-payments.js';
import { PaymentHistory } from './history.service.js';
import { LateMoney } from './late-money.js';
import { PaymentsController } from './payments.controller.js';
import { PaymentRows } from './payments.repository.js';
import { PaymentsService } from './payments.service.js';
import { PaymentSettlement } from './settlement.service.js';
import { StaleOrders } from './stale-orders.js';
import { StartLanes } from './start-lanes.js';
import { PaymentStarter } from './start.service.js';

@Module({
  imports: [OrdersModule, ProviderModule, NotificationsModule, DiscrepanciesModule],
  controllers: [PaymentsController],
  providers: [
    PaymentsService,
    PaymentStarter,
    StartLanes,
    PaymentSettlement,
    PaymentRows,
    PaymentHistory,
    ChannelOrders,
    DuePayments,
    StaleOrders,
    LateMoney,
  ],
  exports: [
    PaymentsService,
    PaymentStarter,
    PaymentSettlement,
    PaymentRows,
    PaymentHistory,
    DuePayments,
    StaleOrders,
    LateMoney,
    OrdersModule,
  ],
})
export class PaymentsModule {}
