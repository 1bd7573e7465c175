import { Module } from '@nestjs/common';
import { DiscrepanciesModule } from '../discrepancies/discrepancies.module.js';
import { NotificationsModule } from '../notifications/notifications.module.js';
import { PaymentsModule } from '../payments/payments.module.js';
import { PaymentProvider } from '../provider/payment-provider.js';
import { ProviderModule } from '../provider/provider.module.js';
import { CaseResolver } from './case-resolver.js';
import { ConsoleRefundsController } from './console-refunds.controller.js';
import { ConsoleRefunds } from './console-refunds.js';
import { DueRefunds } from './due-refunds.js';
import { RefundBudget } from './refund-budget.js';
import { RefundChannel } from './refund-channel.js';
import { RefundExecutor } from './refund-executor.js';
import { RefundSettlement } from './refund-settlement.js';
import { RefundsController } from './refunds.controller.js';
import { RefundsRepository } from './refunds.repository.js';
import { RefundsService } from './refunds.service.js';
import { UnboundRefunds } from './unbound-refunds.js';

@Module({
  imports: [PaymentsModule, ProviderModule, NotificationsModule, DiscrepanciesModule],
  controllers: [RefundsController, ConsoleRefundsController],
  providers: [
    RefundsService,
    RefundExecutor,
    RefundSettlement,
    RefundsRepository,
    DueRefunds,
    ConsoleRefunds,
    RefundChannel,
    UnboundRefunds,
    CaseResolver,
    {
      provide: RefundBudget,
      inject: [PaymentProvider],
      useFactory: ({ rules }: PaymentProvider) => new RefundBudget(rules),
    },
  ],
  exports: [RefundsService, RefundExecutor, RefundSettlement, DueRefunds, ConsoleRefunds, UnboundRefunds, CaseResolver],
})
export class RefundsModule {}
