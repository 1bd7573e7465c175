import { Module } from '@nestjs/common';
import { DiscrepanciesModule } from '../discrepancies/discrepancies.module.js';
import { PaymentsModule } from '../payments/payments.module.js';
import { ProviderModule } from '../provider/provider.module.js';
import { RefundsModule } from '../refunds/refunds.module.js';
import { BillService } from './bill.service.js';
import { DifferenceResolver } from './difference-resolver.js';
import { ReconciliationRuns } from './reconciliation-runs.js';

@Module({
  imports: [PaymentsModule, RefundsModule, ProviderModule, DiscrepanciesModule],
  providers: [BillService, DifferenceResolver, ReconciliationRuns],
  exports: [BillService],
})
export class ReconciliationModule {}
