import { Module } from '@nestjs/common';
import { NotificationsModule } from '../notifications/notifications.module.js';
import { DiscrepanciesService } from './discrepancies.service.js';

@Module({ imports: [NotificationsModule], providers: [DiscrepanciesService], exports: [DiscrepanciesService] })
export class DiscrepanciesModule {}
