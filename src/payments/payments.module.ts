import { Module } from '@nestjs/common';
import { DiscrepanciesModule } from '../discrepancies/discrepancies.module.js';
import { EventsModule } from '../events/events.module.js';
import { NotificationsModule } from '../notifications/notifications.module.js';
import { OrdersModule } from '../orders/orders.module.js';
import { ProviderModule } from '../provider/provider.module.js';
import { ChannelOrders } from './channel-orders.js';
import { DuePayments } from './due-payments.js';
import { LateMoney } from './late-money.js';
import { PaymentHistory } from './payment-history.js';
import { PaymentSettlement } from './payment-settlement.js';
import { PaymentStarter } from './payment-starter.js';
import { PaymentsController } from './payments.controller.js';
import { PaymentsRepository } from './payments.repository.js';
import { PaymentsService } from './payments.service.js';
import { StaleOrders } from './stale-orders.js';
import { StartQueues } from './start-queues.js';
import { UnboundPayments } from './unbound-payments.js';

@Module({
  imports: [OrdersModule, ProviderModule, EventsModule, NotificationsModule, DiscrepanciesModule],
  controllers: [PaymentsController],
  providers: [
    PaymentsService,
    PaymentStarter,
    StartQueues,
    PaymentSettlement,
    PaymentsRepository,
    PaymentHistory,
    ChannelOrders,
    DuePayments,
    StaleOrders,
    LateMoney,
    UnboundPayments,
  ],
  exports: [
    PaymentsService,
    PaymentStarter,
    PaymentSettlement,
    PaymentsRepository,
    PaymentHistory,
    DuePayments,
    StaleOrders,
    LateMoney,
    UnboundPayments,
    OrdersModule,
  ],
})
export class PaymentsModule {}
