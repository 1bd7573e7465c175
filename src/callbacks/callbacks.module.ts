import { Module } from '@nestjs/common';
import { PaymentsModule } from '../payments/payments.module.js';
import { ProviderModule } from '../provider/provider.module.js';
import { RefundsModule } from '../refunds/refunds.module.js';
import { BadCallbackLimit } from './bad-callback-limit.js';
import { CallbackJournal } from './callback-journal.js';
import { CallbacksController } from './callbacks.controller.js';
import { CallbacksService } from './callbacks.service.js';

@Module({
  imports: [PaymentsModule, RefundsModule, ProviderModule],
  controllers: [CallbacksController],
  providers: [CallbacksService, CallbackJournal, BadCallbackLimit],
  exports: [CallbacksService, CallbackJournal],
})
export class CallbacksModule {}
