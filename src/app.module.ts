import { DynamicModule, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { AdminModule } from './admin/admin.module.js';
import { AuthModule } from './auth/auth.module.js';
import { CallbacksModule } from './callbacks/callbacks.module.js';
import { Clock } from './common/clock.js';
import { ConfigModule } from './config/config.module.js';
import { Settings } from './config/settings.js';
import { DatabaseModule } from './database/database.module.js';
import { EventsModule } from './events/events.module.js';
import { HttpModule } from './http/http.module.js';
import { LogModule } from './http/log.module.js';
import { Jobs } from './jobs.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { NotificationsModule } from './notifications/notifications.module.js';
import { OrdersModule } from './orders/orders.module.js';
import { PaymentsModule } from './payments/payments.module.js';
import { ReconciliationModule } from './reconciliation/reconciliation.module.js';
import { RefundsModule } from './refunds/refunds.module.js';
import { ShopModule } from './shop/shop.module.js';

export interface AppOptions {
  settings: Settings;
  databaseUrl: string;
  /** Tests put a clock of their own in. */
  clock?: Clock;
}

/** Everything that serves requests; commands use it too, without a port. */
@Module({})
export class AppModule {
  static with({ settings, databaseUrl, clock }: AppOptions): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.with(settings, clock ?? new Clock()),
        LogModule,
        DatabaseModule.with(databaseUrl, settings.databasePoolSize, settings.databasePooler),
        ScheduleModule.forRoot(),
        HttpModule,
        AuthModule,
        EventsModule,
        NotificationsModule,
        OrdersModule,
        PaymentsModule,
        ShopModule,
        RefundsModule,
        CallbacksModule,
        ReconciliationModule,
        AdminModule,
        MetricsModule,
      ],
      providers: [Jobs],
    };
  }
}
