import { Global, Module } from '@nestjs/common';
import { ClientAddresses } from './client-addresses.js';
import { HealthController } from './health.controller.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';
import { IdempotencyService } from './idempotency.service.js';
import { Readiness } from './readiness.js';

@Global()
@Module({
  controllers: [HealthController],
  providers: [ClientAddresses, Readiness, IdempotencyService, IdempotencyInterceptor],
  exports: [ClientAddresses, Readiness, IdempotencyService, IdempotencyInterceptor],
})
export class HttpModule {}
