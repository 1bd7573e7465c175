import { Controller, Get, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentUser, OwnRowsOnly, Roles, Scope } from '../auth/public.js';
import { Problems } from '../http/openapi.js';
import { EventPage, EventsQuery, EventView } from './event.view.js';
import { EventFeed } from './event-feed.js';
import { EVENT_TYPES } from './event-types.js';

const PAGE = 20;

@ApiTags('events')
@ApiBearerAuth()
@Controller('api/events')
export class EventsController {
  constructor(private readonly feed: EventFeed) {}

  @Get()
  @Roles('service')
  @Scope('events')
  @OwnRowsOnly()
  @ApiOperation({
    summary: "The events of the service's own orders, in a stable order",
    description:
      'Every event appears exactly once and keeps its place; new ones are only ever added at the end. Keep the id of the ' +
      'last event that you have processed and pass it as `after`.',
  })
  @ApiQuery({
    name: 'types',
    required: false,
    enum: EVENT_TYPES,
    enumName: 'EventType',
    isArray: true,
    style: 'form',
    explode: false,
    description: 'Only events of these types, separated by commas. Omitted: of all types',
  })
  @ApiOkResponse({ type: EventPage })
  @Problems('invalid_request', 'invalid_cursor', 'unauthenticated', 'forbidden', 'service_unavailable')
  async list(@CurrentUser() { id }: Caller, @Query() query: EventsQuery): Promise<EventPage> {
    const { limit = PAGE, types = null } = query;
    const page = await this.feed.read(id, { limit, after: query.after || null, types });
    return { items: page.items.map((event) => EventView.of(event)), next_cursor: page.next_cursor };
  }
}
