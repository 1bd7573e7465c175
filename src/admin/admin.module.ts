import { Module } from '@nestjs/common';
import { DiscrepanciesModule } from '../discrepancies/discrepancies.module.js';
import { PaymentsModule } from '../payments/payments.module.js';
import { ProviderModule } from '../provider/provider.module.js';
import { AdminController } from './admin.controller.js';
import { AdminLists } from './admin-lists.js';
import { MetricsController } from './metrics.controller.js';

@Module({
  imports: [PaymentsModule, DiscrepanciesModule, ProviderModule],
  controllers: [AdminController, MetricsController],
  providers: [AdminLists],
})
export class AdminModule {}
