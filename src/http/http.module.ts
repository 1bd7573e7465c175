import { Global, Module } from '@nestjs/common';
import { HealthController, Readiness } from './health.controller.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';
import { IdempotencyService } from './idempotency.service.js';

@Global()
@Module({
  controllers: [HealthController],
  providers: [Readiness, IdempotencyService, IdempotencyInterceptor],
  exports: [Readiness, IdempotencyService, IdempotencyInterceptor],
})
export class HttpModule {}
