import { Module } from '@nestjs/common';
import { DiscrepanciesModule } from '../discrepancies/discrepancies.module.js';
import { PaymentsModule } from '../payments/payments.module.js';
import { ProviderModule } from '../provider/provider.module.js';
import { RefundsModule } from '../refunds/refunds.module.js';
import { AdminController } from './admin.controller.js';
import { AdminLists } from './admin-lists.js';
import { MetricsController } from './metrics.controller.js';
import { UnboundController } from './unbound.controller.js';

@Module({
  imports: [PaymentsModule, RefundsModule, DiscrepanciesModule, ProviderModule],
  controllers: [AdminController, UnboundController, MetricsController],
  providers: [AdminLists],
})
export class AdminModule {}
