import { Module } from '@nestjs/common';
import { EventFeed } from './event-feed.js';
import { EventOutbox } from './event-outbox.js';
import { EventsController } from './events.controller.js';

@Module({
  controllers: [EventsController],
  providers: [EventOutbox, EventFeed],
  exports: [EventOutbox],
})
export class EventsModule {}
