import { Module } from '@nestjs/common';
import { DiscrepanciesModule } from '../discrepancies/discrepancies.module.js';
import { NotificationsModule } from '../notifications/notifications.module.js';
import { PaymentsModule } from '../payments/payments.module.js';
import { PaymentProvider } from '../provider/payment-provider.js';
import { ProviderModule } from '../provider/provider.module.js';
import { RefundCarrier } from './carry-out.service.js';
import { DueRefunds } from './due-refunds.js';
import { RefundBudget } from './refund-budget.js';
import { RefundChannel } from './refund-channel.js';
import { RefundsController } from './refunds.controller.js';
import { RefundRows } from './refunds.repository.js';
import { RefundsService } from './refunds.service.js';
import { RefundSettlement } from './settlement.service.js';

@Module({
  imports: [PaymentsModule, ProviderModule, NotificationsModule, DiscrepanciesModule],
  controllers: [RefundsController],
  providers: [
    RefundsService,
    RefundCarrier,
    RefundSettlement,
    RefundRows,
    DueRefunds,
    RefundChannel,
    {
      provide: RefundBudget,
      inject: [PaymentProvider],
      useFactory: ({ rules }: PaymentProvider) => new RefundBudget(rules),
    },
  ],
  exports: [RefundsService, RefundCarrier, RefundSettlement, DueRefunds],
})
export class RefundsModule {}
